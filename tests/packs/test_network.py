"""Networks that people have as files: what is taken, and what is refused in one sentence."""

import os
import sys

import pytest
import torch
from safetensors.torch import save_file
from spandrel import MAIN_REGISTRY

from tests import networks
from vldm_cli.errors import RequestError
from vldm_cli.packs.network import open_network


class Hostile:
    """Unpickled by anything but a weights-only loader it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(path, state):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("state", "architecture", "scale", "channels"),
    [
        (networks.esrgan(), "ESRGAN", 4, 3),
        (networks.esrgan(channels=4), "ESRGAN", 4, 4),
        (networks.compact(2), "RealESRGAN Compact", 2, 3),
        (networks.compact(1), "RealESRGAN Compact", 1, 3),
    ],
)
def test_what_it_is_is_told_by_its_weights(tmp_path, state, architecture, scale, channels):
    found = open_network(saved(tmp_path / "a.safetensors", state))
    assert (found.architecture, found.network.scale, found.network.channels) == (
        architecture,
        scale,
        channels,
    )
    assert found.name == "a.safetensors" and len(found.sha256) == 64 and not found.remarks
    assert found.network.weights == sum(tensor.numel() for tensor in state.values())
    with torch.inference_mode():
        assert found.network.enlarged(torch.rand(3, 8, 12)).shape == (3, 8 * scale, 12 * scale)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state, other: state,
        lambda state, other: {"params_ema": state, "params": other},
        lambda state, other: {"params": state},
        lambda state, other: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
    ],
)
def test_pickles_of_weights_are_read_and_that_is_said(tmp_path, wrapped):
    state, path = networks.compact(), tmp_path / "a.pth"
    torch.save(wrapped(state, networks.compact(seed=1)), path)
    found = open_network(path)
    (said,) = found.remarks
    assert "a.pth is a pickle: its weights, and nothing else of it, were read" in said
    held = found.network.module.state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in state.items())
    assert not open_network(path).remarks  # it has been kept


def lacking():
    state = networks.compact()
    del state["body.6.bias"]
    return state


BAD = {
    "gone": (lambda p: p / "gone.pth", "is not here"),
    "folder": (lambda p: p, "is a folder"),
    "other suffix": (lambda p: saved(p / "a.onnx", {}), "no file of weights by its name"),
    "truncated": (
        lambda p: half(saved(p / "a.safetensors", networks.compact())),
        "is truncated; fetch it anew",
    ),
    "truncated pickle": (lambda p: half(saved(p / "a.pth", networks.compact())), "weights-only loader"),
    "no weights": (lambda p: saved(p / "a.pth", [1, 2]), "holds no table of weights"),
    "unknown": (
        lambda p: saved(p / "a.safetensors", {"a.weight": torch.zeros(3)}),
        "is no network that spandrel knows",
    ),
    "lacking": (
        lambda p: saved(p / "a.safetensors", lacking()),
        "has not all that a network of its kind has",
    ),
    "grey": (lambda p: saved(p / "a.safetensors", networks.esrgan(channels=1)), "for grey pictures"),
    "code": (
        lambda p: saved(p / "a.pth", {"params": Hostile(p / "made")}),
        "it needs posix.mkdir, which is no weight",
    ),
}


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("case", BAD)
def test_refused_in_one_sentence(tmp_path, case):
    make, words = BAD[case]
    path = make(tmp_path)
    with pytest.raises(RequestError) as caught:
        open_network(path)
    told = str(caught.value)
    assert words in told and told.startswith("--model ") and "\n" not in told
    assert not (tmp_path / "made").exists()


def test_an_unknown_architecture_is_told_the_known_ones(tmp_path):
    with pytest.raises(RequestError) as caught:
        open_network(saved(tmp_path / "a.safetensors", {"a.weight": torch.zeros(3)}))
    assert all(one.architecture.name in str(caught.value) for one in MAIN_REGISTRY)


@pytest.mark.parametrize(("purpose", "words"), [("FaceSR", "faces alone"), ("SR", "")])
def test_networks_for_another_task(tmp_path, monkeypatch, purpose, words):
    path = saved(tmp_path / "a.safetensors", networks.compact())
    monkeypatch.setattr("spandrel.ImageModelDescriptor.purpose", purpose)
    if not words:
        assert open_network(path)
        return
    with pytest.raises(RequestError, match=f"is a network for {words}"):
        open_network(path)


def test_a_network_that_fills_holes(tmp_path, monkeypatch):
    from spandrel import MaskedImageModelDescriptor

    class Fills(MaskedImageModelDescriptor):
        def __init__(self):
            self._purpose = "Inpainting"
            self._architecture = next(
                one.architecture for one in MAIN_REGISTRY if one.architecture.id == "LaMa"
            )

    monkeypatch.setattr("spandrel.MAIN_REGISTRY.load", lambda state: Fills())
    with pytest.raises(RequestError, match="filling holes in pictures"):
        open_network(saved(tmp_path / "a.safetensors", networks.compact()))


@pytest.mark.parametrize(
    ("broken", "words"),
    [(None, "is not here; install it with `pip install 'vldm.models.'`"), (1, "cannot be loaded")],
)
def test_without_spandrel_the_extra_is_named(tmp_path, monkeypatch, broken, words):
    class Gone:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "spandrel":
                raise RuntimeError("of another torch") if broken else ModuleNotFoundError(name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Gone(), *sys.meta_path])
    with pytest.raises(RequestError, match=words):
        open_network(saved(tmp_path / "a.safetensors", networks.compact()))
