"""CLIP's tokenizer, bundled or of a folder: the ids of transformers' own."""

import json

import pytest
from transformers import CLIPTokenizer

from tests.packs.named import public
from vldm_cli.errors import RequestError
from vldm_cli.packs import clip
from vldm_cli.packs.words import ClipWords, Words

TEXTS = [
    "a corgi surfing at sunset",
    "A  Photo of a Corgi, 8k (masterpiece:1.2) [bad]!",
    "it's 42 balls; I'LL can't won't O'Neill's",
    "été naïve 漢字 🎈 ﬁ ½ ⅷ 𝕏",
    "tab\tnew\nline\u00a0space",
    "",
    "<|endoftext|> red <|startoftext|>",
    "word " * 100,
]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """transformers' tokenizer of the bundled vocabulary, its files as in Stable Diffusion's repositories."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "vocab.json").write_text(json.dumps(clip.bundled().get_vocab()))
    lines = [" ".join(pair) for pair in clip._merges()]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 77, "pad_token": "<|endoftext|>"})
    )
    return folder


def padded(tokenizer, prompt):
    return tokenizer(prompt, padding="max_length", truncation=True, max_length=77).input_ids


def pack_with(folder, **tokenizer):
    public.text(tokens=49408, layers=1).config.save_pretrained(folder / "t")
    config = json.loads((folder / "t" / "config.json").read_text())
    (folder / "t" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 77}))
    text = {"path": str(folder), "file": "t/model.safetensors"}
    return public.named(folder / "p", {"text": text, "tokenizer": tokenizer}, check=False)


def test_the_bundled_vocabulary_is_clips():
    tokens = clip.bundled().get_vocab()
    assert len(tokens) == 49408 and (tokens["!"], tokens[clip.START], tokens[clip.END]) == (0, 49406, 49407)
    # known ids, of OpenAI's own: "a photo of a cat"
    assert [tokens[f"{word}</w>"] for word in ("a", "photo", "of", "cat")] == [320, 1125, 539, 2368]


@pytest.mark.parametrize(("config", "pad"), [("clip-sd15", "<|endoftext|>"), ("clip-sd21", "!")])
def test_ids_are_transformers(stock, tmp_path, config, pad):
    theirs = CLIPTokenizer.from_pretrained(stock, pad_token=pad)
    words = Words.of(pack_with(tmp_path, config=config))
    assert isinstance(words, ClipWords) and words.max_words == 75 and words.cuts
    for text in TEXTS:
        assert words.ids(text) == padded(theirs, text), text
        assert words.count(text) == len(theirs(text).input_ids) - 2
        assert words.unknown(text) == words.strange(text) == []


def test_a_folders_own_files(stock, tmp_path):
    words = Words.of(pack_with(tmp_path, path=str(stock), file="vocab.json"))
    theirs = CLIPTokenizer.from_pretrained(stock)
    assert all(words.ids(text) == padded(theirs, text) for text in TEXTS)


def test_a_tokenizer_as_newer_transformers_save_it(stock, tmp_path):
    theirs = CLIPTokenizer.from_pretrained(stock, pad_token="!")
    theirs.save_pretrained(tmp_path / "new")
    assert (tmp_path / "new" / "tokenizer.json").exists()
    words = Words.of(pack_with(tmp_path, path=str(tmp_path / "new"), file="tokenizer.json"))
    assert all(words.ids(text) == padded(theirs, text) for text in TEXTS)


@pytest.mark.parametrize(
    ("files", "pad"),
    [
        (
            {"special_tokens_map.json": "!", "tokenizer_config.json": "<|endoftext|>"},
            "!",
        ),  # Stable Diffusion 2's
        ({"special_tokens_map.json": {"content": "!", "lstrip": False}}, "!"),
        ({"tokenizer_config.json": "!"}, "!"),
        ({"special_tokens_map.json": None, "tokenizer_config.json": "!"}, "!"),
        ({"tokenizer_config.json": None}, "<|endoftext|>"),
    ],
)
def test_how_prompts_are_filled_up_is_the_folders(stock, tmp_path, files, pad):
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).symlink_to(stock / name)
    for name, token in files.items():
        (tmp_path / name).write_text(json.dumps({"pad_token": token, "model_max_length": 10**30}))
    words = Words.of(pack_with(tmp_path, path=str(tmp_path), file="vocab.json"))
    ids = words.ids("a")
    assert len(ids) == 77 and ids[-1] == clip.bundled().token_to_id(pad)


def test_a_folder_that_does_not_say_needs_a_configuration(stock, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).symlink_to(stock / name)
    with pytest.raises(RequestError, match=r"has neither special_tokens_map.*clip-sd15 or clip-sd21"):
        Words.of(pack_with(tmp_path, path=str(tmp_path), file="vocab.json"))
    words = Words.of(pack_with(tmp_path, path=str(tmp_path), file="vocab.json", config="clip-sd21"))
    assert words.ids("a")[-1] == 0


def test_what_a_long_prompt_leaves_out_is_told(tmp_path):
    words = Words.of(pack_with(tmp_path, config="clip-sd15"))
    long = "red " * 75 + "Ball, and more"
    assert words.count(long) == 79 and words.left_out(long) == "Ball, and more"
    assert words.left_out("red " * 75) == "" and words.left_out("") == ""
    assert words.ids(long) == words.ids("red " * 75)


def test_a_pattern_that_may_take_for_ever_is_refused(stock, tmp_path):
    CLIPTokenizer.from_pretrained(stock).save_pretrained(tmp_path / "new")
    path = tmp_path / "new" / "tokenizer.json"
    table = json.loads(path.read_text())
    table["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(a+)+b"},
        "behavior": "Removed",
        "invert": False,
    }
    path.write_text(json.dumps(table))
    with pytest.raises(RequestError, match="may take for ever"):
        Words.of(pack_with(tmp_path, path=str(tmp_path / "new"), file="tokenizer.json"))
