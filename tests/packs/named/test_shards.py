"""Weights in several files, as diffusers and transformers split large ones: an index, and what it names."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import public
from vldm_cli.errors import RequestError
from vldm_cli.packs import load
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice, write_choice
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.prepare import misfits
from vldm_cli.packs.shards import index_names, read_index

UNET, TEXT = "unet/diffusion_pytorch_model", "text_encoder/model"


@pytest.fixture(scope="module", params=[None, "fp16"])
def folder(request, tmp_path_factory):
    return public.split(public.sd_folder(tmp_path_factory.mktemp("sd") / "sd", request.param), request.param)


def test_a_folder_is_the_models_that_were_split(folder):
    pack = Pack.open(folder)
    unet, text = pack.named["unet"], pack.named["text"]
    assert unet.file.endswith(".json") and len(unet.shards) > 2 and len(text.shards) > 1
    for ours, kind, below in (
        (load.load_unet(pack, dtype=torch.float16), public.unet, "unet"),
        (load.load_text(pack, dtype=torch.float16).model, public.text, "text_encoder"),
    ):
        theirs = {}
        for file in (folder / below).glob("*.safetensors"):
            theirs |= load_file(file)
        state = ours.state_dict()
        assert theirs.keys() == kind().state_dict().keys()
        assert all(torch.equal(state[name.removeprefix("text_model.")], t) for name, t in theirs.items())
    assert list(misfits(pack)) == []


def test_a_manifest_of_them_knows_every_file(folder, tmp_path):
    pack = write_choice(str(tmp_path / "mine"), Choice(str(folder)))
    shards = pack.named["unet"].shards
    assert all(shard.sha256 and Path(shard.path) == folder for shard in shards)
    assert pack.manifest.hash == Pack.open(folder).manifest.hash
    assert len({path.name for path in map(pack.found, pack.manifest.elsewhere.files)}) > len(shards)
    state, plain = load.load_unet(pack).state_dict(), load.load_unet(Pack.open(folder)).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in plain.items())


@pytest.fixture
def own(tmp_path):
    return public.split(public.sd_folder(tmp_path / "sd", None))


def a_shard(folder: Path) -> Path:
    return sorted((folder / "unet").glob("*-00002-*.safetensors"))[0]


def test_a_file_of_them_that_changes_makes_another_pack(own, tmp_path):
    pack, before = write_choice(str(tmp_path / "mine"), Choice(str(own))), Pack.open(own).manifest.hash
    shard = a_shard(own)
    save_file({name: t + 1 for name, t in load_file(shard).items()}, shard)
    assert Pack.open(own).manifest.hash != before
    (problem,) = Pack.open(pack.folder, check=False).problems()
    assert f"{UNET}-00002" in problem and "another file than it was" in problem
    shard.unlink()
    (problem,) = Pack.open(pack.folder, check=False).problems()
    assert f"{UNET}-00002" in problem and "is missing" in problem


def rewritten(folder: Path, change) -> None:
    path = folder / f"{UNET}.safetensors.index.json"
    table = json.loads(path.read_text())
    changed = change(table)
    path.write_text(json.dumps(table if changed is None else changed))


def first_in(file):
    """The index's first tensor lies in that file."""

    def change(table):
        table["weight_map"][next(iter(table["weight_map"]))] = file

    return change


