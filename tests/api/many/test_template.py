"""Names of many videos: places are filled in, and no two videos get one name."""

from pathlib import Path

import pytest

from vldm_cli.api.many.template import Template, check_different, out_template
from vldm_cli.errors import RequestError

PLACES = {"index": True, "prompt": False}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.mp4", "a.mp4"),
        ("{index}-{prompt}.mp4", "7-a-{red}-ball.mp4"),
        ("{index:04}/{{{prompt}}}.gif", "0007/{a-{red}-ball}.gif"),
        ("{index:3}", "007"),
    ],
)
def test_places_are_filled_in_once(text, name):
    assert Template(text, "--out", PLACES).fill({"index": 7, "prompt": "a-{red}-ball"}) == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{idx}",
            "{}",
            "{",
            "}",
            "{index",
            "{index:}",
            "{index:21}",
            "{index:999}",
            "{index:x}",
            "{index!r}",
        ),
        *("{prompt:3}", "{prompt.__class__}", "{index:0}", "{{index}", "{0}", "{\x1b[2J}"),
    ],
)
def test_others_are_refused(text):
    with pytest.raises(RequestError) as told:
        Template(text, "--out", PLACES)
    assert "--out" in str(told.value) and str(told.value).isprintable()


def test_a_name_without_places_and_suffix_is_a_folder(tmp_path):
    (tmp_path / "clips.v2").mkdir()
    for out, wanted in (
        (None, "{index}.mp4"),
        ("there", "there/{index}.mp4"),
        (tmp_path / "clips.v2", f"{tmp_path}/clips.v2/{{index}}.mp4"),
        ("a.mp4", "a.mp4"),
        ("there/{index}", "there/{index}"),
    ):
        assert out_template(out, "{index}.mp4", PLACES).text == wanted


def test_no_two_are_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for one, other in (("a.mp4", "a.mp4"), ("a.mp4", "./b/../a.mp4"), ("a.mp4", "link/a.mp4")):
        named = [("line 1", tmp_path / one, "--out"), ("line 2", Path(f"{tmp_path}/{other}"), "--preview")]
        with pytest.raises(RequestError, match=r"line 1 and line 2 are both to become .* into --preview"):
            check_different(named)
    with pytest.raises(RequestError, match="line 2 is to lie in"):
        check_different(
            [("line 1", tmp_path / "a", "--out"), ("line 2", tmp_path / "a" / "b" / "c.mp4", "--out")]
        )
    check_different([("line 1", tmp_path / "a.mp4", "--out"), ("line 2", tmp_path / "b" / "a.mp4", "--out")])
