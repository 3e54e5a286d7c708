"""Packs with other motion, LoRAs, autoencoders and words."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from tests import public
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice, write_choice
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import Pack

_ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(scope="module")
def sd(tmp_path_factory):
    return public.sd_folder(tmp_path_factory.mktemp("public") / "sd")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def files(tmp_path):
    """A file of each kind of addition."""
    half = torch.zeros(4, 32), torch.zeros(32, 4)

    def put(name, tensors):
        save_file(tensors, tmp_path / name)
        return str(tmp_path / name)

    state = {name: tensor.contiguous() for name, tensor in public.adapter().state_dict().items()}
    module = "down_blocks.0.motion_modules.0.transformer_blocks.0.attn1"
    return {
        "motion": put("mm.safetensors", state),
        "image": put(
            "style.safetensors",
            {f"unet.{_ATTENTION}.lora.{way}.weight": x for way, x in zip(("down", "up"), half, strict=True)},
        ),
        "kohya": put(
            "kohya.safetensors",
            {
                f"lora_unet_{_ATTENTION.replace('.', '_')}.lora_{way}.weight": x
                for way, x in zip(("down", "up"), half, strict=True)
            },
        ),
        "zoom": put(
            "zoom.safetensors",
            {
                f"{module}.processor.to_q_lora.{way}.weight": x
                for way, x in zip(("down", "up"), half, strict=True)
            },
        ),
        "vae": put("vae.safetensors", {k: v.contiguous() for k, v in public.vae().state_dict().items()}),
        "word": put("corgi.safetensors", {"<corgi>": torch.zeros(2, 32)}),
        "params": put("cat.safetensors", {"emb_params": torch.zeros(1, 32)}),
    }


def test_motion_makes_an_image_model_a_video_model(sd, files):
    pack = open_choice(Choice(str(sd), motion=files["motion"]))
    part = pack.named["keyframes"]
    assert (part.family, part.layout, part.config) == ("animatediff", "diffusers", "animatediff-v3")
    assert pack.named["schedule"].config == "animatediff" and pack.manifest.video.window == 16
    assert pack.manifest.hash != Pack.open(sd).manifest.hash
    assert pack.manifest.choice == Choice(str(sd), motion=files["motion"])


@pytest.mark.parametrize(
    ("name", "schedule", "steps", "sampler"),
    [
        ("animatediff_lightning_2step_diffusers", "lightning", 2, "ddim"),
        ("AnimateLCM_sd15_t2v", "lcm", 6, "lcm"),
        ("v3_sd15_mm", "animatediff", 25, "ddim"),
    ],
)
def test_distilled_modules_are_told_by_their_name(sd, files, tmp_path, name, schedule, steps, sampler):
    file = shutil.copy(files["motion"], tmp_path / f"{name}.safetensors")
    pack = open_choice(Choice(str(sd), motion=str(file)))
    assert pack.named["schedule"].config == schedule
    assert (pack.manifest.defaults.keyframe_steps, pack.manifest.defaults.scheduler) == (steps, sampler)


@pytest.mark.parametrize(
    ("positions", "middle", "config"),
    [(24, False, "animatediff-v1"), (32, True, "animatediff-v2"), (32, False, "animatediff-v3")],
)
def test_the_original_files_are_told_by_their_shapes(sd, tmp_path, positions, middle, config):
    start = "motion_modules.0.temporal_transformer"
    tensors = {
        f"down_blocks.0.{start}.transformer_blocks.0.attention_blocks.0.pos_encoder.pe": torch.zeros(
            1, positions, 32
        )
    }
    tensors |= {f"mid_block.{start}.norm.weight": torch.zeros(1)} if middle else {}
    torch.save({"state_dict": tensors}, tmp_path / "mm.ckpt")
    part = open_choice(Choice(str(sd), motion=str(tmp_path / "mm.ckpt"))).named["keyframes"]
    assert (part.layout, part.config) == ("original", config)


def test_loras_of_pictures_and_of_motion_are_told_apart(sd, files):
    pack = open_choice(
        Choice(
            str(sd), motion=files["motion"], loras=(f"{files['image']}:0.5", files["kohya"], files["zoom"])
        )
    )
    assert [(lora.to, lora.strength) for lora in pack.manifest.elsewhere.loras] == [
        ("image", 0.5),
        ("image", 1.0),
        ("motion", 1.0),
    ]
    words = list(pack.manifest.choice.words())
    assert (
        words[:2] == ["--pack", str(sd)] and f"{files['image']}:0.5" in words and words.count("--lora") == 3
    )


def test_strength_and_order_are_part_of_the_hash(sd, files):
    def hash_of(*loras):
        return open_choice(Choice(str(sd), loras=loras)).manifest.hash

    image, kohya = files["image"], files["kohya"]
    assert (
        len({hash_of(image), hash_of(f"{image}:0.5"), hash_of(kohya, image), Pack.open(sd).manifest.hash})
        == 4
    )
    assert hash_of(image) == hash_of(f"{image}:1")


def test_an_autoencoder_of_a_file_a_folder_and_a_decoder(sd, files, tmp_path):
    part = open_choice(Choice(str(sd), vae=files["vae"])).named["vae"]
    assert (part.config, part.layout) == ("sd15", "diffusers")
    public.save(public.vae(), tmp_path / "own", None)
    assert open_choice(Choice(str(sd), vae=str(tmp_path / "own"))).named["vae"].config_file == "config.json"
    svd = public.svd_folder(tmp_path / "svd")
    pack = open_choice(Choice(str(sd), vae=str(svd)))
    assert pack.named["decoder"].family == "svd-decoder" and pack.has("vae")


def test_words_are_called_as_their_file_says_or_is_called(sd, files):
    pack = open_choice(Choice(str(sd), embeddings=(files["word"], files["params"])))
    assert [one.token for one in pack.manifest.elsewhere.embeddings] == ["<corgi>", "cat"]


def test_a_written_choice_is_the_same_pack(sd, files, own_home, tmp_path):
    choice = Choice(str(sd), files["motion"], (f"{files['image']}:0.5",), files["vae"], (files["word"],))
    written = write_choice("mine", choice)
    assert written.folder == own_home / "packs/mine" and Pack.open("mine").name == "mine"
    assert written.manifest.hash == open_choice(choice).manifest.hash
    weights = [one for one in written.manifest.elsewhere.files if one.file.endswith(".safetensors")]
    assert weights and all(one.sha256 for one in weights)
    assert write_choice(str(tmp_path / "place"), choice).folder == tmp_path / "place"
    with pytest.raises(RequestError, match="already holds a pack"):
        write_choice("mine", choice)
    # and what lies elsewhere is watched
    save_file({"<corgi>": torch.ones(2, 32)}, files["word"])
    with pytest.raises(RequestError, match=r"corgi\.safetensors is another file than it was"):
        Pack.open("mine")


@pytest.mark.parametrize("name", ["toyland", "sd15-lightning"])
def test_names_of_packs_that_come_with_vldm_are_taken(sd, files, own_home, name):
    """The one would never be found, and the other be found in place of what its name promises."""
    with pytest.raises(
        RequestError, match=f"{name} is the name of a pack that comes with vldm; take another"
    ):
        write_choice(name, Choice(str(sd), motion=files["motion"]))
    assert not (own_home / "packs").exists()


def test_nothing_is_written_where_a_choice_is_none(sd, files, own_home):
    with pytest.raises(RequestError):
        write_choice("mine", Choice(str(sd), motion="nowhere.safetensors"))
    assert not (own_home / "packs").exists()


def test_a_pack_of_its_own_files_can_be_added_to_but_not_written(tiny_pack, files, own_home):
    pack = open_choice(Choice(str(tiny_pack.folder), loras=(files["image"],)))
    assert pack.manifest.files == tiny_pack.manifest.files and pack.manifest.hash != tiny_pack.manifest.hash
    with pytest.raises(RequestError, match="holds its files itself"):
        write_choice("mine", Choice(str(tiny_pack.folder), loras=(files["image"],)))


def test_a_relative_name_is_kept_whole(sd, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack = open_choice(Choice(str(sd), motion="mm.safetensors", loras=("style.safetensors:0.5",)))
    assert pack.manifest.choice.motion == files["motion"]
    assert pack.manifest.choice.loras == (f"{files['image']}:0.5",)
    assert Choice.read(pack.manifest.choice.as_table()) == pack.manifest.choice


@pytest.mark.parametrize(
    "table", [None, [], {}, {"pack": 3}, {"pack": "a", "loras": "x"}, {"pack": "a", "motion": ["x"]}]
)
def test_what_is_no_choice_is_none(table):
    assert Choice.read(table) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"motion": "nowhere.safetensors"}, "there is no nowhere.safetensors"),
        ({"motion": "no such/thing at all"}, "there is no no such/thing at all"),
        ({"motion": "owner/name"}, "fetch it with `vldm packs pull owner/name`"),
        ({"motion": "sd15-lightning"}, "fetch it with `vldm packs pull sd15-lightning`"),
        ({"motion": "@vae"}, "holds no motion modules"),
        ({"motion": "@zoom"}, "is a MotionLoRA"),
        ({"motion": "@folder"}, "holds no motion modules"),
        ({"loras": ["nowhere.safetensors"]}, "--lora nowhere.safetensors: there is no such file"),
        ({"loras": ["@image:strong"]}, "strong is no strength"),
        ({"loras": ["@image:"]}, "nothing is no strength"),
        ({"loras": ["@image:nan"]}, "nan is no strength"),
        ({"loras": ["@image:11"]}, "11 is no strength"),
        ({"loras": ["@folder"]}, "is a folder; name a file"),
        ({"loras": ["@vae"]}, "holds no LoRA"),
        ({"loras": ["@zoom"]}, "is a MotionLoRA, and pack sd has no motion modules"),
        ({"loras": ["@text"]}, "is no file of weights"),
        ({"loras": ["@pickle"]}, "weights-only"),
        ({"loras": ["@short"]}, "is truncated"),
        ({"vae": "nowhere"}, "there is no nowhere"),
        ({"vae": "@motion"}, "holds no autoencoder"),
        ({"vae": "@folder"}, "holds no autoencoder"),
        ({"vae": "@xl"}, "another latent space"),
        ({"vae": "@sixteen"}, "another latent space"),
        ({"embeddings": ["nowhere.pt"]}, "--embedding nowhere.pt: there is no such file"),
        ({"embeddings": ["@vae"]}, "holds no textual inversion"),
        ({"embeddings": ["@g"]}, "is for Stable Diffusion XL"),
        ({"motion": "~nobody-here"}, "there is no ~nobody-here"),
        ({"loras": ["~nobody-here"]}, "--lora ~nobody-here: there is no such file"),
        ({"loras": ["~nobody-here:0.5"]}, "--lora ~nobody-here: there is no such file"),
        ({"vae": "~nobody-here"}, "there is no ~nobody-here"),
        ({"embeddings": ["~nobody-here"]}, "--embedding ~nobody-here: there is no such file"),
        ({"motion": "x" * 256}, "--motion xxx"),
        ({"loras": ["x/" * 4000]}, "is longer than any file's name"),
        ({"vae": "é" * 128}, "is longer than any file's name"),
        ({"embeddings": ["x" * 5000]}, "--embedding xxx"),
    ],
)
def test_what_does_not_go_is_refused_in_a_sentence(sd, files, own_home, tmp_path, given, words):
    class Payload:
        def __reduce__(self):
            return print, ("code was run",)

    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("no weights")
    (tmp_path / "short.safetensors").write_bytes(b"\x10")
    torch.save(Payload(), tmp_path / "pickle.ckpt")
    public.save(public.vae(scale=0.13025), tmp_path / "xl", None)
    save_file({"decoder.conv_in.weight": torch.zeros(8, 16, 3, 3)}, tmp_path / "sixteen.safetensors")
    save_file({"clip_g": torch.zeros(1, 64), "clip_l": torch.zeros(1, 32)}, tmp_path / "g.safetensors")
    own = {
        "folder": tmp_path / "folder",
        "text": tmp_path / "text.txt",
        "short": tmp_path / "short.safetensors",
        "pickle": tmp_path / "pickle.ckpt",
        "xl": tmp_path / "xl",
        "sixteen": tmp_path / "sixteen.safetensors",
        "g": tmp_path / "g.safetensors",
        **files,
    }

    def named(word):
        if not word.startswith("@"):
            return word
        name, colon, strength = word[1:].partition(":")
        return f"{own[name]}{colon}{strength}"

    given = {
        key: named(value) if isinstance(value, str) else tuple(map(named, value))
        for key, value in given.items()
    }
    with pytest.raises(RequestError) as error:
        open_choice(Choice(str(sd), **given))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_name_longer_than_any_files_is_no_pack():
    for name in ("x" * 300, "x/" * 3000):
        with pytest.raises(RequestError, match=r"--pack x.* is longer than any file's name"):
            open_choice(Choice(name))


@pytest.mark.parametrize("name", ["~nobody-here", "~nobody-here/pack"])
def test_a_home_of_nobodys_is_no_pack(name):
    with pytest.raises(RequestError, match=f"there is no pack {name}"):
        open_choice(Choice(name))


def test_motion_wants_an_image_model(tmp_path, files):
    svd = public.svd_folder(tmp_path / "svd")
    with pytest.raises(RequestError, match="--motion goes with an image model"):
        open_choice(Choice(str(svd), motion=files["motion"]))


def test_two_homes_of_a_part_are_refused(sd, tmp_path, own_home):
    folder = write_choice(str(tmp_path / "mine"), Choice(str(sd))).folder
    text = (folder / MANIFEST).read_text().replace("[parts.vae]", '[parts.vae]\nhub = "a/b"')
    (folder / MANIFEST).write_text(text)
    with pytest.raises(RequestError, match="both hub and path"):
        Pack.open(folder)


def test_the_licence_is_that_of_all_parts(sd, tmp_path, own_home):
    written = write_choice("mine", Choice(str(sd)))
    path = written.folder / MANIFEST
    text = path.read_text().replace('licence = "not stated"', 'licence = "OpenRAIL++-M"')
    path.write_text(text.replace("[parts.vae]", '[parts.vae]\nlicence = "CC-BY-NC-4.0"'))
    assert open_choice(Choice(str(sd), vae="mine")).manifest.licence == "CC-BY-NC-4.0"
    assert open_choice(Choice("mine", vae="mine")).manifest.licence == "OpenRAIL++-M, CC-BY-NC-4.0"