def pickled(folder):
    shard = a_shard(folder)
    torch.save(load_file(shard), shard.with_suffix(".bin"))
    rewritten(folder, first_in(shard.with_suffix(".bin").name))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickled, r"names a pickle, .*\.bin; use a copy in safetensors"),
        (lambda f: rewritten(f, first_in("../x.safetensors")), r"must lie in a \.safetensors file beside it"),
        (
            lambda f: rewritten(f, first_in("/etc/x.safetensors")),
            r"must lie in a \.safetensors file beside it",
        ),
        (lambda f: rewritten(f, first_in("a\\x.safetensors")), r"must lie in a \.safetensors file beside it"),
        (lambda f: rewritten(f, first_in(7)), r"must lie in a \.safetensors file beside it, not in 7"),
        (lambda f: rewritten(f, first_in("x.safetensors")), r"has no unet/x\.safetensors, which .* names"),
        (lambda f: rewritten(f, lambda t: []), r"it must be a table"),
        (lambda f: rewritten(f, lambda t: {"weight_map": {}}), r"weight_map must be a table"),
        (lambda f: rewritten(f, lambda t: {**t, "code": 1}), r"code"),
        (lambda f: a_shard(f).unlink(), r"has no unet/diffusion_pytorch_model-00002.*bring it back"),
        (lambda f: (f / f"{UNET}.safetensors.index.json").write_text("{"), r"is no JSON"),
    ],
)
def test_an_index_that_is_none_is_refused_in_a_sentence(own, spoil, words):
    spoil(own)
    with pytest.raises(RequestError, match=words) as error:
        Pack.open(own)
    assert "\n" not in str(error.value) and "unet" in str(error.value)


def other_file(table):
    names = list(table["weight_map"])
    first, last = table["weight_map"][names[0]], table["weight_map"][names[-1]]
    table["weight_map"][names[0]] = last if first != last else first.replace("00001", "00002")


def no_longer_whole(folder):
    shard = a_shard(folder)
    shard.write_bytes(shard.read_bytes()[:-8])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: rewritten(f, other_file), r"index\.json says that .* lies in .*, which is not so"),
        (
            lambda f: save_file({**load_file(a_shard(f)), "more": torch.zeros(2)}, a_shard(f)),
            r"index\.json names .*00002.*, which holds more too, of which it says nothing",
        ),
        (no_longer_whole, r"index\.json names .*00002.*, which is truncated"),
    ],
)
def test_files_that_are_not_as_their_index_says(own, spoil, words):
    spoil(own)
    with pytest.raises(RequestError, match=words):
        load.load_unet(Pack.open(own))


def test_numbers_are_looked_at_in_every_file(own):
    shard = a_shard(own)
    save_file({name: t * float("nan") for name, t in load_file(shard).items()}, shard)
    with pytest.raises(RequestError, match=r"00002.*no finite numbers"):
        load.load_unet(Pack.open(own))


def test_one_file_comes_before_several(own):
    public.unet().half().save_pretrained(own / "one")
    shutil.copy(own / "one/diffusion_pytorch_model.safetensors", own / f"{UNET}.safetensors")
    assert Pack.open(own).named["unet"].shards == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text: text[: text.index("[[parts.unet.shards]]")],
            "shards, the files that the index names, are",
        ),
        (lambda text: text.replace(".index.json", "", 1), "shards are there, and file is no index"),
        (lambda text: text.replace("-00001", "/../../../x-00001"), "the name of a file inside its folder"),
    ],
)
def test_manifests_of_several_files(own, tmp_path, change, words):
    pack = write_choice(str(tmp_path / "mine"), Choice(str(own)))
    path = pack.folder / "pack.toml"
    path.write_text(change(path.read_text()))
    with pytest.raises(RequestError, match=words):
        Pack.open(pack.folder)


def test_motion_and_an_autoencoder_may_be_in_several(own, tmp_path):
    for model, name in ((public.adapter(), "motion"), (public.vae(), "vae")):
        model.half().save_pretrained(tmp_path / name, max_shard_size="50KB")
    chosen = open_choice(Choice(str(own), motion=str(tmp_path / "motion"), vae=str(tmp_path / "vae")))
    assert chosen.named["keyframes"].shards and chosen.named["vae"].shards
    assert list(misfits(chosen)) == []


def test_what_an_index_may_be_called():
    assert index_names("model.safetensors") == ("model.safetensors.index.json",)
    names = ("model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json")
    assert index_names("model.fp16.safetensors") == names
    assert read_index({"weight_map": {"a": "x-1.safetensors"}}) == {"a": "x-1.safetensors"}
