"""Training temporal layers for a network of others."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from tests import networks
from vldm_cli.align.steady.saved import fingerprint
from vldm_cli.errors import RequestError
from vldm_cli.packs.network import open_network
from vldm_cli.packs.networks.layers import open_layers
from vldm_cli.train import network as training
from vldm_cli.train.data.pairs import Pairs, holds_pairs
from vldm_cli.train.objectives import steady as objective

PATCH, FRAMES = 16, 3


def pairs(folder, frames=6, size=24, scale=4, low="low-20.frames"):
    """A clip of one thing that moves by four pixels a frame, and its low resolution with grain."""
    random = np.random.default_rng(0)
    still = np.kron(random.uniform(30, 220, (size, size + frames, 3)), np.ones((scale, scale, 1)))
    for number in range(frames):
        cut = still[:, scale * number : scale * (number + size)]
        small = cut[::scale, ::scale] + random.normal(0, 6, (size, size, 3))
        for name, array in (("high.frames", cut), (low, small)):
            (folder / "a" / name).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(array.round().clip(0, 255).astype(np.uint8))
            picture.save(folder / "a" / name / f"{number}.png")
    return folder


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(objective, "PATCH", PATCH)
    monkeypatch.setattr(objective, "SHEET_CLIPS", 3)
    monkeypatch.setattr(objective.SteadyLayers, "frames", FRAMES)
    save_file(networks.compact(width=24, depth=4), tmp_path / "net.safetensors")
    return pairs(tmp_path / "pairs")


def train(folder, data, **options):
    asked = {"steps": 20, "batch": 2, "bank_frames": 4 * FRAMES, "lr": 5e-3, "seed": 1, **options}
    return training.start_network(folder / "net.safetensors", folder / "layers", str(data), **asked)


def rows(run):
    with (run / "curve.csv").open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def test_the_loss_falls_and_the_same_command_goes_on(small, tmp_path, capsys):
    run = train(tmp_path, small)
    (first,) = rows(run)
    with pytest.raises(RequestError, match="holds a run with real_codec True, not False"):
        train(tmp_path, small, steps=40, real_codec=False)
    assert train(tmp_path, small, steps=40) == run and "going on at step 20" in capsys.readouterr().out
    _, last = rows(run)
    assert last["l1"] < first["l1"] and last["flicker"] < first["flicker"]
    assert last["flicker_steadied"] < 0.8 * last["flicker_network"]
    assert (run / "sample-0000040.png").is_file() and (run / "curve.png").is_file()
    opened = open_network(tmp_path / "net.safetensors")
    layers = open_layers(tmp_path / "layers", opened.network, opened.name)
    with safe_open(tmp_path / "layers" / "layers.safetensors", "pt") as file:
        said = file.metadata()
    assert said["network_sha256"] == opened.sha256 and said["network"] == "net.safetensors"
    assert all(p.dtype == torch.float32 for p in layers.steady.layers.parameters())


def test_layers_that_are_there_are_trained_on(small, tmp_path):
    train(tmp_path, small)
    begun = {"layers": tmp_path / "layers", "run": tmp_path / "more", "seed": 2}
    (more,) = rows(train(tmp_path, small, **begun))
    (anew,) = rows(train(tmp_path, small, run=tmp_path / "anew", seed=2))
    assert more["l1"] < anew["l1"] and more["flicker"] < anew["flicker"]


def test_layers_of_another_network_are_refused(small, tmp_path):
    train(tmp_path, small, steps=1)
    save_file(networks.compact(width=24, depth=5), tmp_path / "net.safetensors")
    with pytest.raises(RequestError, match=r"is for net\.safetensors, and --network is net\.safetensors"):
        train(tmp_path, small, steps=1, layers=tmp_path / "layers", run=tmp_path / "more")


def test_a_network_that_no_layers_fit_is_refused(small, tmp_path, monkeypatch):
    def none(*of_the_network):
        raise ValueError("it has no row of like blocks")

    monkeypatch.setattr("vldm_cli.align.steady.network.find_body", none)
    with pytest.raises(RequestError, match="no temporal layers can be put into it"):
        train(tmp_path, small)


def test_bad_requests(small, tmp_path):
    for options, words in (
        ({"steps": None}, "either --minutes or --steps"),
        ({"steps": 0}, "--steps"),
        ({"lr": 2.0}, "--lr"),
        ({"dtype": "float16"}, "none that training knows"),
    ):
        with pytest.raises(RequestError, match=words):
            train(tmp_path, small, **options)
    (tmp_path / "net.safetensors").unlink()
    with pytest.raises(RequestError, match=r"^--network .* is not here"):
        train(tmp_path, small)


def test_pairs_are_cut_at_one_place(tmp_path):
    folder = pairs(tmp_path / "pairs")
    assert holds_pairs(folder) and not holds_pairs(folder / "a")
    source = Pairs(folder, torch.device("cpu"))
    source.check(6, {1: 1.0})
    (found,) = source.patches(3, 4, 3, 8, 4)
    assert found.high_BTCHW.shape == (4, 3, 3, 32, 32) and found.low_BTCHW.shape == (4, 3, 3, 8, 8)
    apart = (found.high_BTCHW[..., ::4, ::4].float() - found.low_BTCHW.float()).abs()
    assert apart.mean() < 8
    (again,) = source.patches(3, 4, 3, 8, 4)
    assert torch.equal(again.low_BTCHW, found.low_BTCHW)


def test_pairs_that_are_none(tmp_path):
    source = Pairs(pairs(tmp_path / "pairs"), torch.device("cpu"))
    with pytest.raises(RequestError, match="no clip of 7 frames"):
        source.check(7, {1: 1.0})
    with pytest.raises(RequestError, match="is no 2th of"):
        source.patches(0, 1, 3, 8, 2)
    with pytest.raises(RequestError, match=r"nothing in .* is 128 pixels"):
        source.patches(0, 1, 3, 32, 4)
    with pytest.raises(RequestError, match="no low resolution of it"):
        Pairs(pairs(tmp_path / "alone", low="other.frames"), torch.device("cpu"))


def test_layers_know_their_network_as_it_was_opened(small, tmp_path):
    """Trained in bfloat16, whose rounding moves the root mean square of a small tensor further than is allowed."""
    train(tmp_path, small, steps=1, dtype="bfloat16")
    opened = open_network(tmp_path / "net.safetensors")
    with safe_open(tmp_path / "layers" / "layers.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("network"), fingerprint(opened.network.module))
