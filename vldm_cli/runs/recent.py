"""Things that take much memory, of which a process holds on to the last few. No torch."""

import gc
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

Thing = TypeVar("Thing")

# A pack and the one that upscales its frames, or a clip's and the one after it: more would fill a GPU.
MOST = 2


class Recent:
    """Things by their keys, for threads side by side: where there are more than `MOST`, the one goes that nobody has
    asked for for longest. gone: called after that; by default what it held is freed at once, cycles or not."""

    def __init__(self, gone: Callable[[], object] = gc.collect) -> None:
        self._gone = gone
        self._lock = Lock()
        self._things: OrderedDict[Hashable, object] = OrderedDict()

    def once(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """The thing of that key, made where it is not there. Whatever `make` raises leaves all as it was."""
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
                while len(self._things) > MOST:
                    self._things.popitem(last=False)
                    self._gone()
            self._things.move_to_end(key)
            thing = self._things[key]
        return thing  # type: ignore[return-value]  # each key is of one kind of thing
