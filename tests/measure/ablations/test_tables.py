import json

import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.commands import ablations as command
from vldm_cli.commands.app import app
from vldm_cli.commands.failures import run
from vldm_cli.measure.ablations import rows as ablation_rows
from vldm_cli.measure.ablations.latents import continued
from vldm_cli.measure.ablations.rows import Amounts
from vldm_cli.measure.ablations.tables import GROUPS, measure_ablations
from vldm_cli.measure.between import in_one_step, in_two
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.probe.probe import Probe
from vldm_cli.measure.report.ablations import PAPER, ablation_tables
from vldm_cli.measure.report.store import Store
from vldm_cli.packs.save import save_part
from vldm_cli.stages.models import Models
from vldm_cli.train import variants
from vldm_cli.train.all import write_state
from vldm_cli.train.variants import VARIANTS, make_packs

FEW = Amounts(2, 2, 2, 3, 1, 8, 1, 2, batch=2, steps=1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    made = tiny_pack(tmp_path_factory.mktemp("ablations"))
    torch.manual_seed(0)
    save_part(made.folder, "probe", Probe())
    return type(made).open(made.folder)


@pytest.fixture(scope="module")
def packs(pack, tmp_path_factory):
    return make_packs(pack, tmp_path_factory.mktemp("variants"), list(VARIANTS), seed=0)


def test_every_group_has_its_variants():
    assert {name for needed, _ in GROUPS.values() for name in needed} == set(VARIANTS)
    assert set(PAPER) <= set(GROUPS)


def test_all_groups(packs):
    table = measure_ablations(packs, "cpu", "float32", FEW, list(GROUPS))
    rows = {group: list(table[group]["rows"]) for group in GROUPS}
    assert len(rows["layers"]) == 6 and len(rows["context"]) == 5
    assert [len(rows[g]) for g in ("interpolation", "decoder", "upscaler")] == [2, 2, 2]
    for group in GROUPS:
        assert all(v >= 0 for v in table[group]["floor"].values())
        for row in table[group]["rows"].values():
            assert set(table[group]["floor"]) <= set(row)
    # untrained temporal layers are the image model
    layers = table["layers"]["rows"]
    image, ours = (
        layers["image LDM frame by frame"],
        layers["3D convolutions, attention in space and time, words (ours)"],
    )
    assert image["video distance"] == pytest.approx(ours["video distance"], rel=1e-2)
    assert "240 frames: video distance" in table["context"]["rows"]["learned context, s = 1.5"]
    words = {"of": "tiny", "training": {"minutes": 1.0, "steps": {"keyframes": 3}}, **table}
    titles = [part.title for part in ablation_tables(words)]
    assert sum("paper" in title for title in titles) == len(PAPER)


@torch.inference_mode()
def test_known_frames_come_back(packs):
    maker = Maker(Models(packs["keyframes"]), 2, steps=1)
    known = torch.randn(2, 2, 4, 8, 12)
    captions = ["a red ball", "a blue cube"]
    z = continued(maker, captions, 16, 0, 1.5, known)
    assert z.shape == (2, 16, 4, 8, 12) and torch.equal(z[:, :2], known)
    assert torch.isfinite(z).all() and (z[:, 8:].std((0, 2, 3, 4)) > 0.1).all()
    three = torch.randn(2, 3, 4, 8, 12)
    for make, name in ((in_one_step, "interpolation-16"), (in_two, "interpolation")):
        z = make(Maker(Models(packs[name]), 2), captions, three)
        assert z.shape == (2, 33, 4, 8, 12) and torch.equal(z[:, ::16], three)


@pytest.fixture
def measure(monkeypatch, capfd, tmp_path):
    """measure(*options) → (exit code, stdout, stderr); training only pretends."""
    trained = []

    def pretend(jobs, minutes, folder, state, *rest, **options):
        for job in jobs:
            trained.append(job.part)
            (folder / job.part / "run").mkdir(parents=True, exist_ok=True)
            (folder / job.part / "run" / "finished.json").write_text('{"step": 7}')
            state["done"].append(job.part)
        write_state(folder, state)

    monkeypatch.setattr(variants, "train_variants", pretend)
    monkeypatch.setattr(ablation_rows, "QUICK", FEW)

    def call(*options):
        capfd.readouterr()
        words = ["--gpus", "0", "--minutes", "0.5", "--run", tmp_path / "run", *options]
        return run(app, ["measure", "ablations", *map(str, words)]), *capfd.readouterr()

    call.trained = trained
    return call


def test_the_command(measure, pack, tmp_path):
    options = ("--pack", pack.folder, "--quick", "--json", "--only", "decoder,interpolation")
    code, out, err = measure(*options, "--report", tmp_path / "a.md", "--report", tmp_path / "a.html")
    assert code == 0, err
    table = json.loads(out)
    assert measure.trained == ["interpolation", "interpolation-16", "decoder"]
    assert table["training"]["steps"] == dict.fromkeys(measure.trained, 7)
    text = (tmp_path / "a.md").read_text()
    assert "390.88" in text and "| 32.94 |" in text and "704.41" not in text and "×4 twice" in text
    assert "<h1>Ablations of tiny</h1>" in (tmp_path / "a.html").read_text()
    # again: nothing is measured anew; and the ruler takes the table up
    code, again, _ = measure(*options, "--measure-only")
    assert code == 0 and json.loads(again)["decoder"] == table["decoder"]
    (tmp_path / "a.json").write_text(out)
    words = ["measure", "quality", "--quick", "--pack", pack.folder, "--only", "probe", "--device", "cpu"]
    words += [
        *("--ablations", tmp_path / "a.json") * 2,
        "--report",
        tmp_path / "q.md",
        "--report",
        tmp_path / "q.html",
    ]
    assert run(app, list(map(str, words))) == 0
    text = (tmp_path / "q.md").read_text()
    assert "# Ablations" in text and text.count("## Trained from the identity") == 2
    assert "<h2>Ablations</h2>" in (tmp_path / "q.html").read_text()


def test_variants_keep_the_options_that_they_were_trained_with(measure, pack):
    options = ("--pack", pack.folder, "--train-only", "--only", "decoder")
    assert measure(*options)[0] == 0
    code, _, err = measure(*options, "--with", "all --lr 1e-3")
    assert code == 2 and "holds decoder trained with no further options, not with --lr 1e-3" in err
    assert "--with" in err and "choose another --run" in err and measure.trained == ["decoder"]


def test_refusals(measure, pack, tmp_path):
    base = ("--pack", pack.folder)
    assert "'speed' is none of" in measure(*base, "--only", "speed")[2]
    code, out, err = measure(*base, "--train-only", "--measure-only")
    assert (code, out) == (2, "") and "nothing to do" in err
    code, _, err = measure(*base, "--measure-only", "--quick")
    assert code == 2 and "no finished training" in err
    code, out, _ = measure(*base, "--dry-run")
    assert code == 0 and "interpolation-16" in out and measure.trained == []
    code, out, err = measure(*base, "--dry-run", "--with", "over-time --nope")
    assert (code, out) == (2, "") and "--with 'over-time --nope'" in err and "vldm train keyframes" in err
    code, _, err = measure(*base, "--report", tmp_path / "x.pdf")
    assert code == 2 and command.PAGES[0] in err


def test_rows_are_kept_while_their_group_goes_on(packs, tmp_path):
    class Stopped(Exception):
        pass

    def stop_at(text: str) -> None:
        if "ours, trained" in text:
            raise Stopped

    store = Store(tmp_path, {})
    with pytest.raises(Stopped):
        measure_ablations(packs, "cpu", "float32", FEW, ["layers"], stop_at, store)
    kept = sorted(path.name for path in tmp_path.glob("layers-*.json"))
    assert len(kept) == 5 and not (tmp_path / "layers.json").exists()
    said = []
    table = measure_ablations(packs, "cpu", "float32", FEW, ["layers"], said.append, store)
    assert said == ["layers: ours, trained without context"]
    assert len(table["layers"]["rows"]) == 6 and store.load("layers") is not None
