"""Misspelt words are taken for what the pack knows, and it is said."""

import pytest

from vldm_cli.packs.words import Words


@pytest.fixture(scope="module")
def words(tiny_pack):
    return Words.of(tiny_pack)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bleu", "blue"),  # swapped
        ("gras", "grass"),  # left out
        ("balll", "ball"),  # put in
        ("greem", "green"),  # changed
        ("grsas", "grass"),
        ("zebra", None),
        ("rad", None),  # too short to tell
        ("bill", None),
    ],
)
def test_one_slip(words, typed, meant):
    assert words.meant(typed) == meant


def test_a_misspelt_prompt_is_read_as_it_was_meant(words):
    assert words.ids("A Bleu balll, on GRAS.") == words.ids("a blue ball, on grass.")
    assert words.ids("a zebra") != words.ids("a ball")


def test_what_is_strange_is_said_with_what_it_is_taken_for(words):
    assert words.strange("a bleu zebra on grass") == ["bleu (taken for blue)", "zebra"]
    assert words.unknown("a bleu zebra") == ["bleu", "zebra"]
    assert words.strange("a blue ball") == []
