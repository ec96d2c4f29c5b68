"""What a name is compared as."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.spelling import same
from tests.spellings import names, spellings_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José", "Jose\u0301"),
        ("Ana Ruiz", " ana\u00a0 RUIZ\t"),
        ("vip", "vip\u200b"),
        ("vip", "\ufeffV\u00adip"),
        ("straße", "STRASSE"),
        ("Ana\u3000Ruiz", "Ana\u2009Ruiz"),
        ("❤\ufe0f", "❤"),
    ],
)
def test_two_spellings_of_one_name_are_compared_as_the_same(one: str, other: str) -> None:
    assert same(one) == same(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Jose", "José"), ("ana", "anna"), ("a b", "ab"), ("1", "2"), ("x-y", "xy")]
)
def test_two_names_stay_two(one: str, other: str) -> None:
    assert same(one) != same(other)


def test_what_a_character_is_compared_as_is_compared_as_itself() -> None:
    for code in range(sys.maxunicode + 1):
        once = same(chr(code))
        assert same(once) == once, hex(code)


@given(st.text())
def test_what_a_text_is_compared_as_is_compared_as_itself(text: str) -> None:
    assert same(same(text)) == same(text)


@given(st.data(), names)
def test_no_spelling_of_a_name_makes_it_another(data: st.DataObject, name: str) -> None:
    assert same(data.draw(spellings_of(name))) == same(name)
