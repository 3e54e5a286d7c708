import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tests.train.common import setup
from vldm_cli.errors import RequestError
from vldm_cli.packs.new import new_pack
from vldm_cli.packs.sizes import TINY
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.start import start

SHAPES = {
    "net.slice1.0": (64, 3, 11),
    "net.slice2.3": (192, 64, 5),
    "net.slice3.6": (384, 192, 3),
    "net.slice4.8": (256, 384, 3),
    "net.slice5.10": (256, 256, 3),
}


@pytest.fixture(scope="module")
def weights():
    g = torch.Generator().manual_seed(0)
    found = {}
    for i, (name, (out, into, size)) in enumerate(SHAPES.items()):
        found[f"{name}.weight"] = torch.randn(out, into, size, size, generator=g) / (into**0.5 * size)
        found[f"{name}.bias"] = torch.randn(out, generator=g) * 0.1
        found[f"lin{i}.model.1.weight"] = torch.rand(1, out, 1, 1, generator=g)
    return found


def by_the_paper(weights, a, b):
    """Zhang et al. 2018, equation 1, written out layer by layer."""
    total = 0
    steps = [(4, 2, 0), (1, 2, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0)]
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    a, b = (a - shift) / scale, (b - shift) / scale
    for i, (name, (stride, padding, pool)) in enumerate(zip(SHAPES, steps, strict=True)):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        if pool:
            a, b = F.max_pool2d(a, 3, 2), F.max_pool2d(b, 3, 2)
        a, b = (F.conv2d(x, weight, bias, stride, padding).relu() for x in (a, b))
        difference = F.normalize(a, dim=1) - F.normalize(b, dim=1)
        total += (difference**2 * weights[f"lin{i}.model.1.weight"]).sum(1).mean((1, 2))
    return total


def test_distance_is_the_papers(weights):
    a, b = torch.rand(2, 2, 3, 48, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    model = Perceptual(weights)
    assert torch.allclose(model.distance(a, b), by_the_paper(weights, a, b), rtol=1e-4)
    assert model.distance(a, a).abs().max() == 0
    assert not list(model.parameters())


def test_gradient_is_finite_where_nothing_is_seen(weights):
    dead = {k: (v - 1e4 if k.endswith("bias") else v) for k, v in weights.items()}
    y = torch.zeros(1, 3, 48, 48, requires_grad=True)
    Perceptual(dead).distance(torch.ones(1, 3, 48, 48), y).sum().backward()
    assert y.grad.isfinite().all()


@pytest.mark.parametrize("part", ["autoencoder", "decoder"])
def test_it_joins_the_loss(tmp_path, weights, part):
    pack = new_pack(tmp_path / "tiny", TINY)

    class Counted(Perceptual):
        def distance(self, a, b):
            seen.append(a.shape[-2:])
            return torch.full((len(a),), 50.0)

    seen: list = []
    losses = {}
    for perceptual in (None, Counted(weights)):
        objective = OBJECTIVES[part](setup(pack, perceptual=perceptual))
        objective.bank.add()
        torch.manual_seed(0)
        losses[perceptual] = objective.losses()
    without, given = losses.values()
    assert seen == [(32, 48)]
    assert float(given["loss"] - without["loss"]) == pytest.approx(5.0, abs=0.3)
    assert float(given["lpips"]) == 50.0 and "lpips" not in without


def test_files_that_are_none(tmp_path, weights):
    save_file(weights, tmp_path / "good.safetensors")
    Perceptual.load(tmp_path / "good.safetensors", torch.device("cpu"))
    (tmp_path / "bad").write_text("no weights")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("absent", "bad", "other.safetensors"):
        with pytest.raises(RequestError, match=f"--perceptual .*{name}.*lpips.LPIPS"):
            Perceptual.load(tmp_path / name, torch.device("cpu"))


def test_parts_without_a_use_for_it_refuse_it(tmp_path):
    new_pack(tmp_path / "tiny", TINY)
    with pytest.raises(RequestError, match=r"--perceptual is for autoencoder, decoder, .*, not for image"):
        start("image", str(tmp_path / "tiny"), "toyland", steps=1, perceptual=tmp_path / "x")
