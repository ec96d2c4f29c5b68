"""The contacts before a broadcast is made of them: as they were read, as often as one likes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.errors import SettingsError
from broadcast.core.model import Contact
from broadcast.core.peers import parse_peer
from broadcast.people import audience as module
from broadcast.people.audience import Audience, kept_contact

if TYPE_CHECKING:
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
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(module, "IN_MEMORY", 10)
    contacts = Audience(replace(BARE, line=line) for line in range(100))
    assert [contact.line for contact in contacts] == list(range(100))


READ_ALL = """
import resource, sys
from pathlib import Path
from broadcast.people.lists import load_audience
audience = load_audience(Path(sys.argv[1]))
print(sum(1 for _ in audience), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells no peak")
def test_ten_times_as_many_contacts_take_hardly_more_memory(tmp_path: Path) -> None:
    """Measured as the peak of a process that reads a list and goes through the audience."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.csv"
        rows = (f"{10**9 + number},Ana {number},{number:0200}" for number in range(count))
        path.write_text("\n".join(["peer,name,about", *rows]))
        # By way of a shell: a child of this process would start with the peak of this process.
        command = ["sh", "-c", '"$0" -c "$1" "$2"; exit', sys.executable, READ_ALL, str(path)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert int(told[0]) == count
        return int(told[1]) * (1 if sys.platform == "darwin" else 1024)

    few, many = peak(20_000), peak(200_000)
    assert many - few < 10_000_000  # who was listed takes 14 bytes each; in memory all takes 50 MB


def test_a_full_disk_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))  # as good as a full one
    monkeypatch.setattr(module, "IN_MEMORY", 10)
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
