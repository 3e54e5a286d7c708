"""Parts in diffusers' layout that lie elsewhere are those that diffusers loads."""

import pytest
import torch

from tests.packs.named import public
from vldm_cli.align.foreign import ForeignDecoder, ForeignUNet
from vldm_cli.align.readers import FirstFrame, NoContext, SparseCtrl
from vldm_cli.packs import load, prepare


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd15")
    return folder, public.stable_diffusion(folder)


@torch.no_grad()
def test_a_repository_of_diffusers(repository, tmp_path):
    folder, pipe = repository
    pack = public.named(tmp_path, public.image_parts(folder))
    public.same(load.load_unet(pack), pipe.unet)
    public.same(load.load_vae(pack), pipe.vae)
    text = load.load_text(pack)
    wanted = pipe.encode_prompt("a red ball", "cpu", 1, False)[0]
    assert torch.equal(text.encode(["a red ball"])[..., : wanted.shape[-1]], wanted)
    assert load.scheduler_config(pack)["beta_schedule"] == "scaled_linear"
    assert prepare.latent_channels(pack) == 4


@torch.no_grad()
def test_animatediff_with_sparsectrl_and_the_temporal_decoder(repository, tmp_path):
    folder, _ = repository
    adapter, network, decoder = public.adapter(), public.sparsectrl(), public.temporal_vae()
    for name, model in (("adapter", adapter), ("sparse", network), ("svd", decoder)):
        model.save_pretrained(tmp_path / name)
    file = "diffusion_pytorch_model.safetensors"
    pack = public.named(
        tmp_path / "pack",
        {
            **{k: v for k, v in public.image_parts(folder).items() if k != "schedule"},
            "keyframes": {"family": "animatediff", "path": str(tmp_path / "adapter"), "file": file},
            "context": {"family": "sparsectrl", "path": str(tmp_path / "sparse"), "file": file, "scale": 0.5},
            "decoder": {"family": "svd-decoder", "path": str(tmp_path / "svd"), "file": file},
        },
    )
    model = load.load_keyframes(pack, dtype=torch.float16)
    assert isinstance(model, ForeignUNet) and isinstance(model.reader, SparseCtrl) and model.reads_context
    assert model.reader.scale == 0.5 and {p.dtype for p in model.parameters()} == {torch.float16}
    theirs = {k: t for k, t in network.state_dict().items() if "pos_embed" not in k}
    public.same_tensors(model.reader.network.state_dict(), {k: t.half() for k, t in theirs.items()})
    assert prepare.weights_of(pack, "interpolation") == "keyframes"
    assert isinstance(load.load_decoder(pack), ForeignDecoder)
    assert load.scheduler_config(pack)["beta_schedule"] == "linear"


def test_svd(tmp_path):
    unet, decoder, eyes = public.svd_unet(), public.temporal_vae(), public.eyes()
    for name, model in (("unet", unet), ("vae", decoder), ("image_encoder", eyes)):
        model.save_pretrained(tmp_path / name, variant="fp16")
    file, path = "diffusion_pytorch_model.fp16.safetensors", str(tmp_path)
    pack = public.named(
        tmp_path / "pack",
        {
            "keyframes": {"family": "svd", "path": path, "file": f"unet/{file}"},
            "context": {"family": "first-frame", "fps": 6, "noise": 0.0},
            "decoder": {"family": "svd-decoder", "path": path, "file": f"vae/{file}"},
            "eyes": {"path": path, "file": "image_encoder/model.fp16.safetensors"},
        },
    )
    model = load.load_keyframes(pack)
    assert isinstance(model.reader, FirstFrame) and (model.reader.fps, model.reader.noise) == (6, 0.0)
    public.same(load.load_eyes(pack), eyes)
    assert load.scheduler_config(pack)["use_karras_sigmas"]
    assert prepare.latent_channels(pack) == 4


def test_modelscope(tmp_path):
    unet = public.modelscope_unet()
    unet.save_pretrained(tmp_path / "unet")
    file = "unet/diffusion_pytorch_model.safetensors"
    pack = public.named(
        tmp_path / "pack", {"keyframes": {"family": "modelscope", "path": str(tmp_path), "file": file}}
    )
    assert isinstance(load.load_keyframes(pack).reader, NoContext)
