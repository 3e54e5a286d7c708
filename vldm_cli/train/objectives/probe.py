"""The probe that measures the others: taught on rendered Toyland clips to tell what they show."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.measure.attributes import COLOUR_NAMES, OBJECT, SCENE, encode, mirror
from vldm_cli.measure.probe import FRAMES, Answers, Probe, load_probe
from vldm_cli.toyland.dataset import ToylandClips
from vldm_cli.train.clips import ToylandSource
from vldm_cli.train.export import export_part
from vldm_cli.train.frames import to_model
from vldm_cli.train.objectives.base import Objective, Setup
from vldm_cli.train.sheets import contact_sheet

HELD_OUT_CLIPS, HELD_OUT_BATCH, SHEET_CLIPS = 384, 32, 8
# Presence has ten questions a clip, most with the answer no; the answers for single frames only help.
PRESENCE_WEIGHT, FRAME_WEIGHT = 20.0, 0.5


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
        self.probe = self.load(load_probe(setup.pack) if setup.pack.has("probe") else Probe(), train=True)
        self.trained = {"probe": self.probe}
        self.validation: dict[str, Tensor] = {}

    def examples(self, seed: int, n: int) -> dict[str, Tensor]:
        return self._examples(seed, n, self.frame_steps)

    def _examples(self, seed: int, n: int, frame_steps: dict[int, float]) -> dict[str, Tensor]:
        source = self.setup.source
        # Clips whose motion is over before they begin cannot be told apart, and generated clips begin with it.
        clips = ToylandClips(
            seed, FRAMES, frame_steps, size=source.size, device=self.device, fps=float(source.fps),
            chunk=32, late=0.0, core=source.core,
        ).batch(n)  # fmt: skip
        scene, objects = (codes.to(self.device) for codes in encode(clips.attributes))
        step = clips.frame_step_B.to(torch.int32)
        return {"video": clips.video_BTCHW, "step": step, "scene": scene, "objects": objects}

    def losses(self, progress: float) -> dict[str, Tensor]:
        batch = self.bank.draw(self.setup.batch)
        video, scene, objects = _mirrored_half(batch["video"], batch["scene"], batch["objects"])
        answers = self.probe(_worn(to_model(video, self.dtype)), batch["step"])
        return losses(answers, scene.long(), objects.long())

    def export(self) -> None:
        export_part(self.setup.pack, "probe", self.probe)

    @torch.no_grad()
    def sheet(self):
        if not self.validation:
            n = max(1, min(HELD_OUT_CLIPS, self.bank.size))
            self.validation = self._examples(self.held_out_seed, n, {16: 1.0})
        batch = self.validation
        parts = [
            self.probe(to_model(video, self.dtype), 16) for video in batch["video"].split(HELD_OUT_BATCH)
        ]
        scene, objects = batch["scene"].long(), batch["objects"].long()
        measured = {
            f"acc_{name}": _share(torch.cat([p.scene[name] for p in parts]), scene[:, i])
            for i, name in enumerate(SCENE)
        }
        for i, name in enumerate(OBJECT, 1):
            measured[f"acc_{name}"] = _share(torch.cat([p.object[name] for p in parts]), objects[:, :, i])
        there = torch.cat([p.presence_BK for p in parts]) > 0
        measured["acc_colours"] = float((there == (objects[:, :, 0] == 1)).all(1).float().mean())
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


def losses(answers: Answers, scene: Tensor, objects: Tensor) -> dict[str, Tensor]:
    """Cross entropies of what applies, for the codes of `attributes.encode` as int64."""
    there = (objects[:, :, 0] == 1).float()
    total = PRESENCE_WEIGHT * _yes_no(answers.presence_BK, there)
    each = {}
    for i, name in enumerate(SCENE):
        each[name] = _cross_entropy(answers.scene[name], scene[:, i])
    for i, name in enumerate(OBJECT, 1):
        each[name] = _cross_entropy(answers.object[name], objects[:, :, i])
    T = answers.frame_presence_BTK.shape[1]
    frames = _yes_no(answers.frame_presence_BTK, there[:, None].expand(-1, T, -1)) * PRESENCE_WEIGHT
    frames = frames + _cross_entropy(answers.frame_shape_BTKV, objects[:, None, :, 1].expand(-1, T, -1))
    total = total + sum(each.values()) + FRAME_WEIGHT * frames
    return {"loss": total, "shape": each["shape"].detach(), "motion": each["motion"].detach()}


def _yes_no(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), truth)


def _cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Mean over the codes that are not −1; 0 where there are none. Waits for nothing on the GPU."""
    losses = F.cross_entropy(logits.float().flatten(0, -2), codes.flatten(), ignore_index=-1, reduction="sum")
    return losses / (codes >= 0).sum().clamp_min(1)


def _share(logits: Tensor, codes: Tensor) -> float:
    asked = codes >= 0
    return float(((logits.argmax(-1) == codes) & asked).sum() / asked.sum().clamp_min(1))


def _mirrored_half(video: Tensor, scene: Tensor, objects: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """About half of the object scenes mirrored (on a road one keeps to one side)."""
    chosen = (torch.rand(len(video), device=video.device) < 0.5) & (scene[:, 0] == 0)
    other_scene, other_objects = mirror(scene, objects)
    video = torch.where(chosen[:, None, None, None, None], video.flip(-1), video)
    scene = torch.where(chosen[:, None], other_scene, scene)
    return video, scene, torch.where(chosen[:, None, None], other_objects, objects)


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
