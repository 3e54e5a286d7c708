"""The program: `vldm`, and `python -m vldm_cli`. Signals count from before anything that takes time is imported."""

import _signal  # type: ignore[import-not-found]  # `signal` itself is imported for longer than Ctrl-C may wait
import os


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    for number in (_signal.SIGINT, _signal.SIGTERM, getattr(_signal, "SIGHUP", None)):
        if number is not None and _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _end)
    from vldm_cli.commands import app

    app.main()


def _end(*_: object) -> None:
    """Until `app` listens."""
    try:
        os.write(2, b"vldm: interrupted\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
