"""Several sources at once."""

import pytest
import torch
from PIL import Image

from vldm_cli.errors import RequestError
from vldm_cli.train.data.mixture import shares
from vldm_cli.train.data.source import open_source

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    """Folders of a red and of a blue picture, one with a comma in its name."""
    for name, colour in (("red", (200, 0, 0)), ("blue, too", (0, 0, 200))):
        (tmp_path / name).mkdir()
        Image.new("RGB", (200, 200), colour).save(tmp_path / name / "it.png")
    return tmp_path


def test_shares(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert shares("toyland") == {"toyland": 1.0}
    assert shares("blue, too") == {"blue, too": 1.0}  # a folder of that name, not two
    assert shares("toyland, red=3") == {"toyland": 0.25, "red": 0.75}
    assert shares("red=0.5") == {"red": 1.0}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("nowhere", "'nowhere' is neither|nowhere is neither"),
        ("toyland,nowhere=2", "nowhere is neither toyland nor a folder"),
        ("toyland=1,toyland=2", "names toyland twice"),
        ("toyland=none", "a share is a number above 0"),
        ("toyland=-1", "a share is a number above 0"),
        ("toyland=0", "a share is a number above 0"),
        ("", "neither toyland nor a folder"),
    ],
)
def test_shares_that_are_none(data, words):
    with pytest.raises(RequestError, match=words):
        shares(data)


def test_clips_come_by_their_shares(folder, tiny_pack):
    data = f"toyland=0.2,{folder / 'red'}=0.8"
    source = open_source(data, tiny_pack.manifest.video, CPU, patches=False, compiled=False)
    clips = source.clips(0, 60, 1, {1: 1.0})
    red = (clips.video_BTCHW == torch.tensor([200, 0, 0])[:, None, None]).flatten(1).all(1)
    assert 35 < int(red.sum()) < 58
    assert [caption == "it" for caption in clips.captions] == red.tolist()
    assert not bool(red[: int(red.sum())].all())  # mixed, not one source after the other
    again = source.clips(0, 60, 1, {1: 1.0})
    assert torch.equal(clips.video_BTCHW, again.video_BTCHW) and clips.captions == again.captions
    with pytest.raises(RequestError, match="add longer clips"):
        source.check(2, {1: 1.0})


def test_patches_say_whether_the_pack_made_them(folder, tiny_pack):
    data = f"toyland=0.5,{folder / 'red'}=0.5"
    source = open_source(data, tiny_pack.manifest.video, CPU, True, False, real_codec=False)
    kinds = source.patches(0, 12, 2, 8, 4)
    assert [p.made for p in kinds] == [True, False]
    assert sum(len(p.high_BTCHW) for p in kinds) == 12
    assert all(p.high_BTCHW.shape[1:] == (2, 3, 32, 32) for p in kinds)
