"""How models are run: what options say of it, and what is refused."""

import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs import load, prepare
from vldm_cli.stages.models import Models
from vldm_cli.stages.running import AS_USUAL, Running


def test_options_say_it():
    assert Running() == AS_USUAL and AS_USUAL.plain is None and AS_USUAL.words() == []
    assert Running(False, "low", "cfg-skip").words() == [
        "--no-plain",
        "--memory",
        "low",
        "--fast",
        "cfg-skip",
    ]
    assert Running(fast=["cfg-skip", "deepcache", "cfg-skip"]).fast == ("deepcache", "cfg-skip")
    assert Running(fast="cfg-skip").guided < AS_USUAL.guided == 1


@pytest.mark.parametrize(
    "options, said",
    [({"memory": "much"}, "--memory much"), ({"fast": ["slow"]}, "--fast slow is none of deepcache")],
)
def test_what_is_none_is_refused(options, said):
    with pytest.raises(RequestError, match=said):
        Running(**options)


def test_weights_wait_where_there_is_no_room_for_them():
    assert not AS_USUAL.low(10, 10) and not AS_USUAL.low(10, None) and AS_USUAL.low(10, 9)
    assert Running(memory="low").low(1, 10) and not Running(memory="high").low(10, 1)


@pytest.mark.parametrize("memory", ["low", "lowest"])
def test_what_does_not_go_together_is_refused(memory):
    with pytest.raises(RequestError, match=f"--fast deepcache keeps what --memory {memory} spares"):
        Running(memory=memory, fast=["deepcache"]).check("cuda")
    with pytest.raises(
        RequestError, match=f"--fast fp8 keeps weights on the GPU and --memory {memory} beside"
    ):
        Running(memory=memory, fast=["fp8"]).check("cuda")
    with pytest.raises(
        RequestError, match="--fast fp8 is not for vldm's own kernels; leave it or --no-plain out"
    ):
        Running(plain=False, fast=["fp8"]).check("cuda")


def test_what_changes_a_video_is_told():
    assert AS_USUAL.given_up == Running(memory="low").given_up == {}
    assert Running(memory="lowest", fast=["cfg-skip"]).given_up == {"fast": ["cfg-skip"], "memory": "lowest"}


def test_weights_of_8_bits_stay_on_the_gpu_or_wait_beside_it():
    assert not Running(fast=["fp8"]).low(10, 1) and Running(memory="lowest").low(1, 10)


def test_what_is_reused_stays_on_the_gpu():
    assert not Running(fast=["deepcache"]).low(10, 1)


def test_products_in_8_bits_are_a_gpus(monkeypatch):
    asked = []
    monkeypatch.setattr("vldm_cli.align.fast.fp8.check", asked.append)
    for device in ("cpu", "mps"):
        with pytest.raises(
            RequestError, match=f"--fast fp8 is for a CUDA GPU, and this runs on {device}; leave it out"
        ):
            Running(fast=["fp8"]).check(device)
    Running(fast=["fp8"]).check("cuda", here=False)
    assert asked == []
    Running(fast=["fp8"]).check("cuda:1")
    assert asked == ["cuda:1"]


def test_models_are_made_so(tiny_pack, monkeypatch):
    quick = []
    monkeypatch.setattr("vldm_cli.stages.ready.multiply_in_fp8", quick.append)
    models = Models(tiny_pack, running=Running(fast=["fp8"]))
    assert quick == [models.keyframes]
    assert models.decoder not in quick
    small = Models(tiny_pack, running=Running(memory="lowest")).keyframes
    held = {p.dtype for p in small.unet.parameters()}
    assert held == {torch.float32, torch.float8_e4m3fn}
    waiting = Models(tiny_pack, running=Running(memory="low")).keyframes
    assert {p.dtype for p in waiting.unet.parameters()} == {torch.float32}


@pytest.mark.parametrize("engine", [True, False])
def test_with_little_memory_a_decoder_computes_a_few_frames_at_a_time(tiny_pack, monkeypatch, engine):
    """By the engine where that runs, which wants to be put under it first."""
    did = []
    monkeypatch.setattr("vldm_cli.stages.ready.decode_in_parts", lambda model: did.append("parts"))
    monkeypatch.setattr("vldm_cli.stages.ready.hasten", lambda model, record: did.append("engine"))
    monkeypatch.setattr(Models, "_has_engine", engine)
    models = Models(tiny_pack, running=Running(memory="low"))
    decoder = load.loaded(prepare.prepare(tiny_pack, "decoder", False), "cpu", torch.float32)
    models.device = torch.device("cuda")
    models._quick(decoder)
    assert did == ["engine"] * engine + ["parts"]


def test_a_worker_looks_for_itself(tiny_pack, monkeypatch):
    """What its GPU can is known where it is."""
    from vldm_cli.stages import models

    monkeypatch.setattr(models.here, "device", "cpu")
    make, words = Models(tiny_pack, running=Running(fast=["fp8"])).__reduce__()
    with pytest.raises(RequestError, match="--fast fp8 is for a CUDA GPU"):
        make(*words)


def test_kernels_are_a_gpus_and_usual_where_they_are_faster(tiny_pack, monkeypatch):
    Running(plain=False).check("cuda")
    with pytest.raises(
        RequestError, match="--no-plain is for a CUDA GPU, and this runs on mps; leave it out"
    ):
        Running(plain=False).check("mps")
    monkeypatch.setattr("vldm_cli.stages.ready.has_triton", lambda: True)

    def has(dtype, capability, running):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        models = Models(tiny_pack, running=running)
        models.device, models.dtype = torch.device("cuda"), dtype
        return models._has_engine

    assert has(torch.bfloat16, (9, 0), AS_USUAL) and has(torch.float16, (8, 0), AS_USUAL)
    assert not has(torch.float32, (9, 0), AS_USUAL) and not has(torch.float16, (7, 5), AS_USUAL)
    assert not has(torch.float16, (9, 0), Running(fast=["fp8"]))
    assert has(torch.float32, (7, 5), Running(plain=False)) and not has(
        torch.float16, (9, 0), Running(plain=True)
    )


def test_low_memory_is_a_gpus():
    Running(memory="low").check("cuda:1")
    Running(memory="high").check("cpu")
    with pytest.raises(RequestError, match="--memory low is for the memory of a GPU"):
        Running(memory="low").check("cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_on_a_cpu_a_decoder_of_bfloat16_ends_in_float32(tiny_pack, dtype):
    decoder = Models(tiny_pack, dtype=dtype).decoder.vae.decoder
    assert decoder.conv_in.weight.dtype == getattr(torch, dtype)
    assert decoder.conv_out.weight.dtype == torch.float32
    assert decoder.up_blocks[-1].resnets[0].temporal.conv1.weight.dtype == torch.float32
