"""Training the network over frames that motion makes."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from vldm_cli.errors import RequestError
from vldm_cli.motion.saved import load_refiner
from vldm_cli.train import refiner as training
from vldm_cli.train.data import triplets
from vldm_cli.train.data.triplets import TripletSource
from vldm_cli.train.objectives import refiner as objective


def footage(folder, frames=6, size=48, flash=0):
    """A clip of one world that moves by four pixels a frame, every other one brighter by `flash`, and a picture."""
    random = np.random.default_rng(0)
    world = np.kron(random.integers(30, 220, (size // 4, size // 4 + frames, 3)), np.ones((4, 4, 1)))
    for name in ("clip.frames", "photos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        seen = world[:, 4 * number : 4 * number + size] + flash * (number % 2)
        picture = Image.fromarray(seen.astype(np.uint8))
        picture.save(folder / "clip.frames" / f"{number}.png")
    picture.save(folder / "photos" / "a.png")
    return folder


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(objective, "SIDE", 48)
    monkeypatch.setattr(objective, "PATCH", 40)
    monkeypatch.setattr(objective, "SHEET_EXAMPLES", 1)
    monkeypatch.setattr(triplets, "CODED", 0.0)
    return footage(tmp_path / "data")


def train(folder, data, **options):
    asked = {"steps": 20, "batch": 2, "bank_frames": 20, "lr": 1e-2, "seed": 1, **options}
    return training.start_refiner(folder / "out", str(data), **asked)


def rows(run):
    with (run / "curve.csv").open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def test_it_learns_and_the_same_command_goes_on(small, tmp_path, capsys, monkeypatch):
    """Here that the frame in the middle is brighter, which no motion tells."""
    monkeypatch.setattr(triplets, "STEPS", {2: 1.0})
    monkeypatch.setattr(objective.RefinedFrames, "frames", 3)
    data = footage(tmp_path / "flash", frames=3, flash=30)
    (data / "photos" / "a.png").unlink()
    run = train(tmp_path, data)
    assert train(tmp_path, data, steps=40) == run and "going on at step 20" in capsys.readouterr().out
    last = rows(run)[-1]
    assert last["l1"] < 0.8 * last["l1_motion"] and (run / "sample-0000040.png").is_file()
    network = load_refiner(tmp_path / "out" / "refiner.safetensors")
    assert network.leave.weight.abs().sum() > 0


def test_untrained_it_makes_what_motion_makes(small, tmp_path):
    """On patches, as the frames' pixels count there."""
    where = torch.device("cpu")
    means = objective.RefinerMeans(
        source=TripletSource(str(small), where),
        device=where,
        dtype=torch.float32,
        batch=4,
        bank_frames=20,
        out=tmp_path,
    )
    task = objective.RefinedFrames(means)
    batch = task.examples(5, 4)
    corner = torch.tensor([[0, 0], [8, 8], [8, 0], [0, 8]])
    made, plain, truth = task._made(batch, corner)
    assert made.shape == truth.shape == (4, 3, 40, 40) and torch.equal(made, plain)
    seen = (made - truth).abs().mean((1, 2, 3))
    told = torch.stack(
        [batch["error"][i, 0, y : y + 5, x : x + 5].mean() for i, (y, x) in enumerate(corner // 8)]
    )
    assert torch.allclose(seen, told.float(), atol=0.02)
    torch.manual_seed(0)
    kept = task._varied(batch)
    torch.manual_seed(2)
    turned = task._varied(batch)
    middle = torch.full((4, 2), 4)
    for one in (kept, turned):
        _, plain, truth = task._made(one, middle)
        assert (plain - truth).abs().mean() < 2 * told.mean() + 0.01


def test_triplets_lie_in_order(small, monkeypatch):
    """The clip moves evenly, so the frame between is as far along as its time says; again for the same seed."""
    source = TripletSource(str(small), torch.device("cpu"))
    source.folders[0].stretches = [s for s in source.folders[0].stretches if s.video]
    found, again = source.triplets(3, 6, 24), source.triplets(3, 6, 24)
    assert torch.equal(found.truth, again.truth) and set(found.t_N.tolist()) <= {0.25, 0.5, 0.75}
    assert found.a.shape == found.b.shape == (6, 3, 24, 24) and not torch.equal(found.a, found.b)
    monkeypatch.setattr(triplets, "CODED", 1.0)
    coded = source.triplets(3, 6, 24)
    assert torch.equal(coded.truth, found.truth) and not torch.equal(coded.a, found.a)


def test_bad_requests(small, tmp_path):
    for data, options, words in (
        (small, {"steps": None}, "either --minutes or --steps"),
        ("toyland", {}, "--data toyland is for packs"),
        (tmp_path / "gone", {}, "neither toyland nor a folder"),
    ):
        with pytest.raises(RequestError, match=words):
            train(tmp_path, data, **options)
    source = TripletSource(str(small), torch.device("cpu"))
    with pytest.raises(RequestError, match="is 256 pixels high and wide"):
        source.triplets(0, 2, 256)
    short = footage(tmp_path / "short", frames=3)
    (short / "photos" / "a.png").unlink()
    with pytest.raises(RequestError, match="nor a clip of 5 frames"):
        train(tmp_path, short)
