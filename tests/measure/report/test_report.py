import re
from datetime import UTC, datetime

import pytest
import torch

from vldm_cli.errors import RunError
from vldm_cli.measure.report.bars import Bar, bars
from vldm_cli.measure.report.markdown import circumstances, machine, write_markdown
from vldm_cli.measure.report.page import write_page
from vldm_cli.measure.report.sheets import contact_sheet
from vldm_cli.measure.report.words import number, percent, screen, tables


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
        "spins": {"made": 0.9, "rendered": 1.0, "asked": 10},
        "misread": [
            {"prompt": "a cone falls", "attribute": "motion", "asked": "falls", "read": read}
            for read in ("rises", None, "rises")
        ],
        "consistency": {"identity": {"made": 0.9, "rendered": None, "made / rendered": None, "clips": 2}},
    }


def outlines(distance):
    return {
        "distance": distance, "90th percentile": 1.0, "close": 0.8, "rolling": None, "balls": distance,
        "pattern": distance, "patterned clips": 2,
        "objects": 5, "lost": 1, "cut": 0,
    }  # fmt: skip


@pytest.fixture
def table():
    """What `measure_quality` gives, with round numbers: faithfulness 0.9, of withheld triples 0.8."""
    ends = {"first": 2.0, "last": 1.0, "last / first": 0.5}
    read = {"one object": entries(0.5, "colour")}
    long = {
        "faithfulness": ends,
        "colour drift": 3.0,
        "sharpness": ends,
        "read as asked": {"first": read, "last": read},
    }
    alone = {"psnr": 30.0, "ssim": 0.9, "flicker": 2.0, "warping error": 3.0}
    better = {**alone, "psnr": 31.0, "flicker": 1.0, "warping error": 1.0}
    made = {"made": 8.0, "floor": 2.0, "made / floor": 4.0}
    return {
        "pack": {"name": "t<oy", "hash": "0123456789abcdef0", "mib": 50.0},
        "device": "cpu",
        "dtype": "float32",
        "probe": {"one object": entries(0.98, *OBJECT), "two objects": entries(0.91, *OBJECT)},
        "faithfulness": faithfulness(0.9),
        "withheld": faithfulness(0.8),
        "frechet": {"clips": 16, "video": made, "frame": made},
        "clips": {
            "clips": 2,
            "frames": 33,
            "warping error": {"made": 3.0, "rendered": 2.0, "made / rendered": 1.5},
            "background flicker": {"made": 1.1, "rendered": 0.1, "made / rendered": 11.0},
        },
        "english": faithfulness(0.9),
        "outlines": {
            "clips": 2,
            "video clips": 1,
            "frames": 33,
            "overlap of rendered silhouettes with the true ones": 0.99,
            "keyframes": outlines(0.3),
            "videos": outlines(0.5),
            "autoencoder": outlines(0.2),
        },
        "amounts": {"probe": 3, "steps": None},
        "long": {"made": long, "rendered": long, "videos": 1, "frames": 33, "ends": 8},
        "decoder": {
            "clips": 1,
            "frames": 8,
            "temporal": alone,
            "image": alone,
            "temporal, interpolated": better,
            "image, interpolated": alone,
            "rendered": {"warping error": 0.1},
        },
        "upscaler": {"clips": 1, "frames": 8, "temporal": better, "image": alone},
    }


def test_bars_hold_what_was_measured_against_the_issue(table):
    met = {bar.name: bar.met for bar in bars(table)}
    assert met["probe, one object: colour"] and not met["probe, two objects: colour"]
    assert not met["one object: colour"] and met["one object: material"] and not met["one object: camera"]
    assert met["two objects: size, of what the probe reads"]
    assert not met["two objects: motion, of what the probe reads"]
    assert met["fixed prompts: what spins is read so"]
    assert not met["videos: flicker of a background that rests, times the render's"]
    assert met["plain English, two objects: colour, of what the probe reads"]
    assert not met["plain English, one object: colour, of what the probe reads"]
    assert met["outlines, keyframes: mean distance to the nearest render's, px"]
    assert not met["outlines, videos: mean distance to the nearest render's, px"]
    assert met["outlines, keyframes: within .6 px of the nearest render's"] is False
    assert met["outlines, keyframes: roughness of balls, px"]
    assert met["patterns over the keyframes: change, times the autoencoder's"]
    assert met["driving: course"]
    values = {bar.name: bar.value for bar in bars(table)}
    assert values["withheld triples: points below seen ones"] == pytest.approx(0.1)
    assert not met["withheld triples: points below seen ones"]
    assert values["Fréchet video distance / its floor"] == 4.0
    assert not met["long videos: faithfulness, last / first"] and not met["long videos: colour drift, of 255"]
    assert values["decoder: flicker, times lower than frame by frame"] == 2.0
    assert values["upscaler: warping error, times lower than frame by frame"] == 3.0
    assert values["upscaler: PSNR gained over frame by frame, dB"] == 1.0
    assert values["autoencoder: PSNR in dB"] == 30.0
    margins = {bar.name: bar.margin for bar in bars(table)}
    assert (
        margins["autoencoder: PSNR in dB"] == -6.0 and margins["the pack's files but the probe, MiB"] == 14.0
    )
    assert margins["driving: course"] == 0.0


