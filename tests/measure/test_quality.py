import json
import shutil
import sys

import numpy as np
import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.commands.app import app
from vldm_cli.commands.failures import run
from vldm_cli.measure import quality
from vldm_cli.measure.clips import Maker
from vldm_cli.measure.drift import VIDEOS, Ends, measure_ends, prompt_of
from vldm_cli.measure.probe.probe import Probe
from vldm_cli.measure.quality import QUICK, Amounts
from vldm_cli.packs.save import save_part
from vldm_cli.stages.models import Models

TINY = Amounts(
    1, 5, 2, 3, 1, 8, 1, 18, 8, 1, 4, 1, 2, batch=2, steps=1, english=3, outline_clips=1, outline_videos=1
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A tiny pack with a probe that knows nothing."""
    made = tiny_pack(tmp_path_factory.mktemp("quality"))
    torch.manual_seed(0)
    save_part(made.folder, "probe", Probe())
    return made.folder


@pytest.fixture
def measure(monkeypatch, capfd):
    """measure(*options) → (exit code, stdout, stderr) of `vldm measure quality --quick`, with very little measured."""
    monkeypatch.setattr(quality, "QUICK", TINY)

    def call(*options):
        capfd.readouterr()
        code = run(
            app,
            ["measure", "quality", "--quick", "--device", "cpu", "--dtype", "float32", *map(str, options)],
        )
        return code, *capfd.readouterr()

    return call


def test_the_whole_ruler_and_its_page(measure, pack, tmp_path):
    code, out, err = measure(
        "--pack", pack, "--json", "--report", tmp_path / "q.html", "--report", tmp_path / "q.md"
    )
    assert code == 0, err
    table = json.loads(out)
    assert table["pack"]["name"] == "tiny"
    assert table["faithfulness"]["made"]["one object"]["colour"]["asked"] == 2
    assert table["faithfulness"]["made"]["two objects"]["colour"]["asked"] == 4
    assert set(table["withheld"]["made"]) == {"one object", "two objects"}
    assert table["frechet"]["clips"] == 3 and table["frechet"]["video"]["floor"] > 0
    assert table["long"]["made"]["sharpness"]["last"] > 0
    kinds = {"temporal", "image", "temporal, interpolated", "image, interpolated", "rendered"}
    assert kinds <= set(table["decoder"])
    # only known frames are the encoder's
    assert table["decoder"]["image, interpolated"]["psnr"] != table["decoder"]["image"]["psnr"]
    # the temporal layers of this pack do something
    assert table["decoder"]["temporal"]["psnr"] != table["decoder"]["image"]["psnr"]
    assert table["upscaler"]["temporal"]["psnr"] != table["upscaler"]["image"]["psnr"]
    assert {"name", "value", "bar", "most", "margin", "met"} == set(table["bars"][0])
    assert table["faithfulness"]["made"]["two objects"]["relation"]["asked"] >= 1
    assert table["clips"]["warping error"]["made / rendered"] > 0
    assert set(table["faithfulness"]["consistency"]) >= {"warping error", "sharpness"}
    # every wrong answer is told, and shown on the page
    made = [entry for group in table["faithfulness"]["made"].values() for entry in group.values()]
    wrong = sum(round(entry["asked"] * (1 - entry["share"])) for entry in made)
    misread = table["faithfulness"]["misread"]
    assert len(misread) == wrong > 0 and all(one["asked"] != one["read"] for one in misread)
    assert "Fixed prompts: not read as asked" in (tmp_path / "q.html").read_text()
    assert table["long"]["made"]["frame distance"]["first"] > 0
    assert table["run"]["torch"] == torch.__version__ and "--quick" in table["run"]["command"]
    note = (tmp_path / "q.md").read_text()
    assert note.startswith("# Quality of tiny") and table["pack"]["hash"] in note
    missed = next(bar for bar in table["bars"] if bar["met"] is False)
    assert f"| **{missed['name']}** |" in note and "## Long videos" not in note
    page = (tmp_path / "q.html").read_text()
    for title in ("Fixed prompts", "Withheld triples", "Long videos", "Decoder alone", "Upscaler alone"):
        assert f"<h2>{title}</h2>" in page
    assert "fixed prompts: 5 clips" in err


def test_refusals(measure, pack, tmp_path):
    code, out, err = measure("--pack", pack, "--only", "probe,speed")
    assert (code, out) == (2, "") and "'speed' is none of probe, faithfulness" in err
    code, out, err = measure("--pack", pack, "--report", tmp_path / "q.txt")
    assert (code, out) == (2, "") and "--report" in err and ".html" in err
    assert measure("--pack", pack, "--report", tmp_path / "no" / "q.html")[0] == 2
    bare = shutil.copytree(pack, tmp_path / "bare")
    shutil.rmtree(bare / "probe")
    code, _, err = measure("--pack", bare)
    assert code == 2 and "probe" in err


def test_sections_alone_and_put_together(measure, pack, tmp_path, monkeypatch):
    save = ("--pack", pack, "--save", tmp_path / "s", "--json")
    code, out, err = measure(*save, "--only", "probe,decoder")
    assert code == 0, err
    first = json.loads(out)
    assert {"probe", "decoder"} <= set(first) and not {"frechet", "long", "faithfulness"} & set(first)
    bars = {bar["name"]: bar for bar in first["bars"]}
    assert bars["autoencoder: PSNR in dB"]["value"] == first["decoder"]["image"]["psnr"]
    assert bars["Fréchet video distance / its floor"]["met"] is None
    # what was measured is not measured again, and stands in the table and on the page
    monkeypatch.setattr(quality, "measure_decoder", None)
    # another process measured the decoder, on another machine
    section = tmp_path / "s" / "decoder.json"
    elsewhere = json.loads(section.read_text()) | {"machine": {"hardware": "a GPU", "torch": "2.0"}}
    section.write_text(json.dumps(elsewhere))
    code, out, err = measure(*save, "--only", "upscaler", "--report", tmp_path / "q.html")
    assert code == 0, err
    second = json.loads(out)
    here = first["run"]["hardware"]
    assert sorted(second["run"]["hardware"].split(" and ")) == sorted(["a GPU", here])
    assert second["decoder"] == first["decoder"] and "upscaler" in second
    assert "<h2>Decoder alone</h2>" in (tmp_path / "q.html").read_text()
    # and a folder is of one measurement
    code, _, err = measure("--pack", pack, "--save", tmp_path / "s", "--dtype", "bfloat16", "--only", "probe")
    assert code == 2 and "with dtype float32, not bfloat16" in err


def test_what_needs_no_probe_is_measured_without_one(measure, pack, tmp_path):
    bare = tiny_pack(tmp_path).folder
    code, out, err = measure("--pack", bare, "--json", "--only", "decoder,upscaler,outlines")
    assert code == 0, err
    assert {"decoder", "upscaler", "outlines"} <= set(json.loads(out))
    code, out, err = measure("--pack", bare, "--only", "upscaler,clips")
    assert (code, out) == (2, "") and "vldm train probe" in err and "upscaler alone" not in err


def test_without_ffmpeg(measure, pack, monkeypatch):
    """Frames stay in memory: nothing of the ruler writes or reads a video file."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    code, _, err = measure("--pack", pack, "--only", "clips,long")
    assert code == 0, err


@torch.inference_mode()
def test_clips_are_the_same_in_any_batch(pack):
    from vldm_cli.packs.pack import Pack

    models = Models(Pack.open(pack))
    texts = ["a red ball bounces", "a blue cube spins on snow", "a green ball"]
    one = torch.cat(list(Maker(models, 1, steps=2).keyframes(texts, seed=5)))
    two = torch.cat(list(Maker(models, 2, steps=2).keyframes(texts, seed=5)))
    assert one.shape == (3, 8, 3, 32, 48)
    # a rounding to bytes apart at most
    assert (one - two).abs().max() <= 1.01 / 127.5
    assert (one[0] - one[1]).abs().max() > 0.05
    assert torch.equal(one, ((one + 1) * 127.5).round() / 127.5 - 1)


@torch.inference_mode()
def test_drift_is_seen():
    torch.manual_seed(0)
    probe, prompt = Probe().eval(), prompt_of(*VIDEOS[0])
    first = torch.rand(9, 3, 32, 48) - 0.5
    ends = Ends()
    measure_ends(ends, prompt, first, first.flip(0) * 0.5 + 10 / 127.5, probe)
    table = ends.table()
    # noise about nought, so its medians and its mean change by what was added
    assert table["colour drift"] == pytest.approx(10, abs=2.0)
    assert table["change of the mean colour"] == pytest.approx(
        10 + abs(float(first.mean())) * 0.5 * 127.5, abs=1.0
    )
    assert table["sharpness"]["last / first"] == pytest.approx(0.5, abs=1e-3)
    assert ends.tallies["first"].asked == ends.tallies["last"].asked
    assert ("one object", "motion") not in ends.tallies["first"].asked
    assert ("one object", "colour") in ends.tallies["first"].asked


def test_the_videos_show_what_their_prompts_say():
    from vldm_cli.toyland.scene import from_attributes

    for text, attributes in VIDEOS:
        shown = from_attributes([attributes], np.random.default_rng(0)).describe(0)
        for name, value in attributes.items():
            assert shown[name] == value, text
        for _, named in prompt_of(text, attributes).objects:
            assert all(value.rstrip("s") in text for name, value in named)


def test_quick_is_quick():
    """On a CPU a clip of the embedded pack takes seconds."""
    assert QUICK.prompts + QUICK.withheld + QUICK.frechet <= 50 and QUICK.video_frames <= 48
