"""Exceptions to exit codes: the one place that decides what a failed command says and returns.

0 done · 2 the request cannot be served · 1 it broke while running · 130 interrupted. One sentence on stderr, no
traceback unless the command was given -v.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from typer.main import get_command

from vldm_cli.commands.empty import check_words
from vldm_cli.commands.streams import say
from vldm_cli.errors import RequestError, RunError, ran_out, shown, unexpected, visible
from vldm_cli.runs import command_line, interrupt
from vldm_cli.runs.command_line import typed

# What pydantic's kinds of faults begin with → what is wanted.
KINDS = {"int": "whole number", "float": "number"}
# How typer's sentence on a file that it may not read ends.
UNREADABLE = " is not readable."


class Interrupted(Exception):
    """Ctrl-C. The message is one sentence: what is saved; `again` the words of the command that goes on."""

    def __init__(self, message: str, again: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.again = tuple(again)


def run(app: typer.Typer, arguments: list[str]) -> int:
    """Run the command line and return its exit code; whatever went wrong has been said on stderr."""
    with command_line.told(arguments):
        try:
            os.getcwd()
        except OSError:
            gone = (
                "the folder in which it was started is gone; change to another one and give the command again"
            )
            return _fail(2, gone, arguments)
        try:
            return _run(app, arguments)
        except BrokenPipeError:  # whoever read our output has gone; there is nobody to tell
            sys.stdout = None
            return 1
        except Exception as error:
            return _broke(error, arguments)


@contextmanager
def only_told(warn: Callable[[str], None]) -> Iterator[None]:
    """Within this, what is refused draws a warning: a dry run shows its plan all the same."""
    try:
        yield
    except RequestError as error:
        warn(f"the run would be refused: {error}")


@contextmanager
def going_on(saved: Callable[[], str]) -> Iterator[None]:
    """Within this, a command that is stopped says what saved() tells, and one that is stopped or breaks ends with the
    command that goes on, which is the same one."""
    again = command_line.words()
    with interrupt.saying(lambda: _sentence(f"interrupted; {saved()}", again)):
        try:
            yield
        except KeyboardInterrupt as error:
            raise Interrupted(f"interrupted; {saved()}", again) from error
        except RunError as error:
            raise RunError(str(error), again) from error


def _run(app: typer.Typer, arguments: list[str]) -> int:
    try:
        check_words(arguments)
        code = get_command(app).main(arguments or ["--help"], prog_name="vldm", standalone_mode=False) or 0
        return _fail(code, "interrupted", arguments) if code == 130 else code
    except SystemExit as done:  # shell completion says what there is and leaves
        return done.code if isinstance(done.code, int) else 0
    except typer.TyperException as error:  # an option or argument that is not one
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "vldm"
        return _fail(error.exit_code, f"{worded(error)} (see `{path} --help`)", arguments)
    except RequestError as error:
        if ran_out(error):
            return _broke(error, arguments)
        return _fail(2, str(error), arguments, error.again)
    except RunError as error:
        return _fail(1, str(error), arguments, error.again)
    except Interrupted as error:
        return _fail(130, str(error), arguments, error.again)


def worded(error: typer.TyperException) -> str:
    """What is wrong with an option or argument: the value that was typed and what is wanted, where typer's own words
    tell neither."""
    message = error.format_message().rstrip(".")
    if hasattr(error, "possibilities"):  # an option that there is none of
        dashed = next((word for word in command_line.words() if _is_dashed_file(word)), None)
        return message if dashed is None else f"{message}; the file of that name is given as ./{dashed}"
    if not isinstance(error, typer.BadParameter) or error.param is None:
        return message
    if error.message.endswith(UNREADABLE):
        name = error.message.removesuffix(UNREADABLE).partition(" ")[2]  # behind its kind: file, path
        return f"{name} may not be read; change its permissions, or name another file"
    faults: list = getattr(error.__cause__, "errors", list)()  # pydantic's, which reads the values
    kind = KINDS.get(faults[0]["type"].partition("_")[0]) if faults else None
    if kind is None:
        return message
    return f"{max(error.param.opts, key=len)} {shown(faults[0]['input'])} is no {kind}"


def _is_dashed_file(word: str) -> bool:
    """Whether there is a file of that name, which the command line takes for options."""
    return word.startswith("-") and "\0" not in word and os.path.lexists(word)


def _broke(error: Exception, arguments: list[str]) -> int:
    """What no place had a better word for."""
    return _fail(1, unexpected(error), arguments)


def _fail(code: int, message: str, arguments: list[str], again: Sequence[str] = ()) -> int:
    if "-v" in arguments or "--verbose" in arguments:
        say(traceback.format_exc().rstrip("\n"))
    say(_sentence(message, again))
    return code


def _sentence(message: str, again: Sequence[str] = ()) -> str:
    """One line, but for line ends in the command's own words, which stay what they are."""
    line = visible(f"vldm: {' '.join(part.strip() for part in message.splitlines())}")
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    return f"{line}; go on with: {typed(again, encoding)}" if again else line
