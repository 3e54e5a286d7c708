"""What a clip's video is made from can be sent to another process, and gives the same frames there."""

import pickle
from fractions import Fraction

import pytest
import torch
from safetensors.torch import save_file

from tests import networks
from tests.pipelines.interpolate.test_latents import make as made_clip
from tests.video import clips
from vldm_cli.packs.network import open_network
from vldm_cli.pipelines.clip.making import LENGTH, Making
from vldm_cli.pipelines.interpolate.job import make_job as interpolating
from vldm_cli.pipelines.upscale.network_job import make_job as by_network
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.pool.graph import SEGMENT, Unit
from vldm_cli.runs.progress import Clock
from vldm_cli.runs.store import Store
from vldm_cli.video.clip import open_clip


def network(folder, pack):
    pytest.importorskip("spandrel")
    save_file(networks.compact(2), folder / "net.safetensors")
    clip = open_clip(clips.make(folder, "a.mp4", frames=30, size="24x16", rate="24"))
    model = open_network(folder / "net.safetensors")
    options = {"scale": None, "steady": None, "tile": None, "device": "cpu", "dtype": "float32", "crf": 16}
    return by_network(clip, model, folder / "b.mp4", **options)


def diffusion(folder, pack):
    clip = open_clip(made_clip(folder / "a.mp4", pack))
    return interpolating(clip, folder / "b.mp4", 4, False, "cpu", crf=16, pack=pack, seed=5)


def motion(folder, pack):
    clip = open_clip(clips.make(folder, "a.mp4", frames=15, size="24x16", rate="24"))
    return interpolating(clip, folder / "b.mp4", 2, False, "cpu", crf=16)


@pytest.mark.parametrize("make", [network, diffusion, motion])
def test_a_job_that_is_sent_makes_the_same_segments(tiny_pack, tmp_path, make):
    job = make(tmp_path, tiny_pack)
    job.clip.fingerprint()
    making = Making(job)
    units = making.graph("cpu").segments
    assert units == [Unit(SEGMENT, index) for index in range(-(-len(job.times) // LENGTH))] and len(units) > 1
    stores = [Store(tmp_path / name) for name in ("here", "sent")]
    sent = pickle.loads(pickle.dumps(making))
    assert sent.job.times.fps == job.times.fps != Fraction(0)
    for store, one in zip(stores, (making, sent), strict=True):
        store.folder.mkdir()
        for unit in units if one is making else reversed(units):
            bench = one.bench(store, Clock(), Aside(0))
            with torch.inference_mode():
                bench.do(unit)
            bench.close()
    here, there = ([store.segment(unit.index).read_bytes() for unit in units] for store in stores)
    assert here == there
