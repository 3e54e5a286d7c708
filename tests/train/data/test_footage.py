"""Photographs and clips as what the upscaler learns from."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from tests.train.common import setup
from vldm_cli.errors import RequestError
from vldm_cli.train.data import camera, files
from vldm_cli.train.data.camera import moved
from vldm_cli.train.data.degrade import Degrade
from vldm_cli.train.data.footage import Footage, cleaned
from vldm_cli.train.loop import FINISHED, Trainer
from vldm_cli.train.objectives.upscaler import UpscalerImage
from vldm_cli.train.pace import Schedule

CPU = torch.device("cpu")


def scenery(height, width, seed=0):
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse * 255, size=(height, width), mode="bicubic")[0].clamp(0, 255)


def save(x_CHW, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x_CHW.permute(1, 2, 0).byte().numpy()).save(path)


@pytest.fixture
def footage(tmp_path):
    """A photo, one that is too small, and a clip of ten frames that pans two pixels a frame."""
    save(scenery(150, 200), tmp_path / "photo.png")
    save(scenery(40, 40), tmp_path / "small.png")
    wide = scenery(120, 200, 1)
    for i in range(10):
        save(wide[:, :, 2 * i : 2 * i + 160], tmp_path / "pan.frames" / f"{i}.png")
    return Footage(tmp_path, CPU, Degrade(real_codec=False))


def test_patches(footage):
    (patches,) = footage.patches(0, 6, 4, 8, 4)
    assert not patches.made
    assert patches.high_BTCHW.shape == (6, 4, 3, 32, 32) and patches.low_BTCHW.shape == (6, 4, 3, 24, 24)
    low = patches.low_patches(patches.low_BTCHW, 8, 8).float()
    small = F.avg_pool2d(patches.high_BTCHW.float().flatten(0, 1), 4).unflatten(0, (6, 4))
    other = small.roll(1, 0)
    assert (low - small).abs().mean() < 0.5 * (low - other).abs().mean()
    (again,) = footage.patches(0, 6, 4, 8, 4)
    assert torch.equal(patches.low_BTCHW, again.low_BTCHW)
    (single,) = footage.patches(1, 3, 1, 8, 4)
    assert single.high_BTCHW.shape == (3, 1, 3, 32, 32)


def test_long_clips_are_left_to_photos(footage):
    footage.check(50, {1: 1.0})
    (patches,) = footage.patches(0, 4, 12, 8, 4)  # the clip has ten frames only
    assert patches.high_BTCHW.shape[1] == 12


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_photo_is_one_whatever_its_format(tmp_path, suffix):
    save(scenery(150, 200), tmp_path / f"photo{suffix}")
    alone = Footage(tmp_path, CPU, Degrade(real_codec=False))
    alone.check(8, {1: 1.0})
    (patches,) = alone.patches(0, 2, 8, 8, 4)  # a camera moves over it
    assert patches.high_BTCHW.shape[:2] == (2, 8)


def test_what_cannot_be_served(footage, tmp_path):
    with pytest.raises(RequestError, match="256 pixels"):
        footage.patches(0, 2, 1, 48, 4)
    with pytest.raises(RequestError, match="opened for patches"):
        footage.clips(0, 1, 1, {1: 1.0})
    save(scenery(40, 40), tmp_path / "clip" / "x.frames" / "0.png")
    with pytest.raises(RequestError, match="neither an image nor a clip of 2 frames"):
        Footage(tmp_path / "clip", CPU, Degrade(False)).check(2, {1: 1.0})


def test_clips_are_scaled_down_and_photos_are_not():
    assert cleaned((720, 1280), True) == (360, 640)
    assert cleaned((288, 512), True) == (264, 469)
    assert cleaned((100, 200), True) == (100, 200)
    assert cleaned((720, 1280), False) == (720, 1280)


def test_one_frame_is_a_cut_of_the_photo():
    photo = scenery(64, 96)
    for seed in range(20):
        frame = moved(photo, np.random.default_rng(seed), 1, 60)
        assert frame.shape == (1, 3, 60, 60)
    # too small to be scaled: every pixel is the photo's own, mirrored or not
    photo = scenery(40, 40)
    frame = moved(photo, np.random.default_rng(3), 1, 40)[0]
    assert torch.equal(frame, photo) or torch.equal(frame, photo.flip(-1))


def test_the_camera_moves_smoothly_and_now_and_then_not_at_all():
    photo = scenery(160, 240)
    changes = []
    for seed in range(60):
        frames = moved(photo, np.random.default_rng(seed), 6, 64)
        assert frames.shape == (6, 3, 64, 64) and frames.isfinite().all()
        changes.append(frames.diff(dim=0).abs().mean((1, 2, 3)))
    changes = torch.stack(changes)
    still = changes.amax(1) < 1e-3
    assert 2 <= int(still.sum()) <= 20
    # no jumps: in a clip the largest change is not far from the usual one
    assert (changes[~still].amax(1) < 6 * changes[~still].median(1).values + 2).all()


def test_panning_is_a_shift(monkeypatch):
    """Without turns, zooms, shaking and depth, each frame is the one before, so many pixels on."""
    for name in ("STILL", "TURN", "ZOOM", "SHAKE", "DEEP"):
        monkeypatch.setattr(camera, name, 0.0)
    monkeypatch.setattr(camera, "LEVEL", 1.0)
    grid = camera._grid(np.random.default_rng(2), 5, 32, 1.0, (200, 300))
    steps = grid.diff(dim=0) * torch.tensor([150.0, 100.0])
    assert steps.std((1, 2)).max() < 1e-3  # the same for every pixel of a frame
    assert 0.1 < float(steps.norm(dim=-1).mean()) <= camera.FASTEST + 1
    assert steps.mean((1, 2)).diff(dim=0).abs().max() < 1.0  # hardly faster or slower


def test_a_bfloat16_run_on_footage_ends(pack, tmp_path):
    """Its last sheet is of held-out footage: once that was made under autocast, and the run broke before it saved."""
    save(scenery(200, 240), tmp_path / "photos" / "photo.png")
    footage = Footage(tmp_path / "photos", CPU, Degrade(real_codec=False))
    objective = UpscalerImage(setup(pack, source=footage, dtype=torch.bfloat16))
    Trainer(objective, Schedule(lr=1e-4, steps=1), tmp_path / "run", {}).run()
    assert (tmp_path / "run" / FINISHED).is_file()


def test_files_are_fetched_together_within_the_bound(footage, monkeypatch):
    folder, decoded, real = footage.folder, [], files.decode

    def decode(stretch):
        decoded.append(stretch)
        return real(stretch)

    monkeypatch.setattr(files, "decode", decode)
    folder.fetch([*folder.stretches, folder.stretches[0]])
    assert sorted(s.path.name for s in decoded) == ["pan.frames", "photo.png", "small.png"]
    folder.fetch(folder.stretches)
    assert all(len(folder.frames(s)) == s.frames for s in folder.stretches) and len(decoded) == 3
    folder.cache.clear()
    monkeypatch.setattr(files, "CACHE_BYTES", 1)  # no room: each is decoded when it is asked for
    folder.fetch(folder.stretches)
    assert len(decoded) == 3
    assert len(folder.frames(folder.stretches[0])) and len(folder.cache) == 1
