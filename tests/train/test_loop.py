"""The loop: exact resume, schedule, checkpoints, what it says when a run goes wrong."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.cases import some
from tests.train.common import setup
from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.pack import Pack
from vldm_cli.train.checkpoint import NAME
from vldm_cli.train.loop import NON_FINITE_LIMIT, Trainer
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.pace import Schedule


def trainer(pack, folder, part="autoencoder", steps=20, **identity):
    objective = OBJECTIVES[part](setup(pack, batch=2, bank_frames=2 * OBJECTIVES[part].frames))
    objective.sheet = lambda: (Image.new("RGB", (8, 8)), {"psnr": 1.0})
    return Trainer(objective, Schedule(lr=1e-3, steps=steps), folder, {"part": part, **identity})


def interrupted(trainer, at: int):
    """The trainer, made to be asked to stop when `at` steps are done, as a signal would."""
    agreed = trainer._agreed
    trainer._agreed = lambda asked: (agreed(asked)[0], trainer.step == at)
    return trainer


@pytest.mark.parametrize("part", some(["autoencoder", "decoder"], ["decoder"]))
def test_resume_is_exact(pack, tmp_path, part):
    """Stopped half-way and gone on with, a run ends with the very weights, averages and moments of one that was not,
    a renewal of the bank and the discriminator's beginning in between included."""
    steps, at = (64, 55) if part == "autoencoder" else (8, 5)
    other = Pack.open(shutil.copytree(pack.folder, tmp_path / "other"))
    trainer(other, tmp_path / "whole", part, steps).run()
    with pytest.raises(KeyboardInterrupt):
        interrupted(trainer(pack, tmp_path / "halves", part, steps), at).run()
    assert not (tmp_path / "halves" / "finished.json").exists()
    trainer(pack, tmp_path / "halves", part, steps).run()
    whole, halves = (load_file(tmp_path / run / NAME) for run in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    assert any(name.startswith("optimizer.exp_avg_sq") for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(tensor, halves[name]), name
    assert json.loads((tmp_path / "halves" / "finished.json").read_text())["step"] == steps


def test_a_run_goes_on_only_with_the_settings_it_began_with(pack, tmp_path):
    def run(later=(), **identity):
        one = trainer(pack, tmp_path / "run", steps=1, **identity)
        one.later = later
        one.run()

    run(teacher="a")
    for identity, words in (
        ({"teacher": "b"}, "with teacher a, not b"),
        ({}, "with teacher a, not None"),
        ({"teacher": "a", "looks": "c"}, "with looks None, not c"),
    ):
        with pytest.raises(RequestError, match=f"holds a run {words}; choose another --run"):
            run(**identity)
    # a checkpoint of an earlier version did not tell of everything
    run(later=["codec"], teacher="a", codec=True)
    shutil.rmtree(tmp_path / "run")
    run(later=["codec"], teacher="a", codec=True)
    with pytest.raises(RequestError, match="with codec True, not False"):
        run(later=["codec"], teacher="a", codec=False)


def test_a_run_folder_holds_no_pickles(pack, tmp_path):
    trainer(pack, tmp_path / "run", steps=20).run()
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert files == {NAME, "curve.csv", "curve.png", "finished.json", "sample-0000020.png"}
    suffixes = {p.suffix for p in pack.folder.rglob("*") if p.is_file()}
    assert suffixes == {".safetensors", ".json", ".toml"}
    header = (tmp_path / "run" / "curve.csv").read_text().splitlines()[0]
    assert {"step", "loss", "lr", "psnr"} <= set(header.split(","))
    with Image.open(tmp_path / "run" / "curve.png") as picture:
        assert len(picture.getcolors(1 << 16)) > 3


def test_another_run_in_the_folder_is_refused(pack, tmp_path):
    trainer(pack, tmp_path / "run", steps=1, batch=2).run()
    with pytest.raises(RequestError, match="batch 2, not 4"):
        trainer(pack, tmp_path / "run", steps=2, batch=4).run()


def test_of_what_is_refused_no_run_folder_is_left(pack, tmp_path):
    refused = trainer(pack, tmp_path / "run", steps=1)

    def nothing(seconds):
        raise RequestError("nothing there is large enough")

    refused.objective.bank.fill = nothing
    with pytest.raises(RequestError, match="large enough"):
        refused.run()
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_named(pack, tmp_path):
    trainer(pack, tmp_path / "run", steps=1).run()
    path = tmp_path / "run" / NAME
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RequestError, match=NAME):
        trainer(pack, tmp_path / "run", steps=2).run()


def test_a_step_without_finite_gradients_changes_nothing(pack, tmp_path):
    run = trainer(pack, tmp_path / "run", steps=3)
    losses = run.objective.losses
    before = {name: p.detach().clone() for name, p in run.weights.parameters.items()}

    def broken():
        out = losses()
        # the loss itself may be finite while a gradient is not
        return {**out, "loss": out["loss"] + (out["loss"] * 0).sqrt()} if run.step != 1 else out

    run.objective.losses = broken
    run.run()
    assert int(run.weights.skipped) == 2 and int(run.weights.streak) == 1
    moved = [not torch.equal(p, before[name]) for name, p in run.weights.parameters.items()]
    assert any(moved)
    assert all(p.isfinite().all() for p in run.weights.parameters.values())


def test_a_run_that_stays_broken_ends(pack, tmp_path):
    run = trainer(pack, tmp_path / "run", steps=10 * NON_FINITE_LIMIT)
    parameter = next(iter(run.weights.parameters.values()))
    run.objective.losses = lambda: {"loss": parameter.sum() * float("nan")}
    with pytest.raises(RunError, match="finite"):
        run.run()
    assert run.step < 3 * NON_FINITE_LIMIT


def test_averages(pack, tmp_path):
    """The averages follow the weights, are shown to sheets and exports in float32, and the weights come back."""
    objective = OBJECTIVES["autoencoder"](setup(pack, dtype=torch.bfloat16))
    weights = Trainer(objective, Schedule(lr=1e-3, steps=9), tmp_path, {}).weights
    name, parameter = next(iter(weights.parameters.items()))
    own = parameter.detach().clone()
    for step in range(1, 41):
        with torch.no_grad():
            weights.masters[name].fill_(step)
        weights.ema.prepare(step)
        weights.ema.update()
    average = weights.ema.average[name]
    assert 36 < float(average.mean()) < 40
    with weights.averaged():
        assert parameter.dtype == torch.float32 and torch.equal(parameter, average)
    assert parameter.dtype == torch.bfloat16 and torch.equal(parameter, own)


def test_bfloat16_trains_float32_masters(pack, tmp_path):
    """Updates too small for bfloat16 add up in the masters."""
    objective = OBJECTIVES["autoencoder"](setup(pack, dtype=torch.bfloat16, batch=1))
    run = Trainer(objective, Schedule(lr=1e-6, steps=4), tmp_path / "run", {})
    objective.sheet = lambda: (Image.new("RGB", (8, 8)), {})
    before = {name: m.detach().clone() for name, m in run.weights.masters.items()}
    run.run()
    assert all(p.dtype == torch.bfloat16 for p in run.weights.parameters.values())
    assert any(not torch.equal(m, before[name]) for name, m in run.weights.masters.items())
    for name, parameter in run.weights.parameters.items():
        assert torch.equal(parameter, run.weights.masters[name].to(torch.bfloat16))


def test_what_was_learned_is_saved_before_it_is_shown(pack, tmp_path):
    run = trainer(pack, tmp_path / "run", steps=2)
    exported = []
    run.objective.export = lambda: exported.append(run.step)

    def broken():
        raise RuntimeError("no picture")

    run.objective.sheet = broken
    with pytest.raises(RuntimeError, match="no picture"):
        run.run()
    assert exported == [2] and (tmp_path / "run" / NAME).is_file()


def test_what_is_measured_in_some_steps_only_is_averaged_over_these(pack, tmp_path):
    run = trainer(pack, tmp_path / "run", steps=20)
    losses = run.objective.losses
    run.objective.losses = lambda: {
        **losses(),
        "one": torch.ones(()),
        **({"hinge": torch.full((), 2.0)} if run.step >= 15 else {}),
    }
    run.run()
    (row,) = run.curve.rows
    assert row["one"] == 1.0 and row["hinge"] == 2.0
