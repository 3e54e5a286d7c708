"""Lists in files: what is in them, and one sentence with the number of the line for what cannot be read."""

import json

import pytest

from vldm_cli.api.many import lists
from vldm_cli.api.many.prompts import KNOWN
from vldm_cli.errors import RequestError


@pytest.fixture
def read(tmp_path):
    """read(contents, name) → the lines, as a dictionary each."""

    def call(contents, name="list.txt"):
        path = tmp_path / name
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        return [line.told for line in lists.read(path, "prompt", KNOWN)]

    return call


def test_a_prompt_a_line(read):
    contents = "\ufeffa red ball\r\n\r\n  # a comment\ra blue cube \n\ta cone\u2028on grass"
    assert read(contents) == [{"prompt": p} for p in ("a red ball", "a blue cube", "a cone\u2028on grass")]


def test_json_objects_among_them(read):
    contents = (
        'a ball\n{"prompt": "{x}", "seed": 7, "context-guidance": 1.5, "upscale": false, "out": null}\n'
    )
    wanted = {"prompt": "{x}", "seed": 7, "context_guidance": 1.5, "upscale": False}
    assert read(contents, "list.jsonl") == [{"prompt": "a ball"}, wanted]


def test_toml(read):
    contents = (
        '[[video]]\nprompt = "a ball"\nfps = "24000/1001"\n\n[[video]]\nprompt = """\na cube"""\nframes = 3\n'
    )
    wanted = [{"prompt": "a ball", "fps": "24000/1001"}, {"prompt": "a cube", "frames": 3}]
    assert read(contents, "LIST.TOML") == wanted


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ("", "has no prompt in it"),
        ("# only this\n\n", "has no prompt in it"),
        (b"a\nb\r\nc\xff", "line 3 of"),
        ("a ball".encode("utf-16"), "is UTF-16"),
        ("a\n\x1b[2Jb", "line 2 of"),
        ("a\0b", "line 1 of"),
        ('a\n{"prompt": "b"', "line 2 of"),
        ('{"prompt": "b"} c', "line 1 of"),
        ('{"prompt": "b", "prompt": "c"}', "says prompt twice"),
        ('{"prompt": "b", "context-guidance": 1, "context_guidance": 2}', "twice"),
        ('{"seed": 3}', "has no prompt"),
        ('{"prompt": " "}', "prompt is"),
        ('{"prompt": "b", "out": "a\\u0000b"}', "out is 'a\\x00b'"),
        ('{"prompt": 3}', "prompt is 3, and a text is wanted"),
        ('{"prompt": "b", "frames": "3"}', "frames is the text 3, and a number is wanted"),
        ('{"prompt": "b", "frames": true}', "frames is True, and a number is wanted"),
        ('{"prompt": "b", "upscale": 1}', "upscale is 1, and true or false is wanted"),
        ('{"prompt": "b", "image": ["c"]}', "image is a list of 1"),
        (
            '{"prompt": "b", "sketch": ["c", 3]}',
            "sketch is a list of 2, and a text or a list of texts is wanted",
        ),
        ('{"prompt": "b", "frmaes": 3}', "has frmaes, which no video has; there are prompt, out"),
        ('{"prompt": "b", "\\u001b[2J": 3}', "has '\\x1b[2J'"),
        ('{"prompt": "b", "pack": "c"}', "give it as --pack"),
        ('{"prompt": "b", "seed": ' + "9" * 5000 + "}", "line 1 of"),
        ('{"prompt": ' + "[" * 100_000, "line 1 of"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(read, contents, words):
    with pytest.raises(RequestError) as told:
        read(contents)
    assert words in str(told.value) and "\n" not in str(told.value) and str(told.value).isprintable()


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ('[[video]]\nprompt = "a"\n\n[[video]]\nprmpt = "b"\n', "video 2 of {}, line 4, has prmpt"),
        ('[[video]]\nprompt = "a\n', "at line 2"),
        ('prompt = "a"\n', "has prompt outside of a video"),
        ('[video]\nprompt = "a"\n', "has video outside of a video"),
        ("", "has no prompt in it"),
        ("[[video]]\nprompt = 1979-05-27\n", "prompt is"),
    ],
)
def test_of_a_toml_file_too(read, tmp_path, contents, words):
    with pytest.raises(RequestError) as told:
        read(contents, "list.toml")
    assert words.format(tmp_path / "list.toml") in str(told.value)


def test_files_that_are_no_lists(tmp_path):
    for path, words in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(RequestError, match=words):
            lists.read(path if not isinstance(path, str) else tmp_path / path, "prompt", KNOWN)
    with pytest.raises(RequestError, match="more than 16 MiB"):
        lists.read(lists.Path("/dev/zero"), "prompt", KNOWN)


def test_ten_thousand_lines(read):
    many = [{"prompt": f"ball {number}", "seed": number} for number in range(10_000)]
    assert read("\n".join(map(json.dumps, many))) == many
