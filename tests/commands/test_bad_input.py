"""What cannot be served: exit code 2, one sentence on stderr that names what and the remedy, nothing written."""

from itertools import product

import pytest
from safetensors import safe_open
from safetensors.torch import save

from tests.cases import some
from tests.packs.hostile import Spoilt
from vldm_cli.packs.pack import PARTS

PROMPT = "a red ball"
CASES = {
    "empty prompt": ([""], "prompt is empty"),
    "blank prompt": (["  \n "], "prompt is empty"),
    "prompt of 10000 words": (["ball " * 10_000], "10000 words"),
    "negative of 10000 words": ([PROMPT, "--negative", "ball " * 10_000], "10000 words"),
    "no frames": ([PROMPT, "--frames", "0"], "--frames 0"),
    "negative frames": ([PROMPT, "--frames", "-3"], "--frames -3"),
    "too many frames": ([PROMPT, "--frames", "10001"], "--frames 10001"),
    "frames that are no number": ([PROMPT, "--frames", "nan"], "--frames nan is no whole number (see `vldm"),
    "half a frame": ([PROMPT, "--frames", "1.5"], "--frames 1.5 is no whole number"),
    "frames of nothing": ([PROMPT, "--frames", ""], "--frames names nothing"),
    "frames of many digits": ([PROMPT, "--frames", "9" * 5000], f"--frames {'9' * 60}… is no whole number"),
    "guidance that is no number": ([PROMPT, "--guidance", "much"], "--guidance much is no number (see `vldm"),
    "crf": ([PROMPT, "--crf", "52"], "--crf 52"),
    "crf below": ([PROMPT, "--crf", "-1"], "--crf -1"),
    "fps 0": ([PROMPT, "--fps", "0"], "--fps 0"),
    "fps text": ([PROMPT, "--fps", "fast"], "--fps fast"),
    "fps by zero": ([PROMPT, "--fps", "24/0"], "--fps 24/0"),
    "fps no file can hold": ([PROMPT, "--fps", "3.14159265358979"], "--fps 3.14159"),
    "fps beyond gif": ([PROMPT, "--fps", "60", "-o", "a.gif"], "GIF"),
    "steps": ([PROMPT, "--steps", "0"], "--steps 0"),
    "seed": ([PROMPT, "--seed", "-1"], "--seed -1"),
    "guidance": ([PROMPT, "--guidance", "nan"], "--guidance nan"),
    "context guidance": ([PROMPT, "--context-guidance", "inf"], "--context-guidance inf"),
    "no text": (["a red \udcff ball"], "no valid UTF-8"),
    "interpolation": ([PROMPT, "--interpolation", "3"], "--interpolation 3"),
    "variations": ([PROMPT, "--variations", "0"], "--variations 0"),
    "size not divisible": ([PROMPT, "--size", "50x32"], "nearest is 48x32"),
    "size text": ([PROMPT, "--size", "large"], "--size large"),
    "size zero": ([PROMPT, "--size", "0x0"], "nearest is 8x8"),
    "no motion": ([PROMPT, "--motion", ""], "--motion names nothing"),
    "no autoencoder": ([PROMPT, "--vae", ""], "--vae names nothing"),
    "no lora": ([PROMPT, "--lora", ""], "--lora names nothing"),
    "suffix": ([PROMPT, "-o", "a.avi"], "use .mp4"),
    "standard output": ([PROMPT, "-o", "-"], "--out - would be"),
    "only a suffix": ([PROMPT, "-o", ".mp4"], "--out .mp4 is a suffix without a name"),
    "an empty out": ([PROMPT, "-o", ""], "-o names nothing"),
    "an empty pack": ([PROMPT, "--pack="], "--pack names nothing"),
    "size beyond memory": ([PROMPT, "--size", "99999999x64"], "is no size"),
    "folder gone": ([PROMPT, "-o", "gone/a.mp4"], "no folder gone"),
    "unwritable": ([PROMPT, "-o", "/proc/a.mp4"], "cannot write into /proc"),
    "name too long": ([PROMPT, "-o", "a" * 300 + ".mp4"], "too long"),
    "preview suffix": ([PROMPT, "--preview", "a.jpg"], "--preview a.jpg"),
    "preview folder": ([PROMPT, "--preview", "gone/a.png"], "no folder gone"),
    "no image": ([PROMPT, "--image", "gone.png"], "no image gone.png"),
    "device name": ([PROMPT, "--device", "tpu"], "--device tpu"),
    "dtype name": ([PROMPT, "--dtype", "int8"], "--dtype int8"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_refused(vldm, here, tiny_pack, case, dry):
    arguments, words = CASES[case]
    code, out, err = vldm("generate", "--pack", tiny_pack.folder, "--device", "cpu", *arguments, *dry)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and words in err and len(err) < 400
    assert here() == []


def test_a_file_that_may_not_be_read_names_its_permissions(vldm, tmp_path, monkeypatch):
    (tmp_path / "closed.mp4").write_bytes(b"")
    monkeypatch.setattr("os.access", lambda path, mode: "closed" not in str(path))
    for words in (["upscale", "closed.mp4"], ["generate", PROMPT, "--image", "closed.mp4"]):
        code, out, err = vldm(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("vldm: 'closed.mp4' may not be read; change its permissions")


@pytest.mark.parametrize("name", ["-dash.mp4", "-qv.mp4", "--clip.mp4"])
@pytest.mark.parametrize("command", ["upscale", "info"])
def test_a_name_that_begins_with_a_dash(vldm, tmp_path, command, name):
    code, _, err = vldm(command, name)
    assert code == 2 and "No such option: -" in err and "./" not in err
    (tmp_path / name).write_bytes(b"")
    code, out, err = vldm(command, name)
    assert (code, out) == (
        2,
        "",
    ) and f"the file of that name is given as ./{name} (see `vldm {command}" in err
    assert "No such option" not in vldm(command, f"./{name}")[2]


@pytest.mark.parametrize("command", ["generate", "upscale", "interpolate", "extend"])
@pytest.mark.parametrize("order", [["-q", "-v"], ["--verbose", "--quiet"], ["-qv"]])
def test_less_and_more_at_once(vldm, here, command, order):
    code, out, err = vldm(command, "a red ball", *order, "--device", "cpu")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == "vldm: -q says less and -v says more; leave one of them out"
    assert here() == []


@pytest.mark.parametrize("option", ["cuda", "cuda:1", "mps"])
def test_a_gpu_that_is_not_there(vldm, here, tiny_pack, monkeypatch, option):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    code, _, err = vldm("generate", PROMPT, "--pack", tiny_pack.folder, "--device", option)
    assert code == 2 and err.count("\n") == 1 and f"--device {option}" in err and "--device cpu" in err
    assert here() == []


def test_an_image_that_is_none(vldm, here, base, tmp_path):
    (tmp_path / "a.png").write_text("no image")
    before = here()
    code, _, err = vldm("generate", PROMPT, *base, "--image", "a.png")
    assert code == 2 and err.count("\n") == 1 and "a.png is no readable image" in err
    assert here() == before


def test_an_existing_file_is_kept(vldm, here, base, tmp_path):
    (tmp_path / "a.mp4").write_text("precious")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "notes.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    before = here()
    for out, force in (("a.mp4", []), ("frames", []), ("frames", ["--force"]), ("file", ["--force"])):
        code, _, err = vldm("generate", PROMPT, *base, "-o", out, *force)
        assert code == 2 and err.count("\n") == 1 and out in err
    assert here() == before and (tmp_path / "a.mp4").read_text() == "precious"


def test_unknown_pack(vldm, here):
    code, _, err = vldm("generate", PROMPT, "--pack", "nonesuch")
    assert code == 2 and err.count("\n") == 1 and "no pack nonesuch" in err
    assert here() == []


@pytest.mark.parametrize("harm", ["missing", "truncated", "damaged"])
@pytest.mark.parametrize("part", ["unet", "decoder"])
def test_a_pack_with_a_bad_file(vldm, here, pack_copy, harm, part):
    path = pack_copy / PARTS[part]
    data = path.read_bytes()
    path.unlink()
    if harm == "truncated":
        path.write_bytes(data[:-10])
    elif harm == "damaged":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    code, _, err = vldm("generate", PROMPT, "--pack", pack_copy)
    assert code == 2 and err.count("\n") == 1
    assert PARTS[part] in err and harm in err and "vldm packs check" in err
    assert here() == []
    code, out, err = vldm("packs", "check", pack_copy)
    assert code == 2 and PARTS[part] in out and err.count("\n") == 1


def test_a_traceback_only_with_v(vldm):
    assert "Traceback" not in vldm("generate", PROMPT, "--pack", "nonesuch")[2]
    assert "Traceback" in vldm("generate", PROMPT, "--pack", "nonesuch", "-v")[2]


NONE = {"text": "nan", "keyframes": "inf", "decoder": "nan", "upscaler_pixel": "inf", "unet": "nan"}


@pytest.mark.parametrize(("part", "number"), some([*product(NONE, ("nan", "inf"))], NONE.items()))
def test_weights_that_are_no_numbers_are_refused(vldm, here, tiny_pack, tmp_path_factory, part, number):
    spoilt = Spoilt(tiny_pack, tmp_path_factory.mktemp("spoilt"))
    with safe_open(spoilt.folder / PARTS[part], framework="pt") as file:
        told, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    name = max(tensors)
    tensors[name].view(-1)[-1] = float(number)
    spoilt.put(PARTS[part], save(tensors, told))
    spoilt.seal()
    options = ["--frames", "2", "--pack", spoilt.folder, "--device", "cpu", "-o", "a.mp4"]
    code, out, err = vldm("generate", PROMPT, *options)
    assert (code, out, err.count("\n"), here()) == (2, "", 1, [])
    assert PARTS[part] in err and "no finite numbers" in err
    code, out, err = vldm("packs", "check", spoilt.folder)
    assert code == 2 and PARTS[part] in out and err.count("\n") == 1


@pytest.mark.parametrize("part", ["keyframes", "decoder", "upscaler_pixel_temporal", "unet"])
def test_weights_that_do_not_fit_are_found_before_anything_is_written(
    vldm, here, tiny_pack, tmp_path_factory, part
):
    """With right checksums: it takes the model to see it."""
    spoilt = Spoilt(tiny_pack, tmp_path_factory.mktemp("spoilt"))
    spoilt.header(
        PARTS[part], lambda table: table.update(other=table.pop(min(table.keys() - {"__metadata__"})))
    )
    spoilt.seal()
    for arguments in (["generate", PROMPT, "--frames", "2"], ["packs", "check", spoilt.folder]):
        pack = [] if arguments[0] == "packs" else ["--pack", spoilt.folder, "--device", "cpu", "-o", "a.mp4"]
        code, _, err = vldm(*arguments, *pack)
        words = err if arguments[0] == "generate" else ""
        assert code == 2 and err.count("\n") == 1 and (PARTS[part] in words or not words)
        assert here() == []
