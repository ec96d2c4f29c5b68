"""Puts the sandbox together with the rest: opens it, serves it, shows what it received.

It is to the sandbox what app.py is to Telegram; nothing here is needed to send for real.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from broadcast.app import open_access, stop_on_signals
from broadcast.core.access import Access, Credentials, Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping

    from broadcast.core.model import Contact
    from broadcast.sandbox.limits import Limits
    from broadcast.sandbox.memory.arrived import Delivered
    from broadcast.settings import Settings
    from broadcast.telegram.sender import TelethonTransport

SANDBOX_API_ID, SANDBOX_API_HASH, SANDBOX_PHONE = 1, "sandbox", "+34600000000"
SANDBOX_CODE, SANDBOX_PASSWORD = "12345", "sandbox"
SANDBOX_TOKEN = "100200300:sandbox-sandbox-sandbox-sandbox-san"  # noqa: S105 - any well-formed one will do
SANDBOX_PERSON = Credentials(SANDBOX_API_ID, SANDBOX_API_HASH, phone=SANDBOX_PHONE)
SANDBOX_BOT = Credentials(SANDBOX_API_ID, SANDBOX_API_HASH, bot_token=SANDBOX_TOKEN)


class _SandboxPrompts:
    """Answers for the person who signs in to the sandbox, where the code is always the same."""

    def phone(self) -> str:
        return SANDBOX_PHONE

    def code(self, where: str) -> str:
        return SANDBOX_CODE

    def password(self) -> str:
        return SANDBOX_PASSWORD

    def complain(self, message: str) -> None:
        raise AssertionError(message)


def sandbox_has_bot(account: int) -> bool:
    """Whether `open_sandbox` signs this account in as a bot."""
    return account == SANDBOX_BOT.bot_id


def sandbox_journal(settings: Settings) -> Path:
    """Where the sandbox keeps what it received, apart from everything real."""
    return settings.home / "sandbox" / "journal.jsonl"


@asynccontextmanager
async def open_sandbox(
    contacts: Iterable[Contact] = (),
    settings: Settings | None = None,
    *,
    is_bot: bool = False,
    limits: Limits | None = None,
) -> AsyncGenerator[TelethonTransport]:
    """A transport to a sandbox of its own, in this process, where `contacts` are known people.

    A person sends there, or a bot.

    With `settings` the sandbox keeps what it received below their home, for `broadcast sandbox
    inbox`; without, everything is gone afterwards. `limits` are Telegram's, as published, unless
    others are given.
    """
    from broadcast.sandbox.journal import Journal  # noqa: PLC0415 - Telethon costs 0.3 s
    from broadcast.sandbox.server import SandboxServer  # noqa: PLC0415
    from broadcast.sandbox.world import World  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        if settings is None:
            home = Path(stack.enter_context(TemporaryDirectory(prefix="broadcast-")))
            journal = None
        else:
            home = settings.home / "sandbox"
            journal = stack.enter_context(Journal(sandbox_journal(settings)))
        world = World(contacts=[contact.peer for contact in contacts], limits=limits)
        server = await stack.enter_async_context(SandboxServer(world, journal=journal))
        access = Access(
            SANDBOX_BOT if is_bot else SANDBOX_PERSON,
            session="",
            addresses=home / "addresses.db",
            server=Server("127.0.0.1", server.port, key=server.key.public_pem()),
        )
        yield await stack.enter_async_context(open_access(access, _SandboxPrompts()))


async def serve_sandbox(
    settings: Settings,
    contacts: Iterable[Contact],
    host: str,
    port: int,
    *,
    faults: Path | None = None,
    limits: Limits | None = None,
    told: Callable[[str], None],
) -> None:
    """Run a sandbox until Ctrl-C or SIGTERM; `told` gets the settings to paste, line by line.

    The file `faults` says what goes wrong in it, and is read again whenever it changes. `limits`
    are Telegram's, as published, unless others are given.
    """
    from broadcast.sandbox.faults import FaultsFile  # noqa: PLC0415 - Telethon costs 0.3 s
    from broadcast.sandbox.journal import Journal  # noqa: PLC0415
    from broadcast.sandbox.server import SandboxServer  # noqa: PLC0415
    from broadcast.sandbox.world import World  # noqa: PLC0415

    stopped = asyncio.Event()
    world = World(contacts=[contact.peer for contact in contacts], limits=limits)
    journal_path = sandbox_journal(settings)
    faults_file = FaultsFile(faults) if faults else None
    switched_on = faults_file.news() if faults_file else None
    with Journal(journal_path) as journal, stop_on_signals(stopped.set, lambda: None):
        server = SandboxServer(world, host=host, port=port, journal=journal, faults=switched_on)
        async with server, asyncio.TaskGroup() as tasks:
            key_path = journal_path.with_name("server_key.pem")
            key_path.write_text(server.key.public_pem(), encoding="ascii")
            told(f"# the sandbox listens on {server.address}; put this into .env:")
            told(f"TELEGRAM_SERVER={server.address}")
            told(f"TELEGRAM_SERVER_KEY={key_path}")
            told(f"TELEGRAM_API_ID={SANDBOX_API_ID}")
            told(f"TELEGRAM_API_HASH={SANDBOX_API_HASH}")
            told(f"TELEGRAM_PHONE={SANDBOX_PHONE}")
            told(f"# the code of every login is {SANDBOX_CODE}; Ctrl-C ends the sandbox")
            if faults_file is None:
                await stopped.wait()
                return
            told(f"# faults: {server.faults}; {faults} is read again when it changes")
            switch = partial(setattr, server, "faults")
            following = tasks.create_task(faults_file.follow(switch, told))
            await stopped.wait()
            following.cancel()


_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message that arrived in the sandbox: to whom, by name and by id. `at` is in UTC.

    `more` is all that goes with the text, ready for JSON; `shown` is it for people.
    """

    to: str
    id: int
    message_id: int
    text: str
    at: datetime
    more: Mapping[str, object] = field(default_factory=lambda: _NOTHING)

    def as_json(self) -> dict[str, object]:
        """What goes with the text stands beside it."""
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
        """The text, and below it what goes with it."""
        told = ", ".join(_shown(name, value) for name, value in self.more.items())
        return "\n".join(part for part in (self.text, f"[{told}]" if told else "") if part)


