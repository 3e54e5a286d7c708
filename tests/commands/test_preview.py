"""`--preview` spoils nothing: neither what the video is made of nor anybody's file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vldm_cli.video.picture import is_sheet

PROMPT = "a red ball"
CPU = ("--device", "cpu")


def picture(name: str, grey: int) -> None:
    Image.fromarray(np.full((48, 64, 3), grey, np.uint8)).save(name)


@pytest.fixture
def pictures(vldm):
    for folder in ("pics", "more"):
        Path(folder).mkdir()
        for i in range(3):
            picture(f"{folder}/{i}.png", 60 + 20 * i)
    picture("in.png", 90)


def refused(vldm, *words: str) -> str:
    """What is said, on one line; nothing is written."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, out, err = vldm(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    return err


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        ("pics/1.png", "--preview pics/1.png would lie among the frames of pics; name another place"),
        ("pics/new.png", "--preview pics/new.png would lie among the frames of pics; name another place"),
        ("in.png", "in.png exists and is no contact sheet of vldm's; name another --preview or add --force"),
    ],
)
def test_neither_frames_nor_files_of_others_become_the_sheet(vldm, pictures, preview, said):
    assert said in refused(vldm, "interpolate", "pics", "-o", "a.mp4", "--preview", preview, *CPU)


def test_a_picture_that_is_the_clip_does_not_either_even_by_force(vldm, pictures):
    Path("link.png").symlink_to("in.png")
    for name in ("in.png", "link.png"):
        said = refused(vldm, "upscale", "in.png", "-o", "a.mp4", "--preview", name, "--force", *CPU)
        assert f"--preview {name} is what the video is made of" in said


def test_nor_does_the_first_frame(vldm, pictures, base):
    words = (
        PROMPT,
        *base,
        "--frames",
        2,
        "-o",
        "a.mp4",
        "--image",
        "in.png",
        "--preview",
        "in.png",
        "--force",
    )
    assert "is what the video is made of" in refused(vldm, "generate", *words)
    assert "is what the video is made of" in refused(vldm, "generate", *words, "--dry-run")


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        ("{name}/1.png", "would lie among the frames of a clip"),
        ("in.png", "are both to become in.png"),
        ("{name}.png", "exists and is no contact sheet"),
    ],
)
def test_nor_do_clips_of_a_list(vldm, pictures, preview, said):
    picture("more.png", 9)
    picture("pics.png", 9)
    assert said in refused(vldm, "interpolate", "pics", "more", "-o", "out", "--preview", preview, *CPU)


def test_a_name_with_places_is_filled_for_one_clip_too(vldm, pictures):
    words = ("interpolate", "pics", "-o", "{name}-{index}.mp4", "--preview", "{name}-sheet.png", "-q", *CPU)
    assert vldm(*words)[0] == 0
    assert Path("pics-1.mp4").exists() and is_sheet(Path("pics-sheet.png"))


def test_sheets_are_refreshed_and_others_replaced_by_force(vldm, pictures):
    words = ("interpolate", "pics", "--factor", 2, "-q", *CPU)
    assert vldm(*words, "-o", "a.mp4", "--preview", "p.png") == (0, "", "") and is_sheet(Path("p.png"))
    first = Path("p.png").read_bytes()
    assert vldm("interpolate", "more", "-q", *CPU, "-o", "b.mp4", "--preview", "p.png")[0] == 0
    assert Path("p.png").read_bytes() == first  # they show the same
    assert vldm(*words, "-o", "c.mp4", "--preview", "in.png", "--force")[0] == 0 and is_sheet(Path("in.png"))
