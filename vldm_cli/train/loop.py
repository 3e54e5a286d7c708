"""The one training loop: any part, any number of GPUs, and the same command again goes on where it stopped.

Every step is seeded by its own index, and nothing on the GPU is waited for between two log lines.
"""

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast
from torch import Tensor

from vldm_cli.errors import RequestError, RunError
from vldm_cli.train import checkpoint
from vldm_cli.train.curve import Curve
from vldm_cli.train.data.bank import FILL_SHARE, chunk_seed
from vldm_cli.train.graphs import Graphs
from vldm_cli.train.objectives.base import Task
from vldm_cli.train.pace import Schedule
from vldm_cli.train.stop import Stop
from vldm_cli.train.weights import Weights
from vldm_cli.video.picture import write_png

LOG_STEPS = 20
# Several processes agree on the time every so many steps: agreeing makes them wait for their GPUs.
AGREE_STEPS = 10
# So many steps in a row without a finite gradient will not mend themselves.
NON_FINITE_LIMIT = 20
FINISHED = "finished.json"
# Keeps the seeds of steps apart from those of the bank's chunks.
STEP_KEY = 1 << 40


class Trainer:
    """Trains one objective into its run folder. `identity`: what must be the same for a resume. `later`: what of it
    checkpoints of earlier versions lack: how those began nobody knows, and they go on either way."""

    def __init__(
        self,
        objective: Task,
        schedule: Schedule,
        folder: Path,
        identity: dict,
        later: Collection[str] = (),
    ):
        self.objective, self.schedule, self.folder, self.identity = objective, schedule, folder, identity
        self.later = later
        self.processes = PartialState()
        self.main = self.processes.is_main_process
        self.weights = Weights(objective, self.processes)
        self.graphs = Graphs(objective.device, objective.recordable and objective.means.record)
        self.curve = Curve(folder)
        self.objective.bank.agree = self._as_main_says
        self.step, self.before, self.lr = 0, 0.0, 0.0
        self.agreed = (0.0, False)
        self.start = self.next_sheet = self.next_save = 0.0

    def run(self) -> None:
        """Train to the end of the schedule. Raises RequestError if the folder holds another run, RunError when the
        loss stays non-finite, KeyboardInterrupt (state saved) on SIGINT or SIGTERM."""
        new = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start = time.monotonic()
        try:
            self._resume()
        except RequestError:
            if new and self.main:
                with suppress(OSError):  # where another process has written there
                    self.folder.rmdir()  # or else nothing is left of what was refused
            raise
        sums: dict[str, Tensor] = {}
        # by name: some losses are there from some progress on only
        counts: Counter[str] = Counter()
        begun, clock = self.step, time.monotonic()
        with Stop() as stop:
            while True:
                elapsed, asked = self._agreed(stop.asked)
                progress = self.schedule.progress(self.step, elapsed)
                if progress >= 1:
                    break
                if asked:
                    self._save()
                    self._export()
                    self._log(f"stopped at step {self.step}; the same command again goes on")
                    raise KeyboardInterrupt
                for name, value in self.train_step(elapsed, progress).items():
                    sums[name] = sums.get(name, 0) + value.detach().float()
                    counts[name] += 1
                if self.step % LOG_STEPS == 0 or self.step == self.schedule.steps:
                    rate = (self.step - begun) / (time.monotonic() - clock)
                    self._report({name: total / counts[name] for name, total in sums.items()}, rate)
                    self._periodic()
                    sums, counts, begun, clock = {}, Counter(), self.step, time.monotonic()
        # what was learned is safe before it is shown
        self._save()
        self._export()
        self._sheet()
        if self.main:
            self.curve.write()
            done = {"step": self.step, "elapsed": round(self._elapsed(), 1)}
            (self.folder / FINISHED).write_text(json.dumps(done) + "\n")
            self._log(
                f"finished: {self.step} steps in {self._elapsed():.0f} s, all that was learned is written"
            )

    def train_step(self, elapsed: float, progress: float) -> dict[str, Tensor]:
        """One step at that time and share of the run; what it measured, as tensors nobody has waited for."""
        if self.processes.num_processes == 1 or self.step % AGREE_STEPS == 0:
            self.objective.bank.renew(self.step, None if self.schedule.minutes is None else elapsed)
        torch.manual_seed(chunk_seed(self.schedule.seed, self.processes.process_index, STEP_KEY, self.step))
        kind = self.objective.choose(progress)
        self.lr = self.schedule.rate(self.step, progress)
        self.weights.prepare(self.lr, self.step + 1)

        measured = self.graphs.run(("gradients", kind), self._gradients)
        self.weights.agree()  # other processes take part: never recorded
        measured = measured | self.graphs.run(("update", kind), self._update)
        self.step += 1
        return measured

    def _gradients(self) -> dict[str, Tensor]:
        losses = self.objective.losses()
        self.weights.collect(losses["loss"])
        return {name: value.detach() for name, value in losses.items()}

    def _update(self) -> dict[str, Tensor]:
        return {"grad_norm": self.weights.update()}

    def _elapsed(self) -> float:
        """Seconds of this run, earlier calls counted in."""
        return self.before + time.monotonic() - self.start

    def _agreed(self, asked: bool) -> tuple[float, bool]:
        """(seconds so far, whether to stop): every process must use one learning rate and stop at one step."""
        if self.processes.num_processes == 1:
            return self._elapsed(), asked
        if self.step % AGREE_STEPS == 0:
            ours = torch.tensor([self._elapsed(), float(asked)], dtype=torch.float64)
            elapsed, asked = broadcast(ours.to(self.objective.device)).tolist()
            self.agreed = elapsed, bool(asked)
        return self.agreed

    def _as_main_says(self, wish: bool) -> bool:
        """The main process's answer in every process: a bank that only one of them fills keeps the others waiting."""
        if self.processes.num_processes == 1:
            return wish
        return bool(broadcast(torch.tensor([float(wish)], device=self.objective.device)).item())

    def _report(self, measured: dict[str, Tensor], rate: float) -> None:
        means = {name: float(value) for name, value in measured.items()}
        streak = int(self.weights.streak)
        if streak >= NON_FINITE_LIMIT:
            raise RunError(
                f"the loss has not been finite for {streak} steps; lower --lr and start again "
                f"(what was saved before is in {self.folder})"
            )
        elapsed = self._elapsed()
        progress = self.schedule.progress(self.step, elapsed)
        row = {"step": self.step, "elapsed": round(elapsed, 2), "progress": round(progress, 5), "lr": self.lr}
        self.curve.add({**row, "rate": round(rate, 3), "skipped": int(self.weights.skipped), **means})
        shown = " ".join(f"{name} {value:.5g}" for name, value in means.items())
        self._log(
            f"step {self.step} {shown} lr {self.lr:.2e} {rate:.2f} it/s {elapsed:.0f} s {100 * progress:.1f} %"
        )

    def _periodic(self) -> None:
        """Sheets, exports and checkpoints that are due now."""
        if self._elapsed() >= self.next_sheet:
            self._sheet()
            self.next_sheet = self._elapsed() + 60 * self.schedule.sample_minutes
        if self._elapsed() >= self.next_save:
            self._save()
            self._export()
            self.next_save = self._elapsed() + 60 * self.schedule.save_minutes

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The models with averaged weights: float32 in modules whose frozen part may be bfloat16, hence autocast;
        not compiled, for it would be compiled anew for them."""
        mixed = self.objective.dtype == torch.bfloat16
        with (
            self.weights.averaged(),
            torch.autocast(self.objective.device.type, torch.bfloat16, enabled=mixed),
            torch.compiler.set_stance("force_eager"),
        ):
            yield

    def _sheet(self) -> None:
        if not self.main:
            return
        with self._averaged():
            image, measured = self.objective.sheet()
        write_png(self.folder / f"sample-{self.step:07d}.png", np.asarray(image.convert("RGB")))
        if measured:
            self._log(f"step {self.step} held-out " + " ".join(f"{k} {v:.5g}" for k, v in measured.items()))
            if self.curve.rows:
                self.curve.rows[-1].update(measured)

    def _export(self) -> None:
        if self.main:
            with self._averaged():
                self.objective.export()

    def _save(self) -> None:
        if not self.main:
            return
        bank = self.objective.bank
        state = {"identity": self.identity, "step": self.step, "elapsed": self._elapsed()}
        state |= {"bank": bank.made, "bank_seconds": bank.spent}
        checkpoint.save(self.folder, self.weights.state(), state)
        self.curve.write()

    def _resume(self) -> None:
        bank, minutes = self.objective.bank, self.schedule.minutes
        found = checkpoint.load(self.folder)
        if found is None:
            bank.fill(None if minutes is None else FILL_SHARE * 60 * minutes)
        else:
            tensors, state = found
            theirs = state["identity"]
            # theirs too: what a run began with must not be left out either
            for key in {**self.identity, **theirs}:
                began, value = theirs.get(key), self.identity.get(key)
                if began != value and (key in theirs or key not in self.later):
                    raise RequestError(
                        f"{self.folder} holds a run with {key} {began}, not {value}; choose another --run"
                    )
            self.weights.load_state(tensors)
            self.step, self.before = state["step"], state["elapsed"]
            self.curve.load(self.step)
            bank.restore(state["bank"], state["bank_seconds"])
            self._log(f"going on at step {self.step}, {self.before:.0f} s")
        self.next_sheet = self._elapsed() + 60 * self.schedule.sample_minutes
        self.next_save = self._elapsed() + 60 * self.schedule.save_minutes
        trained = sum(p.numel() for p in self.weights.groups[0].parameters.values())
        self._log(
            f"{self.objective.part}: {trained / 1e6:.2f} M parameters on {self.objective.device}, "
            f"{bank.size} examples after {time.monotonic() - self.start:.1f} s"
        )

    def _log(self, line: str) -> None:
        if self.main:
            print(line, flush=True)
