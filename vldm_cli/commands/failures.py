"""Exceptions to exit codes: the one place that decides what a failed command says and returns.

0 done · 2 the request cannot be served · 1 it broke while running · 130 interrupted. One sentence on stderr, no
traceback unless the command was given -v.
"""

import sys
import traceback

import typer
from typer.main import get_command

from vldm_cli.errors import RequestError, RunError


class Interrupted(Exception):
    """Ctrl-C. The message is one sentence: what is saved and the command that goes on."""


def run(app: typer.Typer, arguments: list[str]) -> int:
    """Run the command line and return its exit code; whatever went wrong has been said on stderr."""
    try:
        code = get_command(app).main(arguments or ["--help"], prog_name="vldm", standalone_mode=False) or 0
        return _fail(code, "interrupted", arguments) if code == 130 else code
    except SystemExit as done:  # shell completion says what there is and leaves
        return done.code if isinstance(done.code, int) else 0
    except typer.TyperException as error:  # an option or argument that is not one
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "vldm"
        message = f"{error.format_message().rstrip('.')} (see `{path} --help`)"
        return _fail(error.exit_code, message, arguments)
    except RequestError as error:
        return _fail(2, str(error), arguments)
    except RunError as error:
        return _fail(1, str(error), arguments)
    except Interrupted as error:
        return _fail(130, str(error), arguments)
    except BrokenPipeError:  # whoever read our output has gone; there is nobody to tell
        sys.stdout = None
        return 1
    except Exception as error:
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(1, f"unexpected error, please report it ({words:.300}); -v shows where", arguments)


def _fail(code: int, message: str, arguments: list[str]) -> int:
    if "-v" in arguments or "--verbose" in arguments:
        traceback.print_exc()
    print(f"vldm: {' '.join(message.split())}", file=sys.stderr)
    return code
