"""Frames as they are made: the ones that `generate` encodes, in bounded memory, and nothing left behind."""

import gc

import numpy as np
import pytest
import torch
from PIL import Image

import vldm_cli as vldm
from vldm_cli.stages.models import Models

PROMPT = "a red ball bounces"
PICTURE = np.linspace(0, 255, 32 * 48 * 3).reshape(32, 48, 3).astype(np.uint8)


@pytest.mark.parametrize(
    ("ask", "lengths"),
    [
        ({"frames": 50, "upscale": False}, [6, 24, 20]),
        ({"frames": 1, "upscale": False}, [1]),
        ({"frames": 8, "image": PICTURE, "interpolation": 4, "fps": 12}, [6, 2]),
    ],
    ids=["three segments", "one frame", "upscaled, from a picture"],
)
def test_the_frames_that_generate_encodes(pack, tmp_path, ask, lengths):
    made = vldm.generate(PROMPT, tmp_path / "frames", pack=pack, seed=4, **ask)
    files = sorted(made.out.glob("*.png"))
    stream = vldm.stream(PROMPT, pack=pack, seed=4, **ask)
    assert (stream.frames, stream.fps, stream.seed) == (made.frames, made.fps, 4)
    batches = []
    for batch in stream:
        assert batch.dtype == np.uint8 and batch.shape[1:] == (stream.height, stream.width, 3)
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
        batches.append(batch)
    assert [len(batch) for batch in batches] == lengths
    assert np.array_equal(np.concatenate(batches), [np.asarray(Image.open(path)) for path in files])


def test_a_batch_is_made_when_it_is_asked_for(pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    events = []
    with vldm.stream(PROMPT, pack=pack, frames=960, upscale=False, on_progress=events.append) as stream:
        assert events == []
        assert len(next(stream)) == 6 and events[-1].frames == 6
        done = {event.stage: event.done / event.total for event in events}
        assert set(done) == {"keyframes", "interpolate4", "interpolate1", "decode"}
        assert max(done.values()) < 0.2
        assert len(next(stream)) == 24 and events[-1].frames == 30
    assert list(stream) == [] and list(tmp_path.iterdir()) == []


def test_seeds_are_drawn(pack):
    one, two = (vldm.stream(PROMPT, pack=pack, frames=1) for _ in range(2))
    assert one.seed != two.seed


def test_a_prompt_with_unknown_words_is_remarked_upon(pack):
    (warning,) = vldm.stream("a red zebra", pack=pack, frames=1).warnings
    assert "zebra" in warning


def test_what_was_found_out_of_a_packs_files_is_said(tiny_pack):
    pack = vldm.load_pack(tiny_pack.folder, device="cpu")
    pack.models.remarks.append("of its kernels one is left out")
    assert vldm.stream("a red ball", pack=pack, frames=1).warnings == ["of its kernels one is left out"]


def test_ended_early_it_leaves_nothing(tiny_pack):
    """Neither frames nor windows nor, where the pack was named, models."""

    def alive():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor | Models) for thing in gc.get_objects())

    def begin():
        made = vldm.stream(
            PROMPT, pack=tiny_pack.folder, device="cpu", dtype="float32", frames=48, upscale=False
        )
        next(made)
        return made

    stream = begin()  # what libraries keep for good is there after the first
    stream.close()
    before = alive()
    for end in ("closed", "forgotten"):
        stream = begin()
        assert alive() > before + 100
        if end == "closed":
            stream.close()
        else:
            del stream
        assert alive() <= before, end


def test_memory_that_runs_out_is_one_sentence(pack, monkeypatch):
    def starve(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("vldm_cli.stages.keyframes.extend", starve)
    with pytest.raises(vldm.RunError, match="memory ran out in the stage keyframes on cpu"):
        next(vldm.stream(PROMPT, pack=pack, frames=1, upscale=False))


def test_what_does_not_fit_is_refused_before_the_first_frame(pack):
    with pytest.raises(vldm.RequestError, match="memory"):
        vldm.stream("a red ball", pack=pack, frames=1, size=(2**20, 2**20))
