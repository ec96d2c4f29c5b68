"""Phone numbers as people write them, and those that have lost their +."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.asker import Ask, Question
from broadcast.core.model import PeerKind
from broadcast.core.peers import PeerError
from broadcast.people.lists import load_audience
from broadcast.people.phones import read_peer

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [
    phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
]


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A number of some country in E.164, and as a person might write it."""
    number = draw(st.sampled_from([number for number in NUMBERS if number]))
    wanted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    start = draw(st.sampled_from(["+", "00"]))
    text = start + wanted[1:]
    for at in sorted(draw(st.sets(st.integers(3, len(text) - 1), max_size=4)), reverse=True):
        text = text[:at] + draw(st.sampled_from([" ", "-", ".", "\u00a0", "\u2011"])) + text[at:]
    return wanted, text


@given(written())
def test_a_number_of_any_country_is_the_same_however_it_is_written(pair: tuple[str, str]) -> None:
    wanted, text = pair
    assert read_peer(text).value == wanted
    assert read_peer(read_peer(text).text) == read_peer(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("0044 (0) 20 7946 0018".replace("(0) ", "(0)"), "+442079460018"),
        ("+34 (0)600 000 001", "+34600000001"),
        ("+39 (0)6 1234567", "+39061234567"),  # in Italy the 0 is part of the number
    ],
)
def test_a_zero_that_is_dialled_at_home_alone_is_left_out(text: str, wanted: str) -> None:
    assert read_peer(text).key == f"phone:{wanted}"


@pytest.mark.parametrize("text", ["+44 (0)20", "+999 (0)12345678", "(0)12345678", "@ana (0)"])
def test_a_zero_in_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        read_peer(text)


def doubts(path: Path, *peers: str, to: str = "") -> tuple[Question, ...]:
    rows = "".join(f"{peer},{'x' if number else 'first'}\n" for number, peer in enumerate(peers))
    (path / "list.csv").write_text("peer,tags\n" + rows)
    return load_audience(path / "list.csv", [to] if to else []).doubts


def test_numbers_that_are_too_long_for_ids_are_asked_about_with_their_lines(tmp_path: Path) -> None:
    (question,) = doubts(tmp_path, "@ana", *(f"3460000000{n}" for n in range(5)), "123456789")
    assert (question.code, question.count) == (Ask.BARE_NUMBERS, 5)
    assert "34600000000 (line 3), 34600000001 (line 4), 34600000002 (line 5), …" in question.told
    assert question.is_doubt


@pytest.mark.parametrize(
    ("with_plus", "bare"),
    [
        ("+34600000001", "600000002"),  # without the country's code
        ("+4520123456", "4520123457"),  # with it: ten digits, as an id may have
        ("+12125550100", "2125550101"),
        ("0034600000001", "34600000002"),
    ],
)
def test_a_number_of_a_country_of_the_list_is_asked_about(
    tmp_path: Path, with_plus: str, bare: str
) -> None:
    (question,) = doubts(tmp_path, with_plus, bare, "me")
    assert question.count == 1
    assert f"{bare} (line 3)" in question.told
    assert "As written it is an id, perhaps of a stranger: " in question.told
    assert doubts(tmp_path, with_plus, bare, to="x") == (question,)  # the list has the evidence
    assert doubts(tmp_path, with_plus, bare, to="first") == ()  # and nobody of them is chosen


@pytest.mark.parametrize(
    "peers",
    [
        ["123456789", "8512345678", "me", "@ana"],
        ["+34600000001", "123456789"],
        ["+34600000001", "1"],
        ["-1001234567890", "https://t.me/c/12345678901/1"],
        ["tg://user?id=34600000001"],  # whoever writes that means an id
        ["+999123456", "123456789"],
    ],
)
def test_ids_among_other_recipients_are_not_asked_about(tmp_path: Path, peers: list[str]) -> None:
    assert doubts(tmp_path, *peers) == ()


@given(st.integers(10**10, 2**53))
def test_no_number_of_more_than_ten_digits_goes_out_unasked(number: int) -> None:
    from broadcast.people.audience import Audience  # noqa: PLC0415
    from broadcast.people.contacts import read_contacts  # noqa: PLC0415
    from broadcast.people.phones import BareNumbers  # noqa: PLC0415

    bare = BareNumbers()
    found = read_contacts(io.BytesIO(f"{number}\n".encode()), source="list", kind="jsonl")
    audience = Audience(bare.seen(found))  # type: ignore[arg-type]
    assert [one.peer.kind for one in audience] == [PeerKind.ID]
    assert [question.count for question in bare.doubts(audience)] == [1]


def test_a_list_of_ids_and_names_does_not_load_the_numbering_plans(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("peer,name\n123456789,A\n@ana,B\nme,C\n")
    code = (
        "import sys, pathlib; from broadcast.people.lists import load_audience; "
        f"load_audience(pathlib.Path({str(tmp_path / 'list.csv')!r}), ['me']); "
        "print('phonenumbers' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
