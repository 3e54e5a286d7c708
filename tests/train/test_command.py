"""`vldm train` as it is typed."""

import pytest

from vldm_cli.commands import app, failures

PARTS = ["autoencoder", "image", "keyframes", "interpolation", "decoder", "upscaler-image", "upscaler"]
COMMON = ["--device", "cpu", "--bank-frames", "17", "--batch", "1"]


def vldm(*arguments) -> int:
    return failures.run(app.app, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "pack"
    assert vldm("new", "--pack", folder, "--sizes", "tiny") == 0
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_every_part_trains_on_toyland(folder, part, capsys):
    extra = ["--vae-roundtrip"] if part.startswith("upscaler") else []
    assert vldm(part, "--pack", folder, "--data", "toyland", "--steps", 3, *COMMON, *extra) == 0
    run = folder.parent / f"pack-{part}"
    assert {"checkpoint.safetensors", "curve.csv", "curve.png", "sample-0000003.png"} <= {
        p.name for p in run.iterdir()
    }
    assert "finished: 3 steps" in capsys.readouterr().out
    # the same command again has nothing left to do, and says so by ending well
    assert vldm(part, "--pack", folder, "--data", "toyland", "--steps", 3, *COMMON, *extra) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["image"], "either --minutes or --steps"),
        (["image", "--steps", "1", "--minutes", "1"], "either --minutes or --steps"),
        (["image", "--steps", "0"], "--steps must be more than 0"),
        (["image", "--steps", "1", "--batch", "-2"], "--batch must be more than 0"),
        (["image", "--steps", "1", "--data", "nowhere"], "neither toyland nor a folder"),
        (["image", "--steps", "1", "--dtype", "float16"], "--dtype float16"),
        (["image", "--steps", "1", "--device", "cuda:99"], "cuda:99"),
        (["new"], "already holds a pack"),
    ],
)
def test_requests_that_cannot_be_served(folder, arguments, words, capsys):
    assert vldm(*arguments, "--pack", folder) == 2
    assert words in capsys.readouterr().err
