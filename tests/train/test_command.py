"""`vldm train` as it is typed."""

import pytest
from typer.main import get_command

from vldm_cli.commands import app, failures
from vldm_cli.commands.train_all import further_options
from vldm_cli.packs.sizes import TINY
from vldm_cli.train.all import Everything, write_state

PARTS = ["autoencoder", "image", "keyframes", "decoder", "upscaler-image"]
PARTS += [
    pytest.param(part, marks=pytest.mark.long)
    for part in ("interpolation", "upscaler", "upscaler-latent-autoencoder")
]
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
        (["image", "--minutes", "nan"], "--minutes nan"),
        (["image", "--minutes", "1e999"], "--minutes inf"),
        (["image", "--steps", "1", "--lr", "nan"], "--lr nan"),
        (["image", "--steps", "9" * 30], "--steps a number of more than 20 digits"),
        (["image", "--steps", "1", "--seed", "-1"], "--seed -1"),
        (["image", "--steps", "1", "--outlines", "inf"], "--outlines inf"),
        (["all", "--minutes", "nan"], "--minutes nan"),
        (["all", "--minutes", "1", "--gpus", "9999999999999", "--dry-run"], "--gpus 9999999999999"),
        (["all", "--minutes", "1", "--sample-every", "nan"], "--sample-every nan"),
        (["all", "--minutes", "1", "--parts", "image=1e308,keyframes=1e308"], "share is a number"),
        (["image", "--steps", "0"], "--steps 0 is no whole number"),
        (["image", "--steps", "1", "--batch", "-2"], "--batch -2 is no whole number"),
        (["image", "--steps", "1", "--data", "nowhere"], "neither toyland nor a folder"),
        (["image", "--steps", "1", "--dtype", "float16"], "--dtype float16"),
        (["image", "--steps", "1", "--device", "cuda:99"], "cuda:99"),
        (["new"], "already holds a pack"),
    ],
)
def test_requests_that_cannot_be_served(folder, arguments, words, capsys):
    assert vldm(*arguments, "--pack", folder) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["np", "none/np", "/none/np", "my np"])
