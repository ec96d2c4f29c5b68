"""A law: for any two spellings of one name, every place that compares treats them alike."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from broadcast.core.errors import Problem, SelectorError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.core.spelling import same
from broadcast.forms.entries import KEYS
from broadcast.message.placeholders import fill
from broadcast.message.templates import names_of, template
from broadcast.people.contacts import Kind, read_contacts
from broadcast.people.selectors import select
from tests.spellings import names, spellings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 12, 4, tzinfo=UTC)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two spellings of one name."""
    name = draw(names.filter(lambda name: same(name) not in KEYS))
    return draw(spellings_of(name)), draw(spellings_of(name))


def chosen(contact: Contact, to: str = "", exclude: str = "") -> bool:
    """Whether `contact` is chosen by `--to` or left in by `--exclude`."""
    try:
        list(select([contact], [to] if to else [], [exclude] if exclude else []))
    except SelectorError as error:
        return "nobody is left" in str(error) and bool(exclude)
    return True


@given(pairs())
def test_a_name_or_a_tag_is_chosen_and_left_out_in_any_spelling(pair: tuple[str, str]) -> None:
    written, asked = pair
    for contact in (Contact(parse_peer("me"), written), Contact(parse_peer("me"), "", (written,))):
        assert chosen(contact, to=asked)
        assert chosen(contact, exclude=asked)  # it matches somebody


@given(names, st.data())
def test_a_selector_with_a_comma_matches_a_whole_name_in_any_spelling(
    name: str, data: st.DataObject
) -> None:
    written, asked = (data.draw(spellings_of(f"{name}, X")) for _ in range(2))
    assert chosen(Contact(parse_peer("me"), written), to=asked)


@given(pairs())
def test_a_template_finds_tags_and_fields_in_any_spelling(pair: tuple[str, str]) -> None:
    written, asked = pair
    contact = Contact(parse_peer("me"), "", (written,), {written: "yes"})
    literal = json.dumps(asked, ensure_ascii=False)
    source = (
        f"{{{{ {literal} in tags }}}} {{{{ {literal} in tags[:1] }}}} {{{{ {literal} in fields }}}}"
        f" {{{{ {literal} not in tags }}}} {{{{ fields[{literal}] }}}}"
    )
    assert fill(*template(source).render(names_of(contact, NOW))) == "True True True False yes"


@given(pairs())
def test_a_template_finds_the_name_of_a_field_in_any_spelling(pair: tuple[str, str]) -> None:
    written, asked = pair
    asked = asked.strip()
    assume(asked.isidentifier())
    assume(same(asked) not in ("fields", "now", "tags", "range", "not", "if", "in", "is"))
    contact = Contact(parse_peer("me"), "", (), {written: "yes"})
    for source in (f"{{{{ {asked} }}}}", f"{{% set x = {asked} %}}{{{{ X }}}}"):
        assert fill(*template(source).render(names_of(contact, NOW))) == "yes"


def listed(entry: Mapping[str, object] | list[tuple[str, str]], kind: Kind) -> list[str]:
    """What is said of a list of one entry; of CSV the columns."""
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text).writerows(zip(*entry, strict=True))
        raw = text.getvalue().encode()
    else:
        raw = json.dumps(entry).encode()
    found = list(read_contacts(io.BytesIO(raw), source="list", kind=kind))
    return [item.message for item in found if isinstance(item, Problem)]


@given(pairs())
def test_a_field_that_is_given_twice_is_seen_in_any_spelling(pair: tuple[str, str]) -> None:
    assume(pair[0] != pair[1])
    told = listed({"peer": "me", "fields": dict.fromkeys(pair, "x")}, "jsonl")
    assert any("is given twice" in each for each in told), told
    told = listed([("peer", "me"), (pair[0], "x"), (pair[1], "y")], "csv")
    assert any("two columns are called" in each for each in told), told


@given(st.sampled_from(["peer", "name", "tags"]).flatmap(spellings_of))
def test_a_key_and_a_column_are_known_in_any_spelling(key: str) -> None:
    others = {"peer": "me"} if same(key) != "peer" else {}
    assert listed({**others, key: "me"}, "jsonl") == []
    assert listed([*others.items(), (key, "me")], "csv") == []
    assert any(
        "a field cannot be called" in told
        for told in listed({"peer": "me", "fields": {key: "x"}}, "jsonl")
    )


@given(pairs())
def test_a_tag_in_two_spellings_is_one_tag(pair: tuple[str, str]) -> None:
    entry = json.dumps({"peer": "me", "tags": list(pair)}).encode()
    (contact,) = read_contacts(io.BytesIO(entry), source="list", kind="jsonl")
    assert isinstance(contact, Contact)
    assert len(contact.tags) == 1


@pytest.mark.parametrize("written", ["@ana", "+34600000001", "https://t.me/ana", "123456789"])
@given(data=st.data())
def test_a_peer_is_the_same_with_invisible_characters(written: str, data: st.DataObject) -> None:
    assert parse_peer(data.draw(spellings_of(written))).key == parse_peer(written).key
