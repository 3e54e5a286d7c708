import re

import pytest
import torch

from vldm_cli.errors import RunError
from vldm_cli.measure.bars import Bar, bars
from vldm_cli.measure.page import contact_sheet, write_page
from vldm_cli.measure.words import number, percent, screen


def entries(share, *names):
    return {name: {"share": share, "asked": 10} for name in names}


OBJECT = ("colour", "shape", "material", "size", "motion", "ground", "sky", "camera")
ROAD = ("time", "traffic", "roadside", "course")


def faithfulness(share):
    made = {
        "one object": entries(share, *OBJECT),
        "two objects": entries(share, *OBJECT),
        "driving": entries(share, *ROAD),
    }
    return {
        "made": made,
        "rendered": {group: entries(1.0, *names) for group, names in made.items()},
        "of what the probe reads": {group: dict.fromkeys(names, share) for group, names in made.items()},
        "overall": {"made": share, "rendered": 1.0},
        "identity": {"made": 0.9, "rendered": None},
    }


@pytest.fixture
def table():
    """What `measure_quality` gives, with round numbers: faithfulness 0.9, of withheld triples 0.8."""
    ends = {"first": 2.0, "last": 1.0, "last / first": 0.5}
    long = {"faithfulness": ends, "colour drift": 3.0, "sharpness": ends}
    alone = {"psnr": 30.0, "ssim": 0.9, "flicker": 2.0, "warping error": 3.0}
    better = {**alone, "psnr": 31.0, "flicker": 1.0, "warping error": 1.0}
    made = {"made": 8.0, "floor": 2.0, "made / floor": 4.0}
    return {
        "pack": {"name": "t<oy", "hash": "0123456789abcdef0"},
        "device": "cpu",
        "dtype": "float32",
        "probe": {"one object": entries(0.98, *OBJECT), "two objects": entries(0.91, *OBJECT)},
        "faithfulness": faithfulness(0.9),
        "withheld": faithfulness(0.8),
        "frechet": {"clips": 16, "video": made, "frame": made},
        "long": {"made": long, "rendered": long, "videos": 1, "frames": 33, "ends": 8},
        "decoder": {
            "clips": 1,
            "frames": 8,
            "temporal": better,
            "image": alone,
            "rendered": {"warping error": 0.1},
        },
        "upscaler": {"clips": 1, "frames": 8, "temporal": better, "image": alone},
    }


def test_bars_hold_what_was_measured_against_the_issue(table):
    met = {bar.name: bar.met for bar in bars(table)}
    assert met["probe, one object: colour"] and not met["probe, two objects: colour"]
    assert not met["one object: colour"] and met["one object: camera"]
    assert met["two objects: motion, of what the probe reads"]
    assert met["driving: course"]
    values = {bar.name: bar.value for bar in bars(table)}
    assert values["withheld triples: points below seen ones"] == pytest.approx(0.1)
    assert not met["withheld triples: points below seen ones"]
    assert values["Fréchet video distance / its floor"] == 4.0
    assert (
        not met["long videos: faithfulness, last / first"]
        and not met["long videos: mean colour drift, of 255"]
    )
    assert values["decoder: flicker, times lower than frame by frame"] == 2.0
    assert values["upscaler: warping error, times lower than frame by frame"] == 3.0
    assert values["upscaler: PSNR gained over frame by frame, dB"] == 1.0
    assert values["autoencoder: PSNR in dB"] == 30.0


def test_a_pack_without_upscaler(table):
    del table["upscaler"]
    assert not any(bar.name.startswith("upscaler") for bar in bars(table))
    assert "Upscaler" not in screen(table)


def test_bars_at_their_edge():
    assert Bar("a", 0.9, 0.9).met and not Bar("a", 0.899, 0.9).met
    assert Bar("a", 2.0, 2.0, most=True).met and not Bar("a", 2.1, 2.0, most=True).met
    assert Bar("a", None, 2.0).met is None


def test_the_screen_has_every_part(table):
    text = screen(table)
    for title in (
        "Bars",
        "The probe itself",
        "fixed prompts: one object",
        "withheld triples: driving",
        "Fréchet",
    ):
        assert title in text
    assert re.search(r"one object: colour +0\.9 +≥ 0\.97 +missed", text)
    assert re.search(r"sharpness +2 +1 +2 +1", text)
    assert re.search(r"object the same in every frame +90\.0 % +–", text)


def test_numbers_in_words():
    assert (number(None), number(0.12345), number(31)) == ("–", "0.1235", "31")
    assert (percent(None), percent(0.925)) == ("–", "92.5 %")


def test_the_page_needs_nothing_else(table, tmp_path):
    frames = torch.zeros(3, 3, 16, 24)
    write_page(tmp_path / "q.html", table, {"Fixed prompts": [("a <ball>", frames)], "Long videos": []})
    page = (tmp_path / "q.html").read_text()
    assert "t&lt;oy" in page and "<h2>Fixed prompts</h2>" in page and "<h2>Long videos</h2>" not in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("<svg") == 6
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert 'class="missed"' in page
    with pytest.raises(RunError, match="cannot be written"):
        write_page(tmp_path / "nowhere" / "q.html", table, {})


def test_the_contact_sheet_shows_the_frames():
    red = torch.full((2, 3, 20, 320), -1.0)
    red[:, 0] = 1.0
    sheet = contact_sheet([("first", red), ("≥ second", -red[:1])])
    assert sheet.size == (2 * 164 + 4, 2 * (10 + 14 + 4) + 4)
    assert sheet.getpixel((10, 4 + 14 + 5)) == (255, 0, 0)
    assert sheet.getpixel((10, 4 + 28 + 14 + 5)) == (0, 255, 255)
