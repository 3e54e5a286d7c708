"""Super-resolution networks for pictures: those that go by a name, their formats, and the layers trained for them."""
