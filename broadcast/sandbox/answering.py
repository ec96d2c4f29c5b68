"""Asks the pretend Telegram, and writes to the journal what changed before any answer is sent."""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, cast

from broadcast.core.errors import SettingsError
from broadcast.sandbox.journal import files_beside
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from telethon.tl import TLRequest

    from broadcast.sandbox.journal import Journal, Record
    from broadcast.sandbox.memory.arrived import Delivered

_log = logging.getLogger(__name__)


class WorldPort(Protocol):
    """What a server needs from the pretend Telegram (world/pretend_telegram.py)."""

    address: tuple[str, int]  # help.getConfig tells it; the server sets it once it listens

    def call(self, key_id: int, request: TLRequest, now: float) -> object:
        """Give the result of a request, or raise RpcError."""
        ...

    def drain(self) -> list[Record]:
        """Hand over the records of what changed since the last time."""
        ...

    def discard(self) -> None:
        """Forget what changed since the last time: there is no journal."""
        ...

    def apply(self, record: Record) -> None:
        """Make one recorded change again."""
        ...

    def keep_files(self, directory: Path) -> None:
        """Keep the uploaded files below this directory, beside the journal."""
        ...

    def repeats(self, key_id: int, request: TLRequest) -> Delivered | None:
        """Find the message that a request sends once more; asked only while a fault needs it."""
        ...


class Answering:
    """A world with its journal, and with the auth keys of the clients by their ids."""

    def __init__(
        self, world: WorldPort, journal: Journal | None, keys: MutableMapping[int, bytes]
    ) -> None:
        self.world, self.keys = world, keys
        self._journal = journal
        self._new_keys: list[Record] = []

    def restore(self) -> None:
        """Restore the world and the keys from the journal. Raises SettingsError."""
        if self._journal is None:
            return
        self.world.keep_files(files_beside(self._journal.path))
        replay(self._journal, self.world, self.keys)

    def note_key(self, key_id: int, auth_key: bytes) -> None:
        """Remember a new key: the next `save` writes it."""
        self._new_keys.append({"t": "key", "id": key_id, "key": auth_key.hex()})

    def save(self) -> None:
        """Write to the journal what changed: no answer is sent before."""
        if self._journal is None:
            self.world.discard()
            self._new_keys.clear()
            return
        changes = self._new_keys + self.world.drain()
        self._new_keys.clear()
        if changes:
            self._journal.append(changes)

    def result(self, key_id: int, request: TLRequest, now: float) -> object:
        """The answer of the world; an RpcError is a result like any other."""
        try:
            return self.world.call(key_id, request, now)
        except RpcError as error:
            return error
        except Exception:  # noqa: BLE001 - the edge: an odd request must not take the others down
            return failed_to_answer(request)

    def repeated(self, key_id: int, request: TLRequest) -> Delivered | None:
        """The message that the request repeats; None when the world will refuse the request."""
        try:
            return self.world.repeats(key_id, request)
        except RpcError:
            return None


def replay(journal: Journal, world: WorldPort, keys: MutableMapping[int, bytes]) -> None:
    """Make all changes in the journal again, and collect the keys.

    Raises SettingsError with the line that cannot be used.
    """
    for line, record in enumerate(journal.replay(), start=1):
        try:
            if record.get("t") == "key":
                keys[cast("int", record["id"])] = bytes.fromhex(cast("str", record["key"]))
            else:
                world.apply(record)
        except (LookupError, TypeError, ValueError) as error:
            raise SettingsError(
                f"{journal.path}:{line}: this record of the sandbox cannot be replayed "
                f"({error}): move the file away to start with an empty sandbox"
            ) from error


def failed_to_answer(request: TLRequest) -> RpcError:
    """Log the exception that is being handled, a bug of ours; return what Telegram would answer."""
    _log.exception("the sandbox failed to answer %s", type(request).__name__)
    return RpcError(500, "INTERNAL")