def test_the_frechet_distance_is_held_against_the_ablations_too(table):
    def row(distance):
        return {"video distance": distance, "frame distance": 1.0}

    layers = {"clips": 8, "floor": row(2.0), "rows": {"attention": row(20.0), "ours": row(9.0)}}
    table["ablations"] = [{"of": "toy"}, {"of": "toy", "layers": layers}]
    found = {bar.name: (bar.bar, bar.met) for bar in bars(table)}
    assert found["Fréchet video distance / its floor"] == (2.0, False)
    assert found["Fréchet video distance / its floor, or the ablations' lowest"] == (4.5, True)
    layers["rows"]["ours"] = row(5.0)
    assert {bar.name: bar.bar for bar in bars(table)}[
        "Fréchet video distance / its floor, or the ablations' lowest"
    ] == 3.0


def test_what_was_not_measured_is_neither_met_nor_missed():
    every = bars({"pack": {"name": "toy"}})
    assert len(every) > 15 and all(bar.met is None and bar.margin is None for bar in every)
    assert "Fréchet" in screen({"pack": {"name": "toy"}})


def test_a_warping_error_that_could_not_be_measured(table):
    for variant in ("image", "temporal"):
        table["upscaler"] = {
            **table["upscaler"],
            variant: {**table["upscaler"][variant], "warping error": None},
        }
        values = {bar.name: bar.value for bar in bars(table)}
        assert values["upscaler: warping error, times lower than frame by frame"] is None
        assert values["upscaler: PSNR gained over frame by frame, dB"] == 1.0
    assert "–" in screen(table)


def test_a_pack_without_upscaler(table):
    del table["upscaler"]
    assert all(bar.met is None for bar in bars(table) if bar.name.startswith("upscaler"))
    assert "Upscaler" not in screen(table)


def test_bars_at_their_edge():
    assert Bar("a", 0.9, 0.9).met and not Bar("a", 0.899, 0.9).met
    assert Bar("a", 2.0, 2.0, most=True).met and not Bar("a", 2.1, 2.0, most=True).met
    assert Bar("a", None, 2.0).met is None


def test_mistakes_are_told_the_commonest_first(table):
    part = next(part for part in tables(table) if "read otherwise" in part.title)
    assert part.rows == [("motion: falls", "rises", "2"), ("motion: falls", "nothing there", "1")]


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
    assert re.search(r"one object: colour +0\.9 +≥ 0\.97 +-0\.07 +missed", text)
    assert re.search(r"sharpness +2 +1 +2 +1", text)
    assert re.search(r"identity +0\.9 +– +–", text) and re.search(r"one object: colour +50\.0 % ", text)
    assert re.search(r"warping error +3 +2 +1\.5", text)


def test_numbers_in_words():
    assert (number(None), number(0.12345), number(31)) == ("–", "0.1235", "31")
    assert (percent(None), percent(0.925)) == ("–", "92.5 %")


def test_the_page_needs_nothing_else(table, tmp_path):
    frames = torch.zeros(3, 3, 16, 24)
    write_page(tmp_path / "q.html", table, {"Fixed prompts": contact_sheet([("a <ball>", frames)])})
    page = (tmp_path / "q.html").read_text()
    assert "t&lt;oy" in page and "<h2>Fixed prompts</h2>" in page and "<h2>Long videos</h2>" not in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("<svg") == 9
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert 'class="missed"' in page
    with pytest.raises(RunError, match="cannot be written"):
        write_page(tmp_path / "nowhere" / "q.html", table, {})


def test_the_markdown_report(table, tmp_path):
    when = datetime(2026, 11, 22, 12, tzinfo=UTC)
    table["run"] = circumstances("vldm measure quality --pack toy", [machine("cpu")], when, 61.2)
    write_markdown(tmp_path / "REPORT.md", table)
    text = (tmp_path / "REPORT.md").read_text()
    assert "`vldm measure quality --pack toy`" in text and "2026-11-22 12:00 UTC, 61 s" in text
    assert torch.__version__ in text and "50.0 MiB" in text and "CPU" in text
    assert "| **autoencoder: PSNR in dB** | **30** | **≥ 36** | **-6** | **missed** |" in text
    assert "| driving: course | 0.9 | ≥ 0.9 | 0 | met |" in text
    widths = {line.count("|") for line in text.split("## ")[1].splitlines() if line.startswith("|")}
    assert widths == {6}
    del table["frechet"], table["decoder"]
    write_markdown(tmp_path / "REPORT.md", table)
    assert "not measured |" in (tmp_path / "REPORT.md").read_text()


def test_the_contact_sheet_shows_the_frames():
    red = torch.full((2, 3, 20, 320), -1.0)
    red[:, 0] = 1.0
    sheet = contact_sheet([("first", red), ("≥ second", -red[:1])])
    assert sheet.size == (2 * 164 + 4, 2 * (10 + 14 + 4) + 4)
    assert sheet.getpixel((10, 4 + 14 + 5)) == (255, 0, 0)
    assert sheet.getpixel((10, 4 + 28 + 14 + 5)) == (0, 255, 255)
