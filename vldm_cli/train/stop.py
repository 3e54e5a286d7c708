"""A stop asked for by SIGINT or SIGTERM is taken between two steps, when there is a whole state to save."""

import signal
import threading


class Stop:
    """Inside this, `asked` turns True on the first signal; a second one acts as it always did."""

    def __enter__(self) -> "Stop":
        self.asked = False
        self.handlers = {}
        # Python takes signals in the main thread only
        if threading.current_thread() is threading.main_thread():
            self.handlers = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        self._restore()

    def _ask(self, *_) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}
