"""From a configuration to a model with its weights."""

import inspect
import json
import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig

from tests.packs.hostile import Spoilt
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.schedulers import SCHEDULERS
from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs import load, schemas, sources, weight_file
from vldm_cli.packs.build import Prepared, on_meta
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.manifest import SAMPLERS
from vldm_cli.packs.pack import PARTS, Pack
from vldm_cli.packs.prepare import prepare
from vldm_cli.packs.sources import Source, differing


@pytest.mark.parametrize(
    ("kind", "schema"),
    [(UNet2DConditionModel, schemas.UNET), (AutoencoderKL, schemas.VAE), (VideoUNet, schemas.TEMPORAL)],
)
def test_schemas_know_nothing_that_the_classes_do_not(kind, schema):
    assert schema.keys() <= inspect.signature(kind).parameters.keys()


def test_every_size_of_temporal_layers_has_its_bounds():
    assert schemas.TEMPORAL.keys() == inspect.signature(VideoUNet).parameters.keys() - {"unet"}


def test_the_text_encoders_schema_is_of_its_configuration():
    assert schemas.TEXT.keys() - {"torch_dtype"} <= CLIPTextConfig().to_dict().keys()


def test_the_manifests_samplers_are_those_there_are():
    assert set(SAMPLERS) == set(SCHEDULERS)


def test_on_meta_nothing_is_allocated_or_drawn():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = on_meta(lambda: nn.Sequential(nn.Linear(2**20, 2**20), nn.GroupNorm(4, 8), nn.Conv2d(3, 8, 3)))
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_cannot_be_built_is_said_in_words():
    with pytest.raises(Unusable, match=r"cannot be built \(ValueError: num_channels .16. must be divisible"):
        on_meta(lambda: nn.GroupNorm(7, 16))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"weight": torch.zeros(2, 3)}, "lacks bias"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, r"weight of shape \[3, 2\] and not \[2, 3\]"),
        ({"weight": torch.zeros(2, 3).long(), "bias": torch.zeros(2)}, "weight in the type I64"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "x": torch.zeros(1)}, "has x, which no"),
    ],
)
def test_a_file_is_compared_by_its_header(tmp_path, tensors, words):
    save_file(tensors, tmp_path / "w.safetensors")
    wanted = on_meta(lambda: nn.Linear(3, 2)).state_dict()
    difference = differing(read_header(tmp_path / "w.safetensors").tensors, wanted)
    assert difference is not None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(difference)


def test_any_model_of_any_file(tmp_path):
    real = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    save_file(real.half().state_dict(), tmp_path / "w.safetensors")
    source = Source.of(tmp_path / "w.safetensors")
    model = on_meta(lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    assert differing(source.pieces, model.state_dict()) is None
    loaded = Prepared(model, [source]).load("cpu", torch.bfloat16)
    for name, tensor in real.state_dict().items():
        wanted = tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.state_dict()[name], wanted), name


@pytest.mark.parametrize("place", range(4))
def test_numbers_of_every_type_are_looked_at_to_the_last(tmp_path, monkeypatch, place):
    monkeypatch.setattr(
        "vldm_cli.packs.weight_file._AT_ONCE", 16
    )  # so that a type's last bytes are in a block of their own
    types = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    tensors = {f"a{i}": torch.arange(21, dtype=dtype) for i, dtype in enumerate(types)}
    tensors |= {"n": torch.full((5,), -1), "none": torch.zeros(0)}
    save_file(tensors, tmp_path / "w.safetensors")
    Source.of(tmp_path / "w.safetensors").check_numbers()
    tensors[f"a{place}"][-1] = float("-inf") if place % 2 else float("nan")
    save_file(tensors, tmp_path / "w.safetensors")
    source = Source.of(tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match=r"w\.safetensors holds weights that are no finite numbers"):
        source.check_numbers()
    (tmp_path / "w.safetensors").write_bytes(b"12345678")
    with pytest.raises(RunError, match="has changed since"):
        source.check_numbers()


def test_a_file_that_changes_after_it_was_checked_ends_the_run(tiny_pack, tmp_path):
    pack = Pack.open(shutil.copytree(tiny_pack.folder, tmp_path / "p"))
    prepared = prepare(pack, "keyframes")
    path = pack.path(PARTS["keyframes"])
    path.write_bytes(path.read_bytes())
    with pytest.raises(RunError, match=r"keyframes\.safetensors has changed since it was checked"):
        prepared.load()
    prepared = prepare(pack, "decoder")
    pack.path(PARTS["decoder"]).unlink()
    with pytest.raises(RunError, match=r"decoder\.safetensors has gone since"):
        prepared.load()


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), RuntimeError("can't allocate memory"), OSError(12, "no")]
)
def test_memory_that_runs_out_is_not_the_packs_fault(tiny_pack, monkeypatch, error):
    """It reaches the run, which knows what is saved and what needs less."""
    prepared = prepare(tiny_pack, "unet")

    def fail(*_):
        raise error

    monkeypatch.setattr("vldm_cli.packs.sources._copied", fail)
    with pytest.raises((MemoryError, RuntimeError), match=r"no room|allocate|no"):
        prepared.load()


def test_sizes_are_compared_before_anything_is_allocated(tiny_pack, tmp_path):
    """8192 channels would be 90 GiB."""
    spoilt = Spoilt(tiny_pack, tmp_path)
    spoilt.config("unet/config.json", block_out_channels=[8192, 8192], layers_per_block=16)
    spoilt.seal()
    with pytest.raises(
        RequestError, match=r"diffusion_pytorch_model\.safetensors does not fit unet/config\.json"
    ):
        load.load_unet(Pack.open(spoilt.folder))


def test_buffers_that_no_file_holds_are_there(tiny_pack):
    text = load.load_text(tiny_pack).model
    places = list(range(text.config.max_position_embeddings))
    assert [buffer.tolist() for name, buffer in text.named_buffers() if "position_ids" in name] == [[places]]


def test_a_packs_text_encoder_says_that_it_runs_in_float32(tiny_pack):
    assert json.loads(tiny_pack.path("text_encoder/config.json").read_text())["dtype"] == "float32"


def test_little_of_a_file_is_mapped_at_a_time(tmp_path, monkeypatch):
    """Pages of a file that were read are the process's memory as long as it is open."""
    tensors = {f"w{i}": torch.randn(10, 10) for i in range(9)}
    save_file(tensors, tmp_path / "w.safetensors")
    opened = []
    stock = weight_file.safe_open

    class Counting:
        def __init__(self, *args, **kwargs):
            self.context, self.read = stock(*args, **kwargs), 0
            opened.append(self)

        def __enter__(self):
            self.file = self.context.__enter__()
            return self

        def __exit__(self, *error):
            return self.context.__exit__(*error)

        def get_tensor(self, name):
            self.read += 400
            return self.file.get_tensor(name)

    monkeypatch.setattr(weight_file, "safe_open", Counting)
    monkeypatch.setattr(sources, "STRETCH", 1000)
    read = dict(Source.of(tmp_path / "w.safetensors").tensors("cpu", torch.float32))
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    assert [one.read for one in opened] == [1200] * 3


def test_nothing_is_left_where_a_model_was_built(tiny_pack):
    """What no file holds is in the type and place of the weights."""
    model = prepare(tiny_pack, "keyframes").load("cpu", torch.bfloat16)
    assert {t.dtype for t in model.buffers() if t.is_floating_point()} <= {torch.bfloat16}
    assert not any(t.is_meta for t in (*model.parameters(), *model.buffers()))
