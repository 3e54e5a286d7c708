"""The probe that measures the others: taught on rendered Toyland clips to tell what they show."""

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.measure.faithfulness import counts
from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.probe import FRAMES, Probe, grown, load_probe
from vldm_cli.measure.probe.truth import mirrored, truth
from vldm_cli.toyland.dataset import Drawing, ToylandClips
from vldm_cli.train.data.source import ToylandSource
from vldm_cli.train.emphasis import REPEATED
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import to_model
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.objectives.probe_losses import losses
from vldm_cli.train.sheets import contact_sheet

HELD_OUT_CLIPS, HELD_OUT_BATCH, SHEET_CLIPS = 384, 32, 8
SEEN = 0.5  # of an object, and of the time, for it to be counted


class ProbeObjective(Objective):
    """Trains the pack's `probe`, or a new one where there is none. Toyland alone has the answers."""

    part = "probe"
    frames = FRAMES
    frame_steps = {16: 0.84, 4: 0.1, 1: 0.06}  # noqa: RUF012 (never changed)
    lr, batch, bank_frames = 2e-3, 192, 128_000

    def __init__(self, setup: Setup):
        if not isinstance(setup.source, ToylandSource):
            raise RequestError("the probe learns from Toyland alone; leave --data out")
        super().__init__(setup)
        torch.manual_seed(setup.seed)
        before = load_probe(setup.pack) if setup.pack.has("probe") else Probe()
        self.probe = self.load(grown(before), train=True)
        self.trained = {"probe": self.probe}
        self.validation: dict[str, Tensor] = {}

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        return self._examples(seed, n, self.frame_steps, cast(ToylandSource, self.setup.source).drawing)

    def _examples(
        self, seed: int, n: int, frame_steps: dict[int, float], drawing: Drawing
    ) -> dict[str, Tensor]:
        source = cast(ToylandSource, self.setup.source)  # the codes are of its scenes
        # Clips whose motion is over before they begin cannot be told apart, and generated clips begin with it.
        clips = ToylandClips(
            seed, FRAMES, frame_steps, size=source.size, device=self.device, fps=float(source.fps),
            chunk=32, late=0.0, core=source.core, drawing=drawing,
        ).batch(n)  # fmt: skip
        codes = truth(clips.scenes, clips.times_BT, source.size[1] / source.size[0])
        step = clips.frame_step_B.to(torch.int32)
        return {"video": clips.video_BTCHW, "step": step, **{k: v.to(self.device) for k, v in codes.items()}}

    def losses(self) -> dict[str, Tensor]:
        batch = _mirrored_half(self.bank.draw(self.setup.batch))
        answers = self.probe(_worn(to_model(batch["video"], self.dtype)), batch["step"])
        return losses(answers, batch)

    def export(self) -> None:
        export_part(self.setup.pack, "probe", self.probe)

    @torch.no_grad()
    def sheet(self):
        if not self.validation:
            n = max(1, min(HELD_OUT_CLIPS, self.bank.size))
            self.validation = self._examples(self.held_out_seed, n, {16: 1.0}, Drawing(repeated=REPEATED))
        batch = self.validation
        parts = [
            self.probe(to_model(video, self.dtype), 16) for video in batch["video"].split(HELD_OUT_BATCH)
        ]
        scene, objects = batch["scene"].long(), batch["objects"].long()
        there = torch.cat([p.presence_BK for p in parts]) > 0
        wrong = (there != (objects[:, :, 0] == 1)) & (objects[:, :, 0] >= 0)
        measured = {
            f"acc_{name}": _share(torch.cat([p.scene[name] for p in parts]), scene[:, i])
            for i, name in enumerate(SCENE)
        }
        several = _several(batch["things"], batch["colours"].long())
        # the bars are for one and for two objects, none of which has a twin
        count = (objects[:, :, 0] != 0).sum(1).where((several.abs() < 2).all(1), 0)
        for n in (1, 2):
            some = count == n
            for i, name in enumerate(OBJECT, 1):
                logits = torch.cat([p.object[name] for p in parts])
                measured[f"acc{n}_{name}"] = _share(logits[some], objects[some, :, i])
            measured[f"acc{n}_colours"] = 1 - float(wrong[some].any(1).sum() / some.sum().clamp_min(1))
        middles = [p.middles_BTKHW for p in parts if p.middles_BTKHW is not None]  # of a grown probe, of all
        counted = torch.tensor([row for m in middles for row in counts(m)], device=self.device)
        right = (counted == several) & (several > 1)
        measured["acc_count"] = float(right.sum() / (several > 1).sum().clamp_min(1))
        relations = torch.cat([p.relation_BKKV for p in parts])
        measured["acc_relation"] = _share(relations, batch["relations"].long())
        rows = []
        for i in range(min(SHEET_CLIPS, len(there))):
            found = [
                " ".join([c, *(v[parts[0].object[n][i, k].argmax()] for n, v in OBJECT.items())])
                for k, c in enumerate(COLOUR_NAMES)
                if there[i, k]
            ]
            place = [v[parts[0].scene[n][i].argmax()] for n, v in SCENE.items()]
            rows.append(
                ("; ".join([*found, *place]), to_model(batch["video"][i, :, :, ::2, ::2], torch.float32))
            )
        return contact_sheet(rows), measured


def _share(logits: Tensor, codes: Tensor) -> float:
    asked = codes >= 0
    return float(((logits.argmax(-1) == codes) & asked).sum() / asked.sum().clamp_min(1))


def _several(things_BTO4: Tensor, colours_BO: Tensor) -> Tensor:
    """(B, 10): how many objects of each colour are to be seen for at least half of the time, by half at least; −1 where
    one of them is hidden."""
    seen_BO = (things_BTO4[..., 3].float() > SEEN).float().mean(1) >= SEEN
    own = F.one_hot(colours_BO.clamp_min(0), len(COLOUR_NAMES)) * (colours_BO >= 0)[..., None]
    there, seen = own.sum(1), (own * seen_BO[..., None]).sum(1)
    return torch.where(there == seen, there, -1)


def _mirrored_half(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """About half of the object scenes mirrored (on a road one keeps to one side)."""
    video = batch["video"]
    chosen = (torch.rand(len(video), device=video.device) < 0.5) & (batch["scene"][:, 0] == 0)
    other = {**batch, "video": video.flip(-1), **mirrored(batch)}
    return {
        name: torch.where(chosen.view(-1, *[1] * (tensor.ndim - 1)), other[name], tensor)
        for name, tensor in batch.items()
    }


def _worn(x_BTCHW: Tensor) -> Tensor:
    """Some clips softer, noisier, darker or brighter, for generated ones are not as crisp as rendered ones: the probe
    shall read what is shown and not stumble over how well it is drawn."""
    B, device = len(x_BTCHW), x_BTCHW.device

    def drawn(share: float, most: float) -> Tensor:
        amount = torch.rand(B, device=device) * most * (torch.rand(B, device=device) < share)
        return amount.to(x_BTCHW.dtype)[:, None, None, None, None]

    soft = F.avg_pool2d(x_BTCHW.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(x_BTCHW)
    x = x_BTCHW.lerp(soft, drawn(0.5, 1.0))
    brighter = drawn(0.5, 0.06) * (2 * (torch.rand(B, 1, 1, 1, 1, device=device) < 0.5).to(x.dtype) - 1)
    return x + brighter + drawn(0.5, 0.08) * torch.randn_like(x)
