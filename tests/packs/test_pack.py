import shutil

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import MANIFEST, read_manifest
from vldm_cli.packs.pack import PARTS, UPSCALERS, Pack, file_sha256
from vldm_cli.packs.save import seal

UNET = PARTS["unet"]
NOT_IN_NEW_PACKS = ("upscaler_pixel_own", "upscaler_frame_temporal")


@pytest.fixture
def copy(tiny_pack, tmp_path):
    return shutil.copytree(tiny_pack.folder, tmp_path / "tiny")


def test_manifest_lists_every_file_but_itself(tiny_pack):
    there = {p.relative_to(tiny_pack.folder).as_posix() for p in tiny_pack.folder.rglob("*") if p.is_file()}
    assert set(tiny_pack.manifest.files) == there - {MANIFEST}


def test_has_names_what_is_there(tiny_pack):
    assert {part for part in PARTS if tiny_pack.has(part)} == set(PARTS) - {"probe", *NOT_IN_NEW_PACKS}
    assert tiny_pack.upscalers == tuple(UPSCALERS)


def test_missing_file_is_named_with_its_remedy(copy):
    (copy / UNET).unlink()
    with pytest.raises(RequestError, match=rf"{UNET} is missing; .*vldm packs check"):
        Pack.open(copy)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_file_is_named(copy, keep):
    data = (copy / UNET).read_bytes()
    (copy / UNET).write_bytes(data[:keep])
    with pytest.raises(RequestError, match=rf"{UNET} is truncated; .*vldm packs check"):
        Pack.open(copy)


@pytest.mark.parametrize("name", [UNET, "tokenizer/tokenizer.json", "scheduler/scheduler_config.json"])
def test_one_changed_byte_is_noticed(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(RequestError, match=rf"{name} is damaged \(wrong checksum\); .*vldm packs check"):
        Pack.open(copy)
    assert Pack.open(copy, check=False).name == "tiny"


def test_a_pack_may_be_handed_on_without_its_probe(copy):
    """Which is listed, and which nothing reads that makes videos; a part of a probe is a damaged one."""
    folder = copy / "probe"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    manifest = copy / MANIFEST
    listed = f'"probe/config.json" = "{file_sha256(folder / "config.json")}"\n'
    listed += f'"probe/diffusion_pytorch_model.safetensors" = "{"0" * 64}"\n'
    manifest.write_text(manifest.read_text().replace("[files]\n", f"[files]\n{listed}"))
    with pytest.raises(RequestError, match="probe/diffusion_pytorch_model"):
        Pack.open(copy)
    shutil.rmtree(folder)
    assert not Pack.open(copy).has("probe")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(RequestError, match="no pack nonesuch; known packs"):
        Pack.open("nonesuch")


def test_a_folder_without_manifest_is_no_pack(tmp_path):
    with pytest.raises(RequestError, match=r"neither a pack\.toml nor a model_index\.json"):
        Pack.open(tmp_path)


@pytest.mark.parametrize("text", ["not toml [", 'name = "x"\n', ""])
def test_a_broken_manifest_is_a_request_error(copy, text):
    (copy / MANIFEST).write_text(text)
    with pytest.raises(RequestError, match="no usable manifest"):
        Pack.open(copy)


def test_sealing_changes_nothing_when_nothing_changed(copy):
    before = (copy / MANIFEST).read_text()
    seal(copy)
    assert (copy / MANIFEST).read_text() == before


def test_sealing_takes_in_changes_and_changes_the_hash(copy):
    before = read_manifest(copy).hash
    path = copy / "scheduler/scheduler_config.json"
    path.write_text(path.read_text() + "\n")
    seal(copy)
    assert Pack.open(copy).manifest.hash != before


def test_other_files_in_the_folder_do_not_belong_to_the_pack(copy):
    (copy / "notes.txt").write_text("training notes")
    (copy / "unet" / ".half.tmp").write_text("a writer that died")
    seal(copy)
    assert not {"notes.txt", "unet/.half.tmp"} & set(Pack.open(copy).manifest.files)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("shared_noise = 1.5", r"shared_noise.*not 1\.5"),
        ("timestep_shift = 0.0", r"timestep_shift.*not 0\.0"),
        ("timestep_last = 1000", r"timestep_last.*not 1000"),
        ('upscale_space = "fourier"', "pixel, latent, frame, not fourier"),
    ],
)
def test_a_default_that_is_none_is_refused(copy, line, words):
    path = copy / "pack.toml"
    name = line.split(" = ")[0]
    lines = [old for old in path.read_text().splitlines() if not old.startswith(name)]
    path.write_text("\n".join(lines).replace("[defaults]", f"[defaults]\n{line}"))
    with pytest.raises(RequestError, match=words):
        Pack.open(copy, check=False)


def test_a_pack_that_names_no_space_upscales_in_pixels(copy):
    path = copy / "pack.toml"
    path.write_text(path.read_text().replace('upscale_space = "pixel"\n', ""))
    assert read_manifest(copy).defaults.upscale_space == "pixel"


def test_an_upscaler_is_all_of_its_parts(copy):
    (copy / PARTS["upscaler_latent_vae"]).unlink()
    pack = Pack.open(copy, check=False)
    assert pack.upscalers == ("pixel",) and pack.upscales
    path = copy / "pack.toml"
    path.write_text(path.read_text().replace('upscale_space = "pixel"', 'upscale_space = "latent"'))
    assert not Pack.open(copy, check=False).upscales
