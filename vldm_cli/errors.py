"""The two ways in which a command fails, and what each means to the person who typed it."""


class RequestError(Exception):
    """The request cannot be served: bad option, unreadable input, unknown pack. Exit code 2, nothing written.

    The message is one sentence that names the file or option and the remedy.
    """


class RunError(Exception):
    """It broke while running: disk full, out of memory, lost device. Exit code 1.

    The message is one sentence that says what is saved and how to go on.
    """
