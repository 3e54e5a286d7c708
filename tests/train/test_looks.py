"""A super-resolution network as a teacher for looks: where it counts, where it does not, and what is refused."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from tests import networks
from tests.train.common import OneClip, setup
from vldm_cli.commands import app, failures
from vldm_cli.packs.network import open_network
from vldm_cli.train import looks as teaching
from vldm_cli.train.data.batches import Patches
from vldm_cli.train.looks import LOUDNESS, Looks, fine, lacking, looks_loss, right
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.objectives import upscaler as upscaler_objective
from vldm_cli.train.onestep import PERCEPTUAL_WEIGHT


class Squares(torch.nn.Module):
    def distance(self, a, b):
        return ((a - b) ** 2).mean((1, 2, 3))


class Footage(OneClip):
    """Noise as nothing rendered, sharp or (blurred) without any of it."""

    def __init__(self, blurred=False, made=False):
        super().__init__()
        self.blurred, self.made = blurred, made

    def patches(self, seed, n, frames, patch, scale):
        generator = torch.Generator().manual_seed(seed % 2**63)
        high = torch.rand(n, frames, 3, scale * patch, scale * patch, generator=generator)
        low = F.avg_pool2d(high.flatten(0, 1), scale)
        if self.blurred:
            high = F.interpolate(low, scale_factor=scale, mode="bicubic").unflatten(0, (n, frames))
        corner = torch.zeros(n, dtype=torch.long)
        high, low = ((255 * x).clamp(0, 255).to(torch.uint8) for x in (high, low.unflatten(0, (n, frames))))
        return [Patches(high, low, corner, corner, made=self.made)]


@pytest.fixture
def network(tmp_path):
    save_file(networks.compact(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.fixture
def looks(network):
    return Looks(open_network(network, "--looks"), "--looks")


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_what_the_truth_lacks():
    shown = noise(1, 3, 48, 48)
    blurred = teaching.level(shown, 6)
    assert lacking(shown, shown) == 0 and lacking(shown, 0.5 * shown) == 0
    assert lacking(blurred, shown) > 0.95
    torch.testing.assert_close(lacking(0.5 * shown, shown), torch.tensor([0.75]), atol=0.01, rtol=0)
    flat = torch.zeros(1, 3, 48, 48)
    assert lacking(flat, flat) == 0 and lacking(flat, flat + 1e-4 * shown) < 1e-3
    # whole areas may differ: of their colours the truth knows best
    torch.testing.assert_close(lacking(0.5 * shown + 0.3, shown), lacking(0.5 * shown, shown))


def test_what_is_shown_right():
    truth = F.interpolate(noise(1, 3, 12, 12), size=(96, 96), mode="bicubic")
    sharper = truth + 0.3 * noise(1, 3, 96, 96, seed=1)  # what is added is finer than what the truth has
    assert right(truth, truth) == 1 and right(truth, sharper) > 0.95
    assert right(truth, F.interpolate(noise(1, 3, 12, 12, seed=2), size=(96, 96), mode="bicubic")) == 0
    assert right(truth, torch.zeros_like(truth)) < 0.01
    # whole areas may differ here, too
    torch.testing.assert_close(right(truth, sharper + 0.3), right(truth, sharper))


def test_the_fine_structure_is_what_the_low_resolution_cannot_hold():
    at = torch.arange(480.0)
    for cycles, least, most in ((1 / 40, 0, 0.1), (1 / 8, 0.45, 0.6), (1 / 4, 0.9, 1.3)):
        wave = torch.sin(2 * torch.pi * cycles * at).expand(1, 3, 16, 480)
        share = fine(wave)[..., 40:-40].std() / wave.std()
        assert least < share < most, cycles


def test_the_loss_is_of_the_taught_frame_as_much_as_it_lacks():
    made = noise(3, 4, 3, 40, 40, seed=1).requires_grad_()
    shown = (127.5 * (noise(3, 3, 40, 40, seed=2) + 1)).round().to(torch.uint8)
    taught = {"frame": torch.tensor([1, 3, 0]), "shown": shown, "heed": torch.tensor([0.5, 1.0, 0.0])}
    weight = torch.tensor([1.0, 0.5, 1.0])
    loss = looks_loss(made, taught, weight, Squares())
    expected = torch.zeros(())
    for clip, frame in enumerate((1, 3, 0)):
        one, target = made[clip, frame][None], shown[clip][None] / 127.5 - 1
        far = (fine(one) - fine(target)).abs().mean()
        far = far + PERCEPTUAL_WEIGHT * Squares().distance(one, target)[0]
        expected = expected + LOUDNESS * weight[clip] * taught["heed"][clip] * far / 3
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, made)
    seen = gradient.abs().amax((2, 3, 4)) > 0
    assert seen.nonzero().tolist() == [[0, 1], [1, 3]]
    # of a shorter window that ends before it, a frame is not taught
    (gradient,) = torch.autograd.grad(looks_loss(made[:, :2], taught, weight, None), made)
    assert (gradient.abs().amax((2, 3, 4)) > 0).nonzero().tolist() == [[0, 1]]


def test_examples_are_enlarged_once_and_rendered_ones_never(looks, monkeypatch):
    monkeypatch.setattr(teaching, "AT_A_TIME", 2)  # some at a time, as when there are many
    (found,) = Footage(blurred=True).patches(3, 5, 3, 16, 4)
    rendered = torch.tensor([False, True, False, False, False])
    made = looks.examples(found.high_BTCHW, found.low_BTCHW, rendered, seed=7)
    assert made["shown"].dtype == torch.uint8 and made["shown"].shape == (5, 3, 64, 64)
    assert made["heed"][1] == 0 and made["shown"][1].max() == 0
    frames = made["frame"].tolist()
    assert set(frames) <= {0, 1, 2} and len(set(frames)) > 1
    for clip in (0, 2, 3, 4):
        low = found.low_BTCHW[clip, frames[clip]].float() / 255
        alone = (255 * looks.network.enlarged(low).clamp(0, 1)).round()
        assert (made["shown"][clip].float() - alone).abs().max() <= 1
        assert made["heed"][clip] > 0
    again = looks.examples(found.high_BTCHW, found.low_BTCHW, rendered, seed=7)
    assert all(torch.equal(again[name], made[name]) for name in made)


def gradient(pack, part, source, looks, monkeypatch, progress=0.99):
    """Of what is trained, by one step of a part; the teacher shows noise."""
    monkeypatch.setattr(upscaler_objective.UpscalerImage, "_labels", lambda self, n: torch.full((n,), 12))
    objective = OBJECTIVES[part](setup(pack, source=source, looks=looks, batch=2, bank_frames=16))
    objective.discriminates = 2.0
    # new, it is a bicubic filter, which temporal layers cannot change
    torch.manual_seed(0)
    torch.nn.init.normal_(objective.model.unet.conv_out.weight, std=0.1)
    objective.bank.fill(None)
    torch.manual_seed(0)
    objective.choose(progress)
    torch.manual_seed(0)
    losses = objective.losses()
    trained = [p for p in objective.trained["upscaler"].parameters() if p.requires_grad]
    found = torch.autograd.grad(losses["loss"], trained, allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None]), losses


@pytest.mark.parametrize("part", ["upscaler-image", "upscaler"])
def test_a_step_heeds_the_teacher_where_truth_is_blurred_and_nowhere_else(pack, looks, monkeypatch, part):
    monkeypatch.setattr(OBJECTIVES[part], "frames", 4 if part == "upscaler" else 1)

    def both(source, **how):
        return [gradient(pack, part, source, one, monkeypatch, **how) for one in (None, looks)]

    (without, plain), (taught, losses) = both(Footage(blurred=True))
    assert not torch.allclose(without, taught) and losses["heed"] > 0.05
    torch.testing.assert_close(losses["loss"], plain["loss"] + losses["looks"])
    # sharper than all that the teacher can show, rendered, or before looks count: the truth alone
    looks.network.run, run = lambda x: 0.5 + 0.2 * (run(x) - 0.5), looks.network.run
    for source, how in (
        (Footage(), {}),
        (Footage(blurred=True, made=True), {}),
        (Footage(blurred=True), {"progress": 0.0}),
    ):
        (without, _), (taught, losses) = both(source, **how)
        assert torch.equal(without, taught)
        assert "looks" not in losses or losses["looks"] == 0


def vldm(*arguments) -> int:
    return failures.run(app.app, ["train", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path):
    """A soft picture, large enough for a patch."""
    picture = np.kron(np.random.default_rng(0).uniform(0, 255, (6, 6, 3)), np.ones((40, 40, 1)))
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture.astype(np.uint8)).resize((240, 240)).save(tmp_path / "photos" / "a.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("part", ["upscaler-image", "upscaler", "upscaler-latent-image"])
def test_parts_are_taught_by_the_command(pack, part, photos, network, tmp_path, capsys):
    command = [part, "--pack", pack.folder, "--data", photos, "--looks", network, "--run", tmp_path / "run"]
    command += ["--steps", 3, "--batch", 1, "--bank-frames", 9, "--device", "cpu", "--no-real-codec"]
    assert vldm(*command) == 0
    with (tmp_path / "run" / "curve.csv").open() as file:
        *_, row = csv.DictReader(file)
    assert float(row["looks"]) >= 0 and 0 <= float(row["heed"]) <= 1
    # the run goes on with its own teacher only
    save_file(networks.compact(seed=1), network)
    assert vldm(*command) == 2 and "holds a run with looks" in capsys.readouterr().err


def test_wrong_uses_are_refused(pack, photos, network, tmp_path, capsys):
    save_file(networks.compact(scale=2), tmp_path / "twice.safetensors")
    for part, data, file, words in (
        ("upscaler-image", photos, tmp_path / "none.pth", "is not here; name a file of weights"),
        ("upscaler", photos, tmp_path / "twice.safetensors", "enlarges 2 times, and the upscaler 4; name a"),
        ("upscaler-image", "toyland", network, "--looks is for footage, and --data toyland has none"),
        ("image", photos, network, "--looks is for upscaler-image, upscaler, upscaler-latent-image, upscal"),
        ("upscaler-own", photos, network, "not for upscaler-own; leave it out"),
    ):
        before = capsys.readouterr() and sorted(pack.folder.rglob("*"))
        command = [part, "--pack", pack.folder, "--data", data, "--looks", file, "--steps", 1]
        assert vldm(*command, "--device", "cpu") == 2
        said = " ".join(capsys.readouterr().err.split())
        assert words in said and "Traceback" not in said, said
        assert sorted(pack.folder.rglob("*")) == before


def test_a_format_that_the_network_does_not_know_is_not_forced_on_it(looks):
    assert looks.to(torch.device("cpu"), torch.bfloat16).network.module.body[0].weight.dtype == torch.bfloat16
    looks.formats = ("float32",)
    assert looks.to(torch.device("cpu"), torch.bfloat16).network.module.body[0].weight.dtype == torch.float32
