"""Shows what has arrived in a sandbox, from what it keeps on disk; it needs no running sandbox."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from broadcast.core.moments import local
from broadcast.sandbox.answering import replay
from broadcast.sandbox.journal import Journal, files_beside, journal_in
from broadcast.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from broadcast.core.clock import Clock
    from broadcast.sandbox.memory.arrived import Delivered

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message that arrived in the sandbox: to whom, by name and by id. `at` is in UTC.

    `more` is everything that came with the text, ready for JSON; `shown` is all of it as text.
    """

    to: str
    id: int
    message_id: int
    text: str
    at: datetime
    more: Mapping[str, object] = field(default_factory=lambda: _NOTHING)

    def as_json(self) -> dict[str, object]:
        """The row as JSON: what came with the text is beside it."""
        return {
            "to": self.to,
            "id": self.id,
            "message_id": self.message_id,
            "text": self.text,
            "at": self.at.isoformat(),
            **self.more,
        }

    @property
    def shown(self) -> str:
        """The text, and below it what came with it."""
        told = ", ".join(_shown(name, value) for name, value in self.more.items())
        return "\n".join(part for part in (self.text, f"[{told}]" if told else "") if part)


def read_inbox(home: Path, clock: Clock, *, scheduled: bool = False) -> Iterator[InboxRow]:
    """What arrived in the sandbox that keeps its files in `home`, oldest first.

    With `scheduled` instead what still waits to be sent, the next one first. Raises SettingsError
    when the journal is damaged.
    """
    path = journal_in(home)
    if not path.exists():
        return
    world = World()
    replay(Journal(path), world, {})
    world.deliver_due(clock.utc().timestamp())
    for message in world.scheduled() if scheduled else world.inbox():
        at = datetime.fromtimestamp(message.date, UTC)
        more = _more(message)
        yield InboxRow(message.title, message.peer, message.message_id, message.text, at, more)


def clear_inbox(home: Path) -> None:
    """Forget everything that the sandbox in `home` received. Raises LockedError while it runs."""
    path = journal_in(home)
    if path.exists():
        with Journal(path):  # not while a sandbox uses it
            shutil.rmtree(files_beside(path), ignore_errors=True)
            path.unlink()


def _more(message: Delivered) -> dict[str, object]:
    """Everything that came with the text; what the message does not have is left out."""
    more: dict[str, object] = {}
    if file := message.file:
        more["file"] = {
            "kind": file.kind,
            "name": file.name,
            "size": file.size,
            "sha256": file.sha256,
        }
    if message.buttons:
        more["buttons"] = [
            [{"text": text, "url": url} for text, url in row] for row in message.buttons
        ]
    if origin := message.forwarded_from:
        more["forwarded_from"] = {"id": origin.peer, "message_id": origin.message_id}
    if message.scheduled is not None:
        more["scheduled"] = datetime.fromtimestamp(message.scheduled, UTC).isoformat()
    for name in _MORE:
        value: object = getattr(message, name)
        if value:
            more[name] = value
    return more


_MORE = (
    "album", "spoiler", "silent", "protected", "pinned", "topic", "reply_to", "quote", "effect",
    "send_as", "no_webpage", "invert_media",
)  # fmt: skip


def _shown(name: str, value: Any) -> str:
    match name:
        case "file":
            size = f"{value['size']:,} bytes"
            return f"{value['kind']} {value['name']} of {size}, sha256 {value['sha256'][:12]}"
        case "buttons":
            rows = (" | ".join(f"{b['text']} <{b['url']}>" for b in row) for row in value)
            return f"buttons {' / '.join(rows)}"
        case "forwarded_from":
            number = value["message_id"]
            return f"forwarded from {value['id']}" + (f" message {number}" if number else "")
        case "scheduled":
            return f"scheduled for {local(datetime.fromisoformat(value))}"
        case "album":
            return f"album {value:x}"[:10]
        case _:
            words = name.replace("_", " ")
            return words if value is True else f"{words} {value}"
