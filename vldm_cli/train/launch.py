"""One part's training in processes of its own: one process on the CPU or a GPU, one for each of several GPUs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import vldm_cli

# After one process of several has broken, the others, who may wait for it in vain, have so many seconds to end.
GRACE = 20.0


class Processes:
    """`python -m vldm_cli WORDS…`, output appended to `log`; as many processes as `gpus`, or `count` on the CPU.

    They are out of the terminal's reach: Ctrl-C comes to whoever started them, who tells them once. Several of one
    part find each other through torch's environment variables, as `accelerate launch` sets them.
    """

    def __init__(self, words: list[str], gpus: tuple[int, ...], log: Path, count: int = 1):
        count = len(gpus) or count
        log.parent.mkdir(parents=True, exist_ok=True)
        self.broken: int | None = None  # the first bad exit code, and when it was seen
        self.broken_at = 0.0
        common = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path()}
        if gpus:
            common["CUDA_VISIBLE_DEVICES"] = ",".join(visible_gpu(i) for i in gpus)
        ours = {}
        if count > 1:
            ours = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count)}
            ours["LOCAL_WORLD_SIZE"] = str(count)
        self.processes = []
        with log.open("a") as file:
            for rank in range(count):
                ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {}
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "vldm_cli", *words],
                        env={**common, **ours, **ranks},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def poll(self) -> int | None:
        """The exit code once all have ended (of the first that broke, if one did), None before that."""
        codes = [process.poll() for process in self.processes]
        if self.broken is None and any(codes):
            # the others' codes will only say that they were ended for it
            self.broken, self.broken_at = next(code for code in codes if code), time.monotonic()
            self.stop()
        if None not in codes:
            return self.broken or 0
        if self.broken is not None and time.monotonic() - self.broken_at > GRACE:
            self.kill()
        return None

    def stop(self) -> None:
        """Ask them to save and end."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()

    def kill(self) -> None:
        """End them and what they have started."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def visible_gpu(index: int) -> str:
    """CUDA's name for the GPU that is number `index` for us, who may be allowed to see some GPUs only."""
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return seen[index] if index < len(seen) else str(index)


def _python_path() -> str:
    """The processes run this very vldm, installed or not, in whichever folder."""
    here = str(Path(vldm_cli.__file__).resolve().parents[1])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
