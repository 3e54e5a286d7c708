"""What the libraries find when they are imported."""

import subprocess
import sys

SAYS = """
import warnings
from vldm_cli.commands import environment
environment.prepare()
from vldm_cli.commands.console import Console
def say(text, module):
    warnings.warn_explicit(text, UserWarning, "file.py", 1, module=module)
say("cannot be recorded", "vldm_cli.align.fast.graphs")
say("is deprecated", "diffusers.models")
Console(quiet=True)
say("nothing of this", "vldm_cli.align.fast.graphs")
"""


def test_vldms_own_warnings_are_said_and_those_of_libraries_are_not():
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: cannot be recorded\n"
