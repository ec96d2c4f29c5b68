"""The rows of `--json` as a contact list: `broadcast show --failed --json > failed.jsonl`."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import Problem
from broadcast.core.model import Contact, Delivery, Failed, Message, Record, Status
from broadcast.core.peers import parse_peer
from broadcast.people.contacts import read_contacts
from broadcast.report.json_rows import delivery_row

if TYPE_CHECKING:
    from collections.abc import Iterable

PEERS = ["@ana", "https://t.me/Ben_X", "+34 600 000 001", "7000000000", "-1001234567890", "me"]
HELLO = Message("I bought a car!")
texts = st.text(max_size=12)
entries = st.fixed_dictionaries(
    {"peer": st.sampled_from(PEERS)},
    optional={
        "name": texts,
        "tags": st.lists(texts, max_size=3),
        "fields": st.dictionaries(texts, texts, max_size=3),
    },
)


def read(rows: Iterable[dict[str, Any]]) -> list[Contact | Problem]:
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    return list(read_contacts(io.BytesIO(lines.encode()), source="failed.jsonl", kind="jsonl"))


def reported(contact: Contact, part: int = 0) -> dict[str, Any]:
    failed = Failed("USER_IS_BLOCKED", "this person has blocked you")
    delivery = Delivery("b1", 0, contact, HELLO, part=part)
    return delivery_row(Record(delivery, Status.FAILED, failed))


def same_as(contact: Contact) -> tuple[object, ...]:
    return (contact.peer, contact.name, contact.tags, dict(contact.fields))


@given(st.lists(entries, max_size=6))
def test_whoever_is_reported_can_be_listed_again(listed: list[dict[str, Any]]) -> None:
    before = [each for each in read(listed) if isinstance(each, Contact)]
    again = read([*map(reported, before), {"type": "summary", "sent": 0}])
    if before:
        assert [same_as(each) for each in again if isinstance(each, Contact)] == [
            same_as(each) for each in before
        ]
        assert len(again) == len(before)
    else:
        assert [str(problem) for problem in again] == ["failed.jsonl:1: this list is empty"]


def test_a_message_of_their_own_is_not_lost_without_a_word() -> None:
    contact = Contact(parse_peer("@ana"), overrides={"text": "Only for you"})
    row = reported(contact)
    assert "Only for you" not in json.dumps(row)
    (problem,) = read([row])
    assert isinstance(problem, Problem)
    assert problem.is_error
    assert "--to" in problem.message


def test_a_row_of_something_else_is_no_recipient() -> None:
    (problem,) = read([{"type": "broadcast", "broadcast": "b1"}])[:1]
    assert isinstance(problem, Problem)
