"""MkDocs hook: one page a command, made from the program itself while the pages are built, so that it cannot drift."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from vldm_cli.commands.app import app

FOLDER = "commands"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation names every command in the order of `vldm --help`."""
    for entry in config.nav:
        if "Commands" in entry:
            entry["Commands"] = [
                {f"vldm {name}": f"{FOLDER}/{name}.md"} for name in _commands(get_command(app))
            ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Their pages."""
    for name, command in _commands(get_command(app)).items():
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=page(f"vldm {name}", command)))
    return files


def page(name: str, command: Any) -> str:
    """Markdown of one command; of a group, with a section for each of its commands. Commands that share their options,
    as the parts of `vldm train` do, share a section."""
    lines = [f"# {name}", "", *_words(command)]
    if not _commands(command):
        return "\n".join([*lines, *_usage(name, command)])
    together: dict[Any, list[tuple[str, Any]]] = {}
    for word, one in _commands(command).items():
        together.setdefault(one.callback, []).append((word, one))
    for members in together.values():
        word, one = members[0]
        if len(members) == 1:
            lines += ["", f"## {name} {word}", "", *_words(one), *_usage(f"{name} {word}", one)]
            continue
        lines += ["", f"## {name} PART", "", *_words(one), "", "| PART | |", "| --- | --- |"]
        lines += [f"| `{word}` | {_cell(one.short_help or '')} |" for word, one in members]
        lines += _usage(f"{name} PART", one)
    return "\n".join(lines)


def _commands(command: Any) -> dict[str, Any]:
    return {name: one for name, one in getattr(command, "commands", {}).items() if not one.hidden}


def _words(command: Any) -> list[str]:
    paragraphs = (command.help or "").replace("\f", "").split("\n\n")
    return ["\n\n".join(" ".join(words.split()) for words in paragraphs)]


def _usage(name: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    yield from (
        "",
        "    " + " ".join([name, *(one.metavar or one.name.upper() for one in arguments), "[OPTIONS]"]),
    )
    if arguments:
        yield from ("", "| argument | |", "| --- | --- |")
        for one in arguments:
            yield f"| `{one.metavar or one.name.upper()}` | {_cell(one.help or '')} |"
    if options:
        yield from ("", "| option | | default |", "| --- | --- | --- |")
        for one in options:
            yield f"| {_spelling(one)} | {_cell(one.help or '')} | {_default(one)} |"
    yield ""


def _spelling(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or _kind(option)}"
    names = ", ".join(f"`{name}{value}`" for name in option.opts)
    return names + "".join(f" / `{name}`" for name in option.secondary_opts)


def _kind(option: Any) -> str:
    kind = option.type_descriptor.annotation
    if issubclass(kind, Enum):
        return "|".join(one.value for one in kind)
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default in (None, "", []) or callable(option.default):
        return ""
    if option.is_flag:
        if not option.default:
            return f"`{option.secondary_opts[0]}`" if option.secondary_opts else ""
        return f"`{option.opts[0]}`"
    return f"`{getattr(option.default, 'value', option.default)}`"


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
