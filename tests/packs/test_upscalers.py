"""New upscalers: where their training starts, how large they are, and how a pack gets one."""

import shutil

import pytest
import torch

from tests.tiny import WORDS
from vldm_cli.align.pixels import upsample
from vldm_cli.packs import load
from vldm_cli.packs.new import new_pack
from vldm_cli.packs.pack import PARTS, UPSCALERS, Pack
from vldm_cli.packs.save import seal
from vldm_cli.packs.sizes import TINY, TOYLAND
from vldm_cli.packs.upscalers import add_upscaler, new_autoencoder, new_upscaler


@pytest.fixture
def old(tmp_path):
    """The folder of a pack from before there was a latent upscaler."""
    folder = new_pack(tmp_path / "old", words=WORDS).folder
    shutil.rmtree(folder / "upscaler_latent")
    seal(folder)
    return folder


@pytest.mark.parametrize("space", UPSCALERS)
def test_a_new_upscaler_is_a_bicubic_filter(tmp_path, space):
    """From pure noise to the residual in one step: training starts at nothing."""
    pack = new_pack(tmp_path / "new", words=WORDS)
    model, made = load.load_upscaler(pack, space), load.load_space(pack, space)
    low = torch.rand(2, 3, 16, 16) - 0.5
    v = model(
        torch.randn(1, 2, made.channels, 16, 16),
        999,
        extra_BTCHW=low[None],
        class_labels=torch.zeros(1),
    )
    assert not v.any()
    torch.testing.assert_close(made.frames(-v[0], low), upsample(low, 4))


@pytest.mark.parametrize("space", UPSCALERS)
def test_a_new_upscaler_sees_the_frame_through_the_noise(space):
    """With equal weights it never learned anything but bicubic."""
    weight, denoised = new_upscaler(TINY, space).conv_in.weight, TINY.denoised(space)
    noise, frame = weight[:, :denoised].std(), weight[:, denoised:].std()
    assert weight.shape[1] == denoised + 3 and 30 < frame / noise < 50


def test_all_of_toylands_latent_upscaler_takes_three_mebibytes(tmp_path):
    (tmp_path / "pack.toml").write_text('name = "x"\n[files]\n')
    add_upscaler(tmp_path, "latent", TOYLAND)
    files = [path for path in (tmp_path / "upscaler_latent").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in files} >= {
        PARTS[part] for part in UPSCALERS["latent"]
    }
    assert sum(path.stat().st_size for path in files) < 3 * 2**20


@pytest.mark.parametrize("sizes", [TINY, TOYLAND])
def test_a_latent_cell_is_a_low_resolution_pixel(sizes):
    vae = new_autoencoder(sizes, "latent")
    z = vae.encode(torch.randn(1, 3, 64, 32)).latent_dist.mode()
    assert z.shape == (1, sizes.denoised("latent"), 64 // sizes.upscale, 32 // sizes.upscale)


def test_an_old_pack_is_given_one(old):
    assert Pack.open(old).upscalers == ("pixel",)
    before = Pack.open(old).manifest.files
    add_upscaler(old, "latent", TINY)
    after = Pack.open(old)
    assert after.upscalers == tuple(UPSCALERS) and before.items() <= after.manifest.files.items()
    # what is there is kept
    add_upscaler(old, "latent", TINY, seed=5)
    assert Pack.open(old).manifest.files == after.manifest.files
