"""What is wrong with a part that lies elsewhere is said in one sentence, which names pack, part, file and remedy,
before a weight is read."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.packs.named import public
from vldm_cli.errors import RequestError
from vldm_cli.packs import prepare
from vldm_cli.packs.origins.pickles import converted
from vldm_cli.packs.words import Words

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd15")
    public.stable_diffusion(folder)
    for name, model in (
        ("adapter", public.adapter()),
        ("sparse", public.sparsectrl()),
        ("temporal", public.temporal_vae()),
        ("svd", public.svd_unet()),
        ("eyes", public.eyes()),
    ):
        model.save_pretrained(folder / name)
    return folder


class Spoiling:
    """A copy of a repository (its files as links), in which something is spoilt."""

    def __init__(self, repository, folder):
        self.folder, self.pack_folder = folder / "r", folder / "p"
        for path in repository.rglob("*"):
            if path.is_file():
                target = self.folder / path.relative_to(repository)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(path)

    def config(self, name, **entries):
        path = self.folder / name
        table = json.loads(path.read_text())
        path.unlink()
        path.write_text(json.dumps({**table, **entries}))

    def tensors(self, name, change):
        path = self.folder / name
        state = load_file(path)
        path.unlink()
        save_file(change(state), path)

    def write(self, name, data):
        path = self.folder / name
        path.unlink()
        path.write_bytes(data)

    def misfits(self, *names, **parts):
        every = {
            **public.image_parts(self.folder),
            "keyframes": self.part("adapter", family="animatediff"),
            "context": self.part("sparse", family="sparsectrl"),
            "decoder": self.part("temporal", family="svd-decoder"),
        }
        chosen = {name: every[name] for name in names or every} | parts
        pack = public.named(self.pack_folder, chosen, check=False)
        return list(prepare.misfits(pack))

    def part(self, folder, **more):
        return {"path": str(self.folder), "file": f"{folder}/{WEIGHTS}", **more}


@pytest.fixture
def spoiling(repository, tmp_path):
    return Spoiling(repository, tmp_path)


def test_nothing_is_wrong_with_what_is_whole(spoiling):
    assert spoiling.misfits() == []


def one(found, *words):
    """Exactly one sentence, with all of these words, and what to do."""
    assert len(found) == 1, found
    assert "\n" not in found[0]
    for word in ("pack named: ", *words):
        assert word in found[0], found[0]


def without(name):
    return lambda state: {k: t for k, t in state.items() if k != name}


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (f"unet/{WEIGHTS}", without("conv_in.bias"), ("unet: ", "does not fit", "it lacks conv_in.bias")),
        (
            f"unet/{WEIGHTS}",
            lambda s: {**s, "more": torch.zeros(1)},
            (f"unet/{WEIGHTS}", "has more, which no such model has"),
        ),
        (
            f"vae/{WEIGHTS}",
            lambda s: {**s, "quant_conv.bias": torch.zeros(5)},
            ("vae: ", "quant_conv.bias of shape [5] and not [8]"),
        ),
        (
            f"vae/{WEIGHTS}",
            lambda s: {k: t.to(torch.int8) for k, t in s.items()},
            ("in the type I8, which weights are not kept in",),
        ),
        ("text_encoder/model.safetensors", without("final_layer_norm.bias"), ("text: ", "lacks final_layer")),
        (
            f"adapter/{WEIGHTS}",
            without("mid_block.motion_modules.0.norm.weight"),
            ("keyframes: ", "the image model under it", "lacks mid_block.attentions.0.temporal.norm.weight"),
        ),
        (
            f"adapter/{WEIGHTS}",
            lambda s: {k.replace("down_blocks.0", "down_blocks.9"): t for k, t in s.items()},
            ("keyframes: ", "image model of another shape"),
        ),
        (f"sparse/{WEIGHTS}", without("conv_in.bias"), ("context: ", "lacks conv_in.bias")),
        (
            f"temporal/{WEIGHTS}",
            without("decoder.time_conv_out.bias"),
            ("decoder: ", "lacks decoder.temporal.time_conv_out.bias"),
        ),
    ],
)
def test_weights_that_do_not_fit(spoiling, file, change, words):
    spoiling.tensors(file, change)
    one(spoiling.misfits(), f"{spoiling.folder}/{file}", f"{spoiling.pack_folder}/pack.toml", *words)


@pytest.mark.parametrize(
    ("file", "entries", "words"),
    [
        (
            "unet/config.json",
            {"_class_name": "UNet3DConditionModel"},
            "must be UNet2DConditionModel, not UNet3D",
        ),
        ("unet/config.json", {"block_out_channels": [10**9]}, "block_out_channels must be a list of 1 to 8"),
        (
            "unet/config.json",
            {"addition_embed_type": "text_image"},
            "addition_embed_type must be one of text_time",
        ),
        ("vae/config.json", {"act_fn": "rm -rf"}, "act_fn must be one of"),
        (
            "text_encoder/config.json",
            {"model_type": "t5"},
            "model_type must be one of clip_text_model, not t5",
        ),
        ("adapter/config.json", {"conv_in_channels": 9}, "conv_in_channels is 9, which vldm does not know"),
        ("adapter/config.json", {"_class_name": "ControlNetModel"}, "must be MotionAdapter"),
        ("sparse/config.json", {"global_pool_conditions": True}, "global_pool_conditions is True"),
        ("temporal/config.json", {"latent_channels": 0}, "latent_channels must be a whole number from 1"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "sigmoid"}, "beta_schedule must be one of"),
        ("scheduler/scheduler_config.json", {"beta_end": 2}, "beta_end must be a number"),
    ],
)
def test_configurations_of_what_cannot_be_built(spoiling, file, entries, words):
    spoiling.config(file, **entries)
    one(spoiling.misfits(), f"{spoiling.folder}/{file}", words, "pack.toml")


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        (f"unet/{WEIGHTS}", lambda whole: whole[:-1], "is truncated"),
        (f"vae/{WEIGHTS}", lambda whole: whole[:4], "is truncated"),
        (f"adapter/{WEIGHTS}", lambda whole: b"<!doctype html>" * 99, "adapter"),
        ("text_encoder/config.json", lambda whole: whole[:40], "is no JSON"),
        ("tokenizer/vocab.json", lambda whole: b"[]", "must be a table"),
        ("tokenizer/vocab.json", lambda whole: b'{"a": 1}', "has no token"),
        ("tokenizer/merges.txt", lambda whole: b"a b c\n", "merge"),
        ("tokenizer/merges.txt", lambda whole: b"z z\n", "merges.txt"),
    ],
)
def test_files_that_are_damaged(spoiling, repository, file, data, words):
    spoiling.write(file, data((repository / file).read_bytes()))
    one(spoiling.misfits(), words, "pack.toml")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"keyframes": {"family": "hotshot"}}, "has the family hotshot; use one of animatediff, "),
        ({"keyframes": {"family": "svd-decoder"}}, "has the family svd-decoder; use one of animatediff, "),
        ({"decoder": {"family": "svd"}}, "has the family svd; use one of svd-decoder"),
        (
            {"context": {"family": "controlnet"}},
            "has the family controlnet; use one of sparsectrl, first-frame",
        ),
        ({"tokenizer": {}}, "use the config clip-sd15 or clip-sd21"),
        ({"schedule": {"config": "sd16"}}, "unknown configuration sd16; use one of"),
        ({"schedule": {"config": "clip-sd15"}}, "clip-sd15, which is none for it; use one of animatediff, "),
    ],
)
def test_what_a_manifest_cannot_mean(spoiling, parts, words):
    files = {"keyframes": "adapter", "context": "sparse", "decoder": "temporal"}
    named = {
        name: spoiling.part(files[name], **table) if name in files else table for name, table in parts.items()
    }
    found = spoiling.misfits(**named)
    assert found and all(words in sentence and "pack named: " in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("file", "entries", "words"),
    [
        ("temporal/config.json", {"scaling_factor": 0.13025}, "scaled by 0.13025, and not by 0.18215"),
        ("unet/config.json", {"in_channels": 9}, "takes 9 channels and gives 4: it fills in or edits"),
        ("unet/config.json", {"in_channels": 16, "out_channels": 16}, "4 latent channels, and not 16"),
        ("text_encoder/config.json", {"hidden_size": 24}, "it is 24 wide, and not 16"),
        ("sparse/config.json", {"cross_attention_dim": 24}, "it attends to 24, and not to 16"),
        ("sparse/config.json", {"block_out_channels": [8, 8, 16, 16]}, "image model of another shape"),
    ],
)
def test_parts_of_different_models(spoiling, file, entries, words):
    spoiling.config(file, **entries)
    found = spoiling.misfits()
    assert any(words in sentence and sentence.startswith("pack named: ") for sentence in found), found


def test_a_pack_without_a_schedule(spoiling):
    one(spoiling.misfits("unet"), "names no schedule; add [parts.schedule]")


def test_eyes_of_another_width(spoiling):
    spoiling.config("eyes/config.json", projection_dim=24)
    parts = {
        "keyframes": spoiling.part("svd", family="svd"),
        "eyes": {"path": str(spoiling.folder), "file": "eyes/model.safetensors"},
    }
    one([s for s in spoiling.misfits("keyframes", **parts) if "wide" in s], "it is 24 wide, and not 16")


def test_levels_that_are_not_the_packs(spoiling, repository):
    more = {"down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3}
    spoiling.config("vae/config.json", block_out_channels=[8, 8, 16], **more)
    assert any("has 3 levels, which is none of latent_factor 8" in s for s in spoiling.misfits())


def test_a_text_encoder_with_fewer_words_than_its_tokenizer(spoiling):
    spoiling.config("text_encoder/config.json", vocab_size=40)
    pack = public.named(spoiling.pack_folder, public.image_parts(spoiling.folder), check=False)
    with pytest.raises(
        RequestError, match=rf"has {len(public.VOCABULARY)} tokens, and the text encoder .* 40"
    ):
        Words.of(pack)


class Runs:
    """What a pickle may do when it is read as one."""

    def __reduce__(self):
        return (print, ("it ran",))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VLDM_HOME", raising=False)
    return tmp_path / "cache" / "vldm" / "converted"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: torch.save({"state_dict": {}, "hook": Runs()}, path), "weights-only loader"),
        (lambda path: path.write_bytes(pickle.dumps(Runs())), "weights-only loader"),
        (lambda path: path.write_bytes(b"nonsense" * 50), "weights-only loader"),
        (lambda path: torch.save([torch.zeros(3)], path), "holds no table of weights"),
        (lambda path: torch.save({"a": torch.zeros(1).expand(10**12)}, path), "larger than itself"),
        (lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path), "in a form that weights are not"),
    ],
)
def test_a_pickle_that_needs_more_is_refused(spoiling, cache, write, words, capsys):
    (spoiling.folder / "unet" / "model.ckpt").unlink(missing_ok=True)
    write(spoiling.folder / "unet" / "model.ckpt")
    part = {"path": str(spoiling.folder), "file": "unet/model.ckpt"}
    one(
        spoiling.misfits("unet", "schedule", unet=part),
        "unet/model.ckpt",
        words,
        "safetensors file",
        "pack.toml",
    )
    assert "it ran" not in capsys.readouterr().out
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_is_converted_once(spoiling, cache, repository, old):
    state = load_file(repository / "unet" / WEIGHTS)
    path = spoiling.folder / "unet" / "model.ckpt"
    torch.save({"state_dict": state, "global_step": 7}, path, _use_new_zipfile_serialization=not old)
    pack = public.named(
        spoiling.pack_folder, {"unet": {"path": str(spoiling.folder), "file": "unet/model.ckpt"}}
    )
    prepared = prepare.prepare(pack, "unet")
    (kept,) = cache.iterdir()
    assert prepared.remarks == [
        f"model.ckpt is a pickle: its weights, and nothing else of it, were read and kept as {kept}"
    ]
    public.same_tensors(prepared.load().state_dict(), state)
    assert prepare.prepare(pack, "unet").remarks == []


def test_what_a_pickle_shares_and_says_is_kept(tmp_path, cache):
    shared = torch.randn(4, 4)
    table = {"a": shared, "b": shared.t(), "c": {"*": torch.tensor(3, dtype=torch.bfloat16)}, "name": "x"}
    torch.save(table, tmp_path / "x.pt")
    path, _ = converted(tmp_path / "x.pt")
    held = load_file(path)
    public.same_tensors(held, {"a": shared, "b": shared.t().contiguous(), "c.*": table["c"]["*"]})
    assert b'"__metadata__": {"name": "x"}' in path.read_bytes()[:400]


def test_a_cache_that_cannot_be_written_is_said(spoiling, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("VLDM_HOME", raising=False)
    torch.save({"a": torch.zeros(1)}, spoiling.folder / "unet" / "model.ckpt")
    part = {"path": str(spoiling.folder), "file": "unet/model.ckpt"}
    one(spoiling.misfits("unet", "schedule", unet=part), "cannot be kept in", "set XDG_CACHE_HOME")
