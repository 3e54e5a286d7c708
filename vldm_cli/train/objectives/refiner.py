"""The network over frames made by motion (`motion.refiner`): the motion of every example is found once, and the network
learns on cuts of it what is to be changed."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.motion.between import Guess, Pair, brightness
from vldm_cli.motion.matching import warp
from vldm_cli.motion.refiner import BEYOND, Change, Refiner, mixed
from vldm_cli.motion.saved import save_refiner
from vldm_cli.train.data.bank import Bank
from vldm_cli.train.data.triplets import STEPS, Triplets, TripletSource
from vldm_cli.train.frames import charbonnier, gradient_l1, psnr
from vldm_cli.train.objectives.base import Means, Task
from vldm_cli.train.sheets import contact_sheet

# Sides of the frames whose motion is found, and of what is cut out of them for a step.
SIDE, PATCH = 160, 96
# Of so many places that are drawn the one counts where motion alone errs most; its error is kept for squares.
PLACES, SQUARE = 3, 8
# Examples made at a time, and the share of a timed run for that: their motion takes longer than a step on them.
CHUNK, RENEW_SHARE = 8, 0.4
# Without LPIPS, differences of neighbouring pixels keep what is made as sharp as it was.
PERCEPTUAL_WEIGHT, EDGES_WEIGHT = 1.0, 0.5
FILE = "refiner.safetensors"
SHEET_EXAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class RefinerMeans(Means):
    """What a run is given. source: `TripletSource`; out: the folder that the network goes to."""

    source: TripletSource  # type: ignore[assignment]
    out: Path


class RefinedFrames(Task):
    """Trains the refiner."""

    part = "refiner"
    frames = max(STEPS) + 1
    lr, batch, bank_frames = 1e-3, 128, 65_536

    def __init__(self, means: RefinerMeans):
        super().__init__(means)
        self.refiner_means = means
        examples = max(1, means.bank_frames // self.frames)
        self.chunk_size = min(CHUNK, examples)
        self.bank = Bank(self._chunk, max(1, examples // self.chunk_size), means.device, RENEW_SHARE)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(means.seed)
            self.network = Refiner().to(self.device)
        self.trained = {"refiner": self.network}

    @torch.no_grad()
    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        """a, b, truth: uint8 (n, 3, S, S); t (n,); what `Pair.guess` says of them in 16 bits, v in pixels; error of
        what motion makes, for squares."""
        found = self.refiner_means.source.triplets(seed, n, SIDE)
        rows = [self._example(found, i) for i in range(n)]
        told = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        return {"a": found.a, "b": found.b, "truth": found.truth, "t": found.t_N.float(), **told}

    def losses(self) -> dict[str, Tensor]:
        batch = self._varied(self.bank.draw(self.means.batch))
        made, plain, truth = self._made(batch, self._corners(batch["error"]))
        pixels = charbonnier(2 * made, 2 * truth).mean()
        out = {"l1": pixels.detach(), "l1_motion": charbonnier(2 * plain, 2 * truth).mean().detach()}
        if self.means.perceptual is None:
            edges = gradient_l1(made, truth)
            return {"loss": pixels + EDGES_WEIGHT * edges, **out, "edges": edges.detach()}
        looks = self.means.perceptual.distance(2 * made - 1, 2 * truth - 1).mean()
        return {"loss": pixels + PERCEPTUAL_WEIGHT * looks, **out, "lpips": looks.detach()}

    def export(self) -> None:
        out = self.refiner_means.out
        out.mkdir(parents=True, exist_ok=True)
        save_refiner(out / FILE, self.network)

    @torch.no_grad()
    def sheet(self) -> tuple[Image, dict[str, float]]:
        batch = self.held_out(4 * SHEET_EXAMPLES)
        middle = torch.full((len(batch["t"]), 2), (SIDE - PATCH) // 2, device=self.device)
        made, plain, truth = self._made(batch, middle)
        rows = {"motion": plain.clamp(0, 1), "refined": made.clamp(0, 1)}
        measured = {}
        for name, x in rows.items():
            measured[f"psnr_{name}"] = psnr(2 * x - 1, 2 * truth - 1)
            if self.means.perceptual is not None:
                measured[f"lpips_{name}"] = float(
                    self.means.perceptual.distance(2 * x - 1, 2 * truth - 1).mean()
                )
        rows["truth"] = truth
        return contact_sheet([(name, 2 * x[:SHEET_EXAMPLES] - 1) for name, x in rows.items()]), measured

    def _example(self, found: Triplets, i: int) -> dict[str, Tensor]:
        a, b, truth = (x[i : i + 1].float() / 255 for x in (found.a, found.b, found.truth))
        pair, t = Pair([a], [b], beyond=BEYOND), float(found.t_N[i])
        guess = pair.guess(t)
        from_a, from_b = warp(a, -t * guess.v), warp(b, (1 - t) * guess.v)
        error = (from_a + guess.share * (from_b - from_a) - truth).abs().mean(1, keepdim=True)
        told = {"v": guess.v, "sure_a": guess.sure_a, "sure_b": guess.sure_b, "share": guess.share}
        return {name: x.half() for name, x in {**told, "error": F.avg_pool2d(error, SQUARE)}.items()}

    def _varied(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch as it is, or mirrored, or turned on its side, or backwards in time."""
        axes = {name: x for name, x in batch.items() if name != "t"}
        t, v = batch["t"], batch["v"]
        if torch.rand(()) < 0.5:
            axes = {name: x.flip(-1) for name, x in axes.items()}
            axes["v"] = axes["v"] * v.new_tensor([-1.0, 1.0])[None, :, None, None]
        if torch.rand(()) < 0.5:
            axes = {name: x.transpose(-1, -2) for name, x in axes.items()}
            axes["v"] = axes["v"].flip(1)
        if torch.rand(()) < 0.5:
            axes |= {"a": axes["b"], "b": axes["a"], "sure_a": axes["sure_b"], "sure_b": axes["sure_a"]}
            axes |= {"v": -axes["v"], "share": 1 - axes["share"]}
            t = 1 - t
        return {**axes, "t": t}

    def _corners(self, error_N1HW: Tensor) -> Tensor:
        """(N, 2) y and x of the patches."""
        N, span = len(error_N1HW), (SIDE - PATCH) // SQUARE
        window = F.avg_pool2d(error_N1HW.float(), PATCH // SQUARE, 1)[:, 0, : span + 1, : span + 1].flatten(1)
        drawn = (torch.rand(N, PLACES, device=self.device) * window.shape[1]).long()
        best = drawn.gather(1, window.gather(1, drawn).argmax(1, keepdim=True))[:, 0]
        return SQUARE * torch.stack([best // (span + 1), best % (span + 1)], 1)

    def _made(self, batch: dict[str, Tensor], corner_N2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Patches (N, 3, P, P) in [0, 1] from those corners on: refined (and not clamped), by motion alone, and the
        truth."""
        a, b = batch["a"].float() / 255, batch["b"].float() / 255
        t = batch["t"][:, None, None, None]

        def cut(name: str) -> Tensor:
            y, x = corner_N2.tolist(), batch[name]
            return torch.stack([x[i, :, p : p + PATCH, q : q + PATCH] for i, (p, q) in enumerate(y)]).float()

        # `warp` counts from the frame's corner, not from the patch's
        place = corner_N2.flip(1)[:, :, None, None].float()
        guess = Guess(*(cut(name) for name in ("v", "sure_a", "sure_b", "share")))
        still_a, still_b = cut("a") / 255, cut("b") / 255
        y_a, y_b = brightness(a), brightness(b)
        carried = [warp(y_a, place - t * guess.v), warp(y_b, place + (1 - t) * guess.v)]
        still = torch.cat([brightness(still_a), brightness(still_b)], 1)
        change = self.network(still, torch.cat(carried, 1), t, guess)

        def made(change: Change) -> Tensor:
            v = guess.v + change.v
            from_a, from_b = warp(a, place - t * v, "bicubic"), warp(b, place + (1 - t) * v, "bicubic")
            return mixed(still_a, still_b, from_a, from_b, guess.share, change) + change.add

        with torch.no_grad():
            nought = Change(*(torch.zeros_like(x) for x in vars(change).values()))
            plain = made(nought)
        return made(change), plain, cut("truth") / 255
