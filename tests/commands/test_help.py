import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL", "accelerate", "imageio_ffmpeg")
COMMANDS = [
    [],
    ["generate"],
    ["extend"],
    ["upscale"],
    ["interpolate"],
    ["train"],
    ["info"],
    ["doctor"],
    ["packs"],
    ["packs", "list"],
    ["packs", "show"],
    ["packs", "check"],
    ["measure"],
    ["measure", "speed"],
    ["measure", "extend"],
]


def test_help_of_every_command_imports_nothing_heavy():
    script = (
        "import sys, json\n"
        "from vldm_cli.commands.app import app\n"
        "from vldm_cli.commands.failures import run\n"
        f"codes = [run(app, [*words, '--help']) for words in {COMMANDS!r}]\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(json.dumps([codes, heavy]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == [[0] * len(COMMANDS), []]


def test_help_names_only_commands_that_there_are(vldm):
    code, out, _ = vldm("--help")
    assert code == 0
    assert all(
        name in out
        for name in (
            "generate",
            "extend",
            "upscale",
            "interpolate",
            "packs",
            "train",
            "measure",
            "info",
            "doctor",
        )
    )
    assert not any(name in out for name in ("pull",))
    assert vldm() == (0, out, "")


EVERY_OPTION = """
import contextlib, io, sys
from typer.main import get_command
from vldm_cli.commands.app import app
from vldm_cli.commands.failures import run

def commands(group, words=()):
    for name, command in group.commands.items():
        yield from commands(command, (*words, name)) if hasattr(command, "commands") else [((*words, name), command)]

for words, command in commands(get_command(app)):
    with contextlib.redirect_stdout(io.StringIO()) as page:
        run(app, [*words, "--help"])
    names = [name for option in command.params for name in (*option.opts, *option.secondary_opts)]
    cut = [name for name in names if name.startswith("-") and name not in page.getvalue()]
    if cut or "Usage: vldm" not in page.getvalue():
        print(*words, *cut)
"""


@pytest.mark.parametrize("columns", [20, 60, 79, 80])
def test_help_names_every_option_whole_however_narrow_the_terminal(columns):
    env = {**os.environ, "COLUMNS": str(columns)}
    done = subprocess.run(
        [sys.executable, "-c", EVERY_OPTION], capture_output=True, text=True, check=True, env=env
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_version(vldm):
    from vldm_cli import __version__

    assert vldm("--version") == (0, f"vldm {__version__}\n", "")


@pytest.mark.parametrize("order", [("--version", "-v"), ("-v", "--version")])
def test_version_with_all_that_a_report_needs(vldm, order):
    import torch

    from vldm_cli import __version__
    from vldm_cli.packs.pack import Pack

    code, out, err = vldm(*order)
    assert (code, err) == (0, "")
    first, framework, device, pack = out.splitlines()
    assert (first, framework) == (f"vldm {__version__}", f"torch {torch.__version__}")
    assert device.startswith("device ")
    assert pack.startswith("pack toyland, version ") and pack.endswith(Pack.open(check=False).manifest.hash)


def test_verbose_before_a_command_is_refused(vldm):
    code, out, err = vldm("-v", "packs", "list")
    assert (code, out) == (2, "") and "put it after the command" in err


def test_the_plain_version_and_completion_import_nothing_heavy():
    script = (
        "import sys\n"
        "from vldm_cli.commands.app import app\n"
        "from vldm_cli.commands.failures import run\n"
        "code = run(app, sys.argv[1:])\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(code, heavy, file=sys.stderr)\n"
    )
    bash = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # the tests' shell may be none
    ask = {"_VLDM_COMPLETE": "complete_bash", "COMP_WORDS": "vldm pack", "COMP_CWORD": "1"}
    for arguments, variables, words in (
        (["--version"], {}, "vldm "),
        (["--show-completion", "bash"], bash, "_VLDM_COMPLETE=complete_bash"),
        ([], ask, "packs"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **variables},
        )
        assert words in done.stdout and done.stderr == "0 []\n", arguments


def test_completion_is_installed_for_the_shell(tmp_path):
    script = "from vldm_cli.commands.app import main; main()"
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, "--install-completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **home},
    )
    assert "bash completion installed" in done.stdout
    assert "_VLDM_COMPLETE" in "".join(path.read_text() for path in tmp_path.rglob("*.sh"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonesuch"],
        ["generate"],
        ["generate", "a", "--nonesuch"],
        ["generate", "a", "--frames", "x"],
        ["packs"],
    ],
)
def test_usage_errors_are_one_line_and_exit_2(vldm, arguments):
    code, out, err = vldm(*arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and "--help" in err


def test_the_program_exits_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "vldm_cli", "packs", "show", "nonesuch"], capture_output=True
    )
    assert done.returncode == 2 and done.stderr.startswith(b"vldm: there is no pack nonesuch")


def test_remarks_of_libraries_do_not_reach_the_person():
    """With any command, before the libraries are imported: they look only then."""
    script = (
        "from vldm_cli.commands.app import app\n"
        "from vldm_cli.commands.failures import run\n"
        "run(app, ['train', 'all', '--pack', 'p', '--minutes', '5', '--gpus', '0', '--dry-run'])\n"
        "import torch\n"
        "from diffusers.models.modeling_utils import ModelMixin\n"
        "ModelMixin._keep_in_fp32_modules = []\n"
        "ModelMixin().to(torch.float16)\n"
        "import warnings\n"
        "warnings.warn('a remark')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_libraries_look_for_is_set_and_what_a_person_has_set_stays(vldm, monkeypatch):
    monkeypatch.setenv("DIFFUSERS_VERBOSITY", "info")
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    vldm("packs", "list")
    assert (os.environ["DIFFUSERS_VERBOSITY"], os.environ["OMP_WAIT_POLICY"]) == ("info", "PASSIVE")
