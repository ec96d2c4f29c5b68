"""The contacts before a broadcast is made of them: as they were read, as often as one likes."""

from __future__ import annotations

import gc
import json
import tempfile
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import SettingsError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.people import audience as spool
from broadcast.people.audience import Audience
from broadcast.people.stored import kept_contact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANA = Contact(parse_peer("@Ana"), "Ana", ("best",), {"city": "Köln"}, 7, {"silent": True})
BARE = Contact(parse_peer("123456789"), line=9)


def test_they_are_what_was_put_in_and_can_be_read_again_and_again() -> None:
    contacts = Audience(iter([ANA, BARE]))
    assert len(contacts) == 2
    assert list(contacts) == list(contacts) == [ANA, BARE]
    assert ANA in contacts
    assert replace(ANA, line=8) not in contacts
    assert list(zip(contacts, contacts, strict=True)) == [(ANA, ANA), (BARE, BARE)]
    assert list(Audience()) == []


@pytest.mark.parametrize("at", [0, 3, 6])
def test_whether_somebody_gets_another_message_is_known_without_looking(at: int) -> None:
    people = [replace(BARE, line=line) for line in range(7)]
    assert not Audience(people).any_overrides
    people[at] = ANA
    assert Audience(people).any_overrides


def test_a_long_list_lies_in_a_file_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "CHUNK", 3)
    monkeypatch.setattr(spool, "IN_MEMORY", 10)
    contacts = Audience(replace(BARE, line=line) for line in range(100))
    assert [contact.line for contact in contacts] == list(range(100))


def test_their_number_costs_next_to_no_memory() -> None:
    def people(count: int) -> Iterator[Contact]:
        for number in range(count):
            yield Contact(parse_peer(str(10**9 + number)), f"Ana {number}", fields={"city": "Köln"})

    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        contacts = Audience(people(count))
        assert sum(1 for _ in contacts) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(2 * spool.CHUNK), peak(8 * spool.CHUNK)
    assert many - few < spool.IN_MEMORY + 30 * spool.CHUNK  # 600 bytes each as contacts


def test_a_full_disk_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))  # as good as a full one
    monkeypatch.setattr(spool, "IN_MEMORY", 10)
    with pytest.raises(SettingsError, match=r"do not fit into .*gone .*TMPDIR=.*nothing was sent"):
        Audience([ANA])


texts = st.text(max_size=20)


@given(texts, st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=3))
def test_what_is_kept_of_a_contact_is_json(
    name: str, tags: list[str], fields: dict[str, str]
) -> None:
    """It is written without an encoder, and must not differ from what one writes."""
    _, more = kept_contact(Contact(BARE.peer, name, tuple(tags), fields))
    given = {"name": name, "tags": tags, "fields": fields}
    expected = {key: value for key, value in given.items() if value}
    told = json.dumps(expected, ensure_ascii=False, separators=(",", ":")) if expected else None
    assert more == told
