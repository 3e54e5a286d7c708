"""The program: `vldm`, and `python -m vldm_cli`. Signals count from before anything that takes time is imported."""

from vldm_cli.runs import interrupt


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    interrupt.listen()
    from vldm_cli.commands import app

    app.main()


if __name__ == "__main__":
    main()
