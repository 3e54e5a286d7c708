"""Folding the latents' statistics into the autoencoder."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.train.common import OneClip, setup
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_vae
from vldm_cli.packs.pack import PARTS
from vldm_cli.packs.save import seal
from vldm_cli.train.export import fold, latent_statistics
from vldm_cli.train.frames import decode, encode, to_model
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.start import start


def test_folded_autoencoder(pack):
    """The same frames come back, from latents of zero mean and unit variance; folding it once more changes nothing."""
    vae = load_vae(pack)
    x = to_model(OneClip().video(16), torch.float32)
    with torch.no_grad():
        posterior = vae.encode(x).latent_dist
        mean, std = latent_statistics(posterior.mean)
        folded = fold(vae, mean, std)
        now = folded.encode(x).latent_dist
        assert (latent_statistics(posterior.mean)[1] - 1).abs().max() > 0.1
        mean, std = latent_statistics(now.mean)
        assert mean.abs().max() < 1e-4 and (std - 1).abs().max() < 1e-4
        torch.testing.assert_close(folded.decode(now.mean).sample, vae.decode(posterior.mean).sample)
        # the posterior's width is scaled along
        torch.testing.assert_close(
            now.std[:, 0] / posterior.std[:, 0], (now.std / posterior.std)[0, 0].expand(16, -1, -1)
        )
        again = fold(folded, mean, std)
        torch.testing.assert_close(again.quant_conv.weight, folded.quant_conv.weight, rtol=1e-3, atol=1e-4)
    assert folded.config.scaling_factor == 1


def test_the_exported_autoencoder_is_folded_and_can_be_trained_on(pack):
    objective = OBJECTIVES["autoencoder"](setup(pack, bank_frames=16))
    objective.bank.fill(None)
    first = float(objective.losses()["loss"])
    objective.export()
    exported = load_vae(pack)
    z = encode(exported, objective.bank.tensors["frames"], torch.float32).float()
    mean, std = latent_statistics(z)
    assert mean.abs().max() < 0.02 and (std - 1).abs().max() < 0.02  # in 16 bits
    x = to_model(OneClip().video(4), torch.float32)
    with torch.no_grad():
        before = objective.vae.decode(objective.vae.encode(x).latent_dist.mean).sample
    torch.testing.assert_close(decode(exported, encode(exported, OneClip().video(4), torch.float32), torch.float32),
                               before, atol=2e-2, rtol=0)  # fmt: skip
    again = OBJECTIVES["autoencoder"](setup(pack, bank_frames=16))
    again.bank.fill(None)
    assert float(again.losses()["loss"]) < 1.5 * first


def test_a_kept_encoder_gives_the_same_latents(pack, tmp_path):
    before = load_file(pack.path(PARTS["vae"]))
    start("autoencoder", str(pack.folder), "toyland", steps=2, bank_frames=8, run=tmp_path, keep_latents=True)
    now = load_file(pack.path(PARTS["vae"]))
    changed = {name for name in now if not torch.equal(now[name], before[name])}
    assert changed and not {name for name in changed if name.startswith(("encoder.", "quant_conv."))}
    with pytest.raises(RequestError, match="--keep-latents"):
        start("image", str(pack.folder), "toyland", steps=2, run=tmp_path, keep_latents=True)


def test_a_teacher_is_a_pack_with_the_same_image_models(pack, tmp_path):
    copy = shutil.copytree(pack.folder, tmp_path / "teacher")
    start(
        "keyframes",
        str(pack.folder),
        "toyland",
        steps=2,
        bank_frames=16,
        run=tmp_path / "run",
        teacher=str(copy),
    )
    with pytest.raises(RequestError, match="--teacher is for keyframes"):
        start("interpolation", str(pack.folder), "toyland", steps=2, run=tmp_path / "run", teacher=str(copy))
    with pytest.raises(RequestError, match="is the pack that is trained"):
        start(
            "keyframes", str(pack.folder), "toyland", steps=2, run=tmp_path / "one", teacher=str(pack.folder)
        )
    seal_after(copy, "unet")
    with pytest.raises(RequestError, match="other image models"):
        start("keyframes", str(pack.folder), "toyland", steps=2, run=tmp_path / "two", teacher=str(copy))


def seal_after(folder, part):
    """Change that part of the pack a little, and its checksum with it."""
    tensors = load_file(folder / PARTS[part])
    name = min(tensors)
    save_file({**tensors, name: tensors[name] + 1}, folder / PARTS[part])
    seal(folder)


def test_an_autoencoder_without_the_convolutions_is_refused(pack):
    vae = load_vae(pack)
    vae.quant_conv = None
    with pytest.raises(RequestError, match="quant_conv"):
        fold(vae, torch.zeros(4), torch.ones(4))
