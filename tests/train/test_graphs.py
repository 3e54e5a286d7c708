"""Recorded steps: they do what usual ones do."""

import shutil

import pytest
import torch

from tests.train.common import setup
from vldm_cli.packs.pack import Pack
from vldm_cli.train.graphs import USUAL, Graphs
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.pace import Schedule


def test_without_cuda_every_step_runs():
    graphs, seen = Graphs(torch.device("cpu")), []
    for i in range(2 * USUAL):
        assert graphs.run("kind", lambda i=i: seen.append(i) or {"i": i}) == {"i": i}
    assert seen == list(range(2 * USUAL)) and not graphs.recorded


@pytest.mark.parametrize("part", ["keyframes", "interpolation"])
def test_what_is_drawn_beforehand_is_what_the_step_uses(pack, part):
    """Windows of many lengths come up, and each step of one choice sees a window of one length."""
    objective = OBJECTIVES[part](setup(pack))
    objective.bank.add()
    lengths: dict = {}
    for seed in range(40):
        torch.manual_seed(seed)
        kind = objective.choose(0.0)
        batch = objective.bank.draw(2)
        z, context = objective.window(batch["z"].float(), batch["late"])
        assert context.z_BTCHW.shape == z.shape
        assert lengths.setdefault(kind, z.shape[1]) == z.shape[1]
    assert len(set(lengths.values())) > 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("part", [part for part, kind in OBJECTIVES.items() if kind.recordable])
def test_recorded_training_is_usual_training(pack, part, tmp_path):
    """The same random numbers, the same steps: the weights end in the same place, but for kernels that do not add up in
    one order."""
    ends = []
    for record in (True, False):
        # the run's end is exported into its pack, so each begins with a pack of its own
        own = Pack.open(shutil.copytree(pack.folder, tmp_path / f"pack{record}"))
        objective = OBJECTIVES[part](setup(own, device=torch.device("cuda"), record=record))
        run = Trainer(objective, Schedule(lr=1e-3, steps=24), tmp_path / f"run{record}", {})
        begin = run.weights.groups[0].flat.data.clone()
        run.run()
        assert bool(run.graphs.recorded) == record
        ends.append(run.weights.ema.flat.data - begin)
    recorded, usual = ends
    apart = float((recorded - usual).norm() / usual.norm())
    assert apart < 0.1, apart
