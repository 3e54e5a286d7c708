"""The probe's training: its answers come from Toyland, and what it is shown is mirrored and worn with them."""

from fractions import Fraction

import pytest
import torch

from tests.train.common import setup
from vldm_cli.errors import RequestError
from vldm_cli.measure.probe.attributes import OBJECT, SCENE
from vldm_cli.measure.probe.probe import load_probe
from vldm_cli.packs.pack import Pack
from vldm_cli.toyland.dataset import Drawing
from vldm_cli.toyland.world import RELATIONS
from vldm_cli.train.data.source import ToylandSource
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives import probe
from vldm_cli.train.objectives.probe import ProbeObjective, _mirrored_half, _several, _worn
from vldm_cli.train.pace import Schedule

CPU = torch.device("cpu")


@pytest.fixture
def objective(pack, monkeypatch):
    monkeypatch.setattr(probe, "HELD_OUT_CLIPS", 3)
    source = ToylandSource((32, 48), Fraction(24), CPU)
    return ProbeObjective(setup(pack, source=source, batch=4, bank_frames=64))


def test_examples_follow_from_the_seed(objective):
    a, b, c = objective.examples(1, 3), objective.examples(1, 3), objective.examples(2, 3)
    assert a["video"].shape == (3, 8, 3, 32, 48) and a["video"].dtype == torch.uint8
    assert a["scene"].shape == (3, len(SCENE)) and a["objects"].shape == (3, 10, 5)
    assert a["places"].shape == (3, 8, 10, 4) and a["camera"].shape == (3, 8, 5)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["video"], c["video"])


def test_toyland_is_drawn_for_it_as_asked(objective):
    motion, spins = 1 + list(OBJECT).index("motion"), OBJECT["motion"].index("spins")

    def spinning(drawing):
        objective.setup.source.drawing = drawing
        codes = objective.examples(1, 24)["objects"][..., motion]
        return int((codes == spins).sum()) / int((codes >= 0).sum())

    assert spinning(Drawing()) < 0.5 < spinning(Drawing(spinning=100.0))


def test_objects_are_counted_where_all_of_them_are_seen():
    things = torch.ones(2, 4, 3, 4)
    things[1, :3, 1, 3] = 0.1  # hidden for most of the time
    colours = torch.tensor([[0, 0, 2], [0, 0, -1]])
    assert _several(things, colours).tolist() == [[2, 0, 1] + [0] * 7, [-1] + [0] * 9]


def test_a_run_ends_in_the_pack(objective, pack, tmp_path):
    trainer = Trainer(objective, Schedule(lr=2e-3, steps=2), tmp_path / "run", {"part": "probe"})
    trainer.run()
    measured = trainer.curve.rows[-1]
    assert {f"acc_{n}" for n in (*SCENE, "count")} | {
        f"acc{k}_{n}" for k in (1, 2) for n in ("colours", *OBJECT)
    } <= set(measured)
    again = Pack.open(pack.folder)
    assert "probe/config.json" in again.manifest.files
    exported, average = load_probe(again), trainer.weights.ema.average
    name = "queries"
    assert torch.allclose(getattr(exported, name), average[f"probe.{name}"], atol=1e-3)
    # and a new run goes on from there
    further = ProbeObjective(setup(again, source=objective.setup.source, bank_frames=32))
    assert torch.equal(further.probe.queries, exported.queries)


def test_only_toyland_has_the_answers(pack):
    with pytest.raises(RequestError, match="Toyland alone"):
        ProbeObjective(setup(pack))


def test_mirrored_clips_have_mirrored_answers():
    torch.manual_seed(0)
    video = torch.zeros(200, 1, 3, 2, 4, dtype=torch.uint8)
    video[..., 0] = 9
    scene = torch.full((200, len(SCENE)), -1, dtype=torch.int8)
    scene[:, 0] = torch.arange(200) % 2  # every other one is a road
    camera = list(SCENE).index("camera")
    scene[:, camera] = SCENE["camera"].index("panning left")
    batch = {
        "video": video,
        "step": torch.full((200,), 16),
        "scene": scene,
        "objects": torch.zeros(200, 10, 5, dtype=torch.int8),
        "relations": torch.zeros(200, 10, 10, dtype=torch.int8),
        "places": torch.ones(200, 1, 10, 4),
        "things": torch.ones(200, 1, 3, 4),
        "camera": torch.ones(200, 1, 5),
    }
    given = _mirrored_half(batch)
    codes = given["scene"]
    flipped = given["video"][:, 0, 0, 0, -1] == 9
    assert torch.equal((given["relations"] == RELATIONS.index("right of")).all(2).all(1), flipped)
    assert torch.equal(given["places"][:, 0, 0, 0] == -1, flipped) and (given["places"][..., 1] == 1).all()
    assert torch.equal(given["things"][:, 0, 2, 0] == -1, flipped)
    assert torch.equal(given["camera"][:, 0, 0] == -1, flipped) and (given["camera"][..., 1] == 1).all()
    assert 35 < int(flipped.sum()) < 65
    assert not flipped[scene[:, 0] == 1].any()
    assert torch.equal(codes[:, camera] == SCENE["camera"].index("panning right"), flipped)


def test_worn_clips_are_still_the_clips():
    torch.manual_seed(0)
    x = torch.rand(16, 2, 3, 16, 16) * 2 - 1
    worn = _worn(x)
    change = (worn - x).abs().mean((1, 2, 3, 4))
    assert (change < 0.5).all() and (change > 0).any() and (change == 0).any()
