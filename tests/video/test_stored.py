"""What others wrote where vldm writes is shown as a clip of others, and goes on as one."""

import json
from itertools import product

import pytest
from PIL import Image

from tests.cases import some
from tests.video import clips
from vldm_cli.api.recipe import recipe
from vldm_cli.video.clip import open_clip
from vldm_cli.video.made import made_by
from vldm_cli.video.stored import parsed, rate_in, whole
from vldm_cli.video.tags import tag_gif, tag_webp

GENERATED = {
    "vldm": "0.1.0",
    "command": "generate",
    "prompt": "a ball",
    "seed": 1,
    "pack": {"name": "tiny", "hash": "a"},
    "settings": {
        **{
            "prompt": "a ball",
            "negative": "",
            "frames": 3,
            "fps": "24",
            "interpolation": 16,
            "upscale": False,
        },
        **{
            "height": 32,
            "width": 48,
            "guidance": 3.0,
            "context_guidance": 1.0,
            "keyframe_steps": 2,
            "crf": 16,
        },
        **{"dtype": "float32", "image_sha256": None, "interpolation_steps": [2, 2]},
    },
}
ON_CLIP = {
    "vldm": "0.1.0",
    "command": "upscale",
    "clip": "a.mp4",
    "seed": None,
    "pack": None,
    "settings": {"scale": 2},
}


def test_the_rate_of_pictures_is_one():
    for rate, sound in (
        ("12", True),
        ("25/2", True),
        ("fast", False),
        (None, False),
        ("1e1000000000", False),
    ):
        table = {**ON_CLIP, "settings": {"scale": 2, "pictures_fps": rate}}
        assert (whole(table) is not None) == sound


def test_what_vldm_writes_is_whole():
    assert whole(GENERATED) == GENERATED and whole(ON_CLIP) == ON_CLIP and whole(None) is None


WRONG = [None, [], {}, "x", 1e400, float("nan"), -1, 10**30, True, {"name": 1, "hash": "a"}, {"name": "a"}]


@pytest.mark.parametrize("key", ["vldm", "pack", "seed", "settings"])
@pytest.mark.parametrize("value", WRONG)
def test_an_entry_of_another_shape_is_no_recipe(key, value):
    assert whole({**GENERATED, key: value}) is None or (key, value) == ("vldm", "x")
    without = {name: entry for name, entry in GENERATED.items() if name != key}
    assert whole(without) is None


@pytest.mark.parametrize(
    "key", [key for key in GENERATED["settings"] if key not in ("image_sha256", "interpolation_steps")]
)
def test_a_setting_of_another_shape_is_no_recipe(key):
    for value in ([1], {}, None, [[1]]):
        assert whole({**GENERATED, "settings": {**GENERATED["settings"], key: value}}) is None


@pytest.mark.parametrize("table", [GENERATED, ON_CLIP], ids=["generated", "on a clip"])
@pytest.mark.parametrize(
    ("key", "fitting"),
    [
        *[("fast", ["cfg-skip"]), ("memory", "lowest"), ("encoder", "nvenc"), ("between", "motion")],
        *[("read", "a ball"), ("as_written", True), ("replacement", True), ("slow", False)],
    ],
)
def test_a_setting_that_need_not_be_told_is_as_vldm_writes_it_or_there_is_no_recipe(table, key, fitting):
    def told(value):
        return whole({**table, "settings": {**table["settings"], key: value}})

    found = told(fitting)
    assert found and recipe(found, "b.mp4")
    for value in (None, 3, -1, 1.5, 10**30, "", [None], [["x"]], {}):
        assert told(value) is None, value


def test_a_setting_that_is_always_told_is_there_or_there_is_no_recipe():
    for key in GENERATED["settings"].keys() - {"interpolation_steps"}:
        settings = {name: value for name, value in GENERATED["settings"].items() if name != key}
        assert whole({**GENERATED, "settings": settings}) is None


FOREIGN = [
    *(
        '{"vldm": 1}',
        '{"vldm": 1, "pack": "toyland"}',
        '{"vldm": 1, "pack": null, "settings": [1]}',
        "[" * 5000,
    ),
    '{"vldm": "1", "pack": null, "settings": {"fps": "1e1000000000"}, "clip": "c", "command": "upscale"}',
    '{"vldm": "1", "pack": {"name": "toyland", "hash": "a"}, "settings": {"prompt": "a"}, "seed": "s"}',
    '{"vldm": "1", "pack": null, "settings": {}, "clip": "c", "command": "extend", "seed": 1}',
    '{"vldm": "1", "pack": null, "seed": null, "settings": {"fast": 1}, "clip": "c", "command": "upscale"}',
    '{"vldm": ' + "[" * 5000 + "]" * 5000 + "}",
]


# Every text through one kind of file and through none; through the others some that are hard to hold there.
HELD = {
    *product(("a.gif", "frames"), FOREIGN),
    *product(("a.webp", "a.mp4"), (FOREIGN[0], FOREIGN[3], FOREIGN[4], FOREIGN[-1])),
}


@pytest.mark.parametrize(
    ("name", "text"), some([*product(("a.gif", "a.webp", "a.mp4", "frames"), FOREIGN)], HELD)
)
def test_info_says_that_it_is_not_ours_and_clips_can_be_used(tmp_path, vldm, text, name):
    path = tmp_path / name
    pictures = [Image.new("RGB", (32, 16), shade) for shade in ("red", "blue")]
    if name == "frames":
        path.mkdir()
        pictures[0].save(path / "1.png")
        (path / "settings.json").write_text(text)
    elif name == "a.mp4":
        (tmp_path / "note.txt").write_text(";FFMETADATA1\ncomment=" + text.replace("=", "\\="))
        note = ["-f", "ffmetadata", "-i", str(tmp_path / "note.txt"), "-map_metadata", "1", "-c", "copy"]
        clips.remuxed(clips.make(tmp_path, "b.mp4", frames=2), name, *note)
    else:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
        (tag_gif if name == "a.gif" else tag_webp)(path, text)
    code, out, err = vldm("info", name, "--json")
    assert (code, err) == (0, "") and json.loads(out)["metadata"] is None
    clip = open_clip(path)
    made = made_by(clip)
    assert made is None or (made.get("vldm") and rate_in(made) is None)


def test_brackets_without_end_are_no_table():
    assert parsed("[" * 100_000) is None and parsed('{"vldm": 1}') == {"vldm": 1}


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_info_of_a_damaged_picture_is_one_sentence(tmp_path, vldm, kind):
    pictures = [Image.effect_noise((64, 64), 90).convert("RGB") for _ in range(3)]
    if kind == "png":
        (tmp_path / "a").mkdir()
        path = tmp_path / "a" / "1.png"
        pictures[0].save(path)
        path.write_bytes(path.read_bytes()[:20])
        path = path.parent
    else:
        path = tmp_path / f"a.{kind}"
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code, _, err = vldm("info", path.name)
    assert code in (0, 2) and err.count("\n") == (code == 2) and "unexpected" not in err
