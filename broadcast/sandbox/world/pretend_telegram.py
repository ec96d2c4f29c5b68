"""The pretend Telegram: one call, one answer. No socket, no clock, no file; time is passed in.

world/methods.py is the table of what it answers, memory/ what it remembers, people/ who exists.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from broadcast.sandbox.limits.numbers import Limits
from broadcast.sandbox.memory.state import State
from broadcast.sandbox.world import delivered as told
from broadcast.sandbox.world import scheduled_messages
from broadcast.sandbox.world.methods import BEFORE_LOGIN, LOGIN, SENDING, SIGNED_IN, WRAPPERS
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.send_once import first_repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from telethon.tl import TLRequest

    from broadcast.core.model import Peer
    from broadcast.sandbox.memory.arrived import Delivered
    from broadcast.sandbox.memory.records import Record


class World:
    """One Telegram, for any number of accounts and sessions.

    `contacts` are the mutual contacts and the dialogs of every account; others exist as well.
    `limits` are Telegram's, as published. `address` is where the server listens: help.getConfig
    says so. With `only_names` the digits of an id or a phone do not decide how somebody behaves:
    real ones end in any. `floods` counts the requests that were told to wait, with FLOOD_WAIT_x or
    FLOOD_SKIP_FAILED_WAIT_x.
    """

    def __init__(
        self,
        *,
        contacts: Sequence[Peer] = (),
        limits: Limits | None = None,
        address: tuple[str, int] = ("127.0.0.1", 443),
        only_names: bool = False,
    ) -> None:
        self.address = address
        self.floods = 0
        self._state = State(contacts, limits or Limits(), only_names=only_names)

    def call(self, key_id: int, request: TLRequest, now: float) -> object:
        """The answer to a request of the login `key_id` at `now`, in Unix time.

        It is a TLObject, bool, int or a list of them: what the method's type says.

        Raises RpcError with what Telegram would answer instead.
        """
        self.deliver_due(now)
        signed_in = SIGNED_IN.get(type(request))
        if signed_in:
            account, let_in = self._state.logins.get(key_id, (0, False))
            if not let_in:
                raise RpcError(401, "AUTH_KEY_UNREGISTERED")
            try:
                return signed_in(self._state, self._state.accounts[account], request, now)
            except RpcError as error:
                self.floods += error.name.startswith("FLOOD_")
                raise
        if isinstance(request, WRAPPERS):
            return self.call(key_id, cast("TLRequest", request.query), now)
        if login := LOGIN.get(type(request)):
            return login(self._state, key_id, request, now)
        if anybody := BEFORE_LOGIN.get(type(request)):
            return anybody(self.address, self._state.limits, now)
        raise RpcError(400, "INPUT_METHOD_INVALID")

    def repeats(self, key_id: int, request: TLRequest) -> Delivered | None:
        """The message that this request repeats, under the same random_id."""
        account, let_in = self._state.logins.get(key_id, (0, False))
        if not let_in or not isinstance(request, SENDING):
            return None
        found = first_repeated(self._state, self._state.accounts[account], request)
        return told.delivered(self._state, *found) if found else None

    def drain(self) -> list[Record]:
        """What changed since the last drain, as JSON-able records in the order to apply them."""
        return self._state.drain()

    def discard(self) -> None:
        """Forget what `drain` would return: there is no journal."""
        self._state.discard()

    def dump(self) -> list[Record]:
        """The whole state as records. Two worlds in the same state give equal dumps."""
        return self._state.dump()

    def apply(self, record: Record) -> None:
        """Make the change of a record of `drain` or `dump` again; it is not drained again.

        Raises ValueError when it is no record, or a message out of order.
        """
        self._state.apply(record)

    def inbox(self, *, deleted: bool = False) -> Iterable[Delivered]:
        """Every message that arrived, oldest first, with the text that it has now.

        With `deleted` also those that were deleted for everybody.
        """
        state = self._state
        inboxes = (told.inbox(state, log, deleted=deleted) for log in state.all_logs())
        return merge(*inboxes, key=attrgetter("date"))

    def scheduled(self) -> list[Delivered]:
        """Every message that waits for its time, the next one first; `scheduled` is that time."""
        return [
            told.will_be_delivered(self._state, waiting) for waiting in self._state.queue.waiting()
        ]

    def deliver_due(self, now: float) -> None:
        """Send the scheduled messages whose time has come; `call` begins with this."""
        self._state.now = now
        next_at = self._state.queue.next_at
        if next_at is not None and next_at <= now:
            scheduled_messages.deliver_due(self._state, now)

    @property
    def uploaded(self) -> int:
        """How many bytes were accepted in parts of files, of all accounts, repeats included."""
        return self._state.uploaded

    def files(self) -> list[tuple[str, int]]:
        """The sha256 and the size in bytes of every content that is kept, each once."""
        return self._state.contents.stored()

    def content(self, sha256: str) -> bytes:
        """The bytes that are kept under this sha256; empty when there are none."""
        sizes = dict(self.files())
        return self._state.contents.read(sha256, 0, sizes.get(sha256, 0))

    def keep_files(self, directory: Path) -> None:
        """Keep uploaded files below this directory, and not in memory; call it before any other."""
        self._state.contents.keep_in(directory)

    def stars_spent(self, account: int) -> Decimal:
        """The Stars, exactly, that the account with this user id has paid for messages."""
        known = self._state.accounts.get(account)
        return known.stars_spent if known else Decimal(0)

    def account_of(self, key_id: int) -> int | None:
        """The user id of the account that this login belongs to, once it is let in."""
        account, let_in = self._state.logins.get(key_id, (0, False))
        return account if let_in else None