def sandbox_inbox(settings: Settings, *, scheduled: bool = False) -> Iterator[InboxRow]:
    """What arrived in the sandbox of `settings`, oldest first; empty when it was never used.

    With `scheduled` what still waits for its time instead, the next first.
    """
    from broadcast.sandbox.journal import Journal  # noqa: PLC0415 - Telethon costs 0.3 s
    from broadcast.sandbox.world import World  # noqa: PLC0415

    path = sandbox_journal(settings)
    if not path.exists():
        return
    world = World()
    for record in Journal(path).replay():
        if record.get("t") != "key":
            world.apply(record)
    world.deliver_due(time.time())
    for message in world.scheduled() if scheduled else world.inbox():
        at = datetime.fromtimestamp(message.date, UTC)
        more = _more(message)
        yield InboxRow(message.title, message.peer, message.message_id, message.text, at, more)


def _more(message: Delivered) -> dict[str, object]:
    """What goes with the text, and nothing of what does not."""
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
        case "album":
            return f"album {value:x}"[:10]
        case _:
            words = name.replace("_", " ")
            return words if value is True else f"{words} {value}"


def clear_sandbox(settings: Settings) -> None:
    """Forget everything that the sandbox of `settings` received."""
    from broadcast.sandbox.journal import Journal, files_beside  # noqa: PLC0415 - see above

    path = sandbox_journal(settings)
    if path.exists():
        with Journal(path):  # not while a sandbox uses it
            shutil.rmtree(files_beside(path), ignore_errors=True)
            path.unlink()