def test_a_pack_to_train_that_is_not_there_can_be_made(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert vldm("keyframes", "--pack", name, "--minutes", 1) == 2
    err = capsys.readouterr().err
    quoted = f"'{name}'" if " " in name else name
    assert f"there is no {'folder' if name == 'none/np' else 'pack'} {name}" in err and err.count("\n") == 1
    assert f"`vldm train new --pack {quoted}`" in err and list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_wanted_is_named_and_nothing_is_made(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("mine")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for words, option in (
        (["train", "image", "--pack", folder, "--steps", 1, "--run", "text.txt"], "--run"),
        (["train", "new", "--pack", "text.txt"], "--pack"),
        (["train", "all", "--pack", "text.txt", "--minutes", 1, "--gpus", 0], "--pack"),
        (["train", "grow", "--pack", folder, "--out", "text.txt"], "--out"),
        (["measure", "quality", "--pack", folder, "--save", "text.txt"], "--save"),
        (["measure", "ablations", "--pack", folder, "--minutes", 1, "--run", "text.txt"], "--run"),
    ):
        assert failures.run(app.app, [str(word) for word in words]) == 2
        assert f"text.txt is no folder; name another place with {option}" in capsys.readouterr().err
    assert vldm("new", "--pack", full) == 2
    assert "full holds other things already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt", "text.txt"]


def test_all_and_speed(folder, capsys):
    """The schedule is shown without touching anything; a part is trained in a process of its own."""
    assert vldm("all", "--pack", folder / "none", "--minutes", 26, "--gpus", 2, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "GPU 0, 1" in shown and "interpolation" in shown and not (folder / "none").exists()
    run = folder.parent / "everything"
    command = [
        "all",
        "--pack",
        folder,
        "--minutes",
        0.02,
        "--gpus",
        0,
        "--parts",
        "autoencoder",
        "--run",
        run,
    ]
    command += ["--with", "autoencoder --batch 1", "--with", "all --bank-frames 4"]
    assert vldm(*command) == 0
    assert (run / "autoencoder" / "finished.json").is_file()
    assert "finished" in (run / "autoencoder" / "log.txt").read_text()
    assert "all trained" in capsys.readouterr().out
    assert vldm(*command) == 0  # nothing is left to do
    assert vldm(*command[:4], 0.03, *command[5:]) == 2
    assert "choose another --run" in capsys.readouterr().err
    assert (
        vldm(
            "speed",
            "--pack",
            folder,
            "--device",
            "cpu",
            "--no-compile",
            "--seconds",
            0.01,
            "--parts",
            "image",
        )
        == 0
    )
    assert "--with 'image --" in capsys.readouterr().out


def test_a_run_goes_on_with_the_low_resolution_that_it_began_with(folder, tmp_path, capsys):
    command = ["upscaler-image", "--pack", folder, "--steps", 1, "--run", tmp_path / "run", *COMMON]
    assert vldm(*command) == 0
    assert vldm(*command, "--vae-roundtrip") == 2
    assert "holds a run with vae_roundtrip False, not True" in capsys.readouterr().err
    assert vldm(*command, "--no-real-codec") == 2
    assert "holds a run with real_codec True, not False" in capsys.readouterr().err
    assert vldm(*command) == 0


@pytest.mark.parametrize("option", ["--vae-roundtrip", "--no-real-codec"])
@pytest.mark.parametrize("part", ["image", "keyframes", "autoencoder", "decoder", "probe"])
def test_what_is_for_upscalers_is_refused_elsewhere(folder, part, option, capsys):
    assert vldm(part, "--pack", folder, "--steps", 1, *COMMON, option) == 2
    assert f"{option} is for upscalers, not for {part}; leave it out" in capsys.readouterr().err


def test_options_of_all_parts_that_are_for_upscalers_go_to_them():
    group = get_command(app.app).commands["train"]
    commands = {part: group.commands[part] for part in ("image", "upscaler")}
    further = further_options(["all --no-real-codec --batch 2", "image --fine 0"], commands)
    assert further == {
        "image": ["--batch", "2", "--fine", "0"],
        "upscaler": ["--no-real-codec", "--batch", "2"],
    }


def test_all_goes_on_as_it_began_where_it_made_the_pack_itself(tmp_path, monkeypatch, capsys):
    """The pack is there then; its upscaler did not learn from what its untrained autoencoder gives back."""
    seen = []

    def run(everything):
        seen.append([job.options for job in everything.jobs])
        write_state(everything.folder, everything.state)

    monkeypatch.setattr(Everything, "run", run)
    monkeypatch.setattr("vldm_cli.packs.sizes.TOYLAND", TINY)
    command = ("all", "--pack", tmp_path / "pack", "--minutes", 1, "--gpus", 0, "--parts", "upscaler-image")
    assert vldm(*command) == vldm(*command) == 0
    assert vldm(*command, "--run", tmp_path / "another") == 0
    assert seen == [[()], [()], [("--vae-roundtrip",)]]


def test_lanes_are_shown(tmp_path, capsys):
    words = ["--lane", "image=1,keyframes=3", "--lane", "decoder"]
    assert vldm("all", "--pack", tmp_path / "none", "--minutes", 20, "--gpus", 2, *words, "--dry-run") == 0
    image, keyframes, decoder = capsys.readouterr().out.splitlines()[1:]
    assert image.split()[:6] == ["image", "GPU", "0", "0.00", "5.00", "5.00"]
    assert keyframes.split()[:6] == ["keyframes", "GPU", "0", "5.00", "20.00", "15.00"]
    assert decoder.split()[:6] == ["decoder", "GPU", "1", "0.00", "20.00", "20.00"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minutes", "0"], "--minutes"),
        (["--gpus", "99"], "--gpus 99"),
        (["--gpus", "-1"], "--gpus"),
        (["--parts", "unet"], "'unet'"),
        (["--with", "image"], "--with 'image'"),
        (["--with", "unet --batch 2"], "--with 'unet"),
        (["--data", "nowhere", "--gpus", "0"], "neither toyland nor a folder"),
        (["--keep-exporting", "0"], "--keep-exporting"),
        (["--lane", "image", "--parts", "image"], "leave one of them out"),
        (["--lane", "keyframes,image"], "name that first"),
        (["--lane", "foo"], "--lane 'foo' is no part"),
    ],
)
def test_requests_of_all_that_cannot_be_served(tmp_path, arguments, words, capsys):
    given = {"--minutes": "1", "--gpus": "0", **dict(zip(arguments[::2], arguments[1::2], strict=True))}
    assert vldm("all", "--pack", tmp_path / "pack", *[w for pair in given.items() for w in pair]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--with", "image --nope"], "--with 'image --nope': No such option: --nope"),
        (["--with", "image --batch"], "vldm train image --help"),
        (["--with", "image --help"], "--with 'image --help'"),
        (["--with", "image --compile 1"], "--with 'image --compile 1'"),
        (["--with", "all --vae-roundtrip 1"], "--with 'all --vae-roundtrip 1'"),
        (
            ["--with", "upscaler --steps soon"],
            "--with 'upscaler --steps soon': --steps soon is no whole number",
        ),
        (["--with", "image 'x"], "is not closed"),
        (["--data", "nowhere"], "neither toyland nor a folder"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_what_a_part_would_refuse_is_refused_before_any_begins(
    tmp_path, arguments, words, dry, capsys, monkeypatch
):
    monkeypatch.setattr(Everything, "run", lambda everything: None)
    command = ("all", "--pack", tmp_path / "pack", "--minutes", 1, "--gpus", 0, *arguments, *dry)
    assert vldm(*command) == 2
    out, err = capsys.readouterr()
    assert words in err and err.count("\n") == 1 and out == ""
    assert list(tmp_path.iterdir()) == []
