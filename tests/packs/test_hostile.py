"""Whatever a stranger's pack says: RequestError naming the file, before any weight is read, and no code is run."""

import random

import pytest

from tests.packs.hostile import CASES, Spoilt, drawn
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.prepare import misfits
from vldm_cli.stages.models import Models


def refusal(spoilt: Spoilt) -> str | None:
    """What is said of the pack, as every command and `vldm packs check` would; None where it can be used."""
    try:
        pack = Pack.open(spoilt.folder)
        for problem in misfits(pack):
            return problem
    except RequestError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name(tiny_pack, tmp_path, case):
    spoil, names = CASES[case]
    spoilt = Spoilt(tiny_pack, tmp_path)
    spoil(spoilt)
    if "manifest" not in case:
        spoilt.seal()
    said = refusal(spoilt)
    assert said is not None and names in said, said
    assert said.isprintable() and len(said) < 600
    assert not (tmp_path / "code-was-run").exists()


def test_what_is_not_listed_and_not_used_may_lie_there(tiny_pack, tmp_path):
    spoilt = Spoilt(tiny_pack, tmp_path)
    spoilt.put("unet/diffusion_pytorch_model.bin", b"a pickle, for all anybody knows")
    assert refusal(spoilt) is None


def try_drawn(tiny_pack, place, seed):
    spoilt = Spoilt(tiny_pack, place)
    done = drawn(spoilt, random.Random(f"hostile-{seed}"))
    spoilt.seal()
    try:
        said = refusal(spoilt)
        if said is None:  # then it can be loaded as well
            models = Models(Pack.open(spoilt.folder))
            models.prepare("text", "keyframes", "interpolation", "decoder", upscaler="pixel")
            _ = (
                models.text,
                models.keyframes,
                models.interpolation,
                models.decoder,
                models.upscaler_in("pixel"),
            )
            models.scheduler("dpm++"), models.upscaler_scheduler("ddim")
    except Exception as error:
        raise AssertionError(f"seed {seed}: {done}: {type(error).__name__}: {error}") from error
    assert said is None or said.isprintable(), (seed, done, said)


@pytest.mark.parametrize("seed", range(25))
def test_any_value_in_any_place(tiny_pack, tmp_path, seed):
    try_drawn(tiny_pack, tmp_path, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(100, 1600))
def test_any_value_in_any_place_at_length(tiny_pack, tmp_path, seed):
    try_drawn(tiny_pack, tmp_path, seed)
