"""A program: makes the video OUT from the pack PACK and is killed (SIGKILL) when STAGE has advanced to N, one child
a case. Arguments: PACK, then STAGE:N:OUT for each case. Prints each child's exit signal."""

import os
import signal
import sys
from pathlib import Path

from tests.pipelines.generate.test_run import ask
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.runs.progress import NullProgress
from vldm_cli.stages import models  # noqa: F401 (imported once, and not by each child)


class Killer(NullProgress):
    def __init__(self, stage, at):
        self.stage, self.left = stage, at

    def advance(self, stage, n=1):
        if stage == self.stage:
            self.left -= n
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main():
    pack = Pack.open(sys.argv[1])
    for case in sys.argv[2:]:
        stage, at, out = case.split(":", 2)
        child = os.fork()
        if child == 0:
            generate(ask(Path(out)), pack, Killer(stage, int(at)))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
