"""Answers where to reach a peer; it gives Telethon no string, which guesses by display name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from telethon import errors, utils
from telethon.tl import functions, types

from broadcast.core.classify import finding
from broadcast.core.clock import Clock, SystemClock
from broadcast.core.model import Deferred, Outcome, Peer, PeerKind
from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.telegram.error_translation import UnreadableAnswerError, outcome_of
from broadcast.telegram.kept import Kept

if TYPE_CHECKING:
    from broadcast.core.model import Account

Call = Callable[[Any], Awaitable[Any]]
"""Makes one request to Telegram, with our own time limit around it."""

DIALOGS_PAGE = 100
DIALOGS_LIMIT = 5000  # enough for a person; a list longer than this is looked up one by one


@dataclass(frozen=True, slots=True)
class Address:
    """Where Telegram reaches somebody: `kind` is user, chat, channel or me."""

    kind: str
    id: int
    access_hash: int = 0

    @property
    def key(self) -> str:
        """The recipient, however the contact list names it: the peer in `random_id`."""
        return f"{'user' if self.kind == 'me' else self.kind}:{self.id}"

    @property
    def is_group(self) -> bool:
        """Whether it is not one person: a group or, where nothing else is published, a channel."""
        return self.kind in ("chat", "channel")

    def input_peer(self) -> Any:
        """The address as requests take it."""
        match self.kind:
            case "user":
                return types.InputPeerUser(self.id, self.access_hash)
            case "channel":
                return types.InputPeerChannel(self.id, self.access_hash)
            case "chat":
                return types.InputPeerChat(self.id)
            case _:
                return types.InputPeerSelf()


@dataclass(frozen=True, slots=True)
class _Chats:
    """Who is seen in the account's dialogs, by peer key, and with whom it has one itself."""

    addresses: dict[str, Address]
    talked_to: frozenset[str]


class AddressCache(Kept[Address]):
    """Addresses on disk, by account and peer: look-ups flood soon."""

    table, key, value = "address", "peer", Address


class Addresses:
    """Finds the address of a peer for one account: kept, known, or looked up.

    `cache` keeps for the next run what was looked up; None: nothing is kept.
    """

    def __init__(
        self, account: Account, cache: AddressCache | None, clock: Clock | None = None
    ) -> None:
        self._account, self._cache = account, cache
        self._clock = clock or SystemClock()
        self._contacts: dict[str, Address] | None = None  # a user's own, asked once when needed
        self._chats: _Chats | None = None
        self._groups: set[str] = set()  # peers that turned out to be groups
        self._asking = asyncio.Lock()
        self._found: dict[str, Address] = {}  # by this run, so not stale
        self._lookups_held: Deferred | None = None
        self._lookups_held_until = 0.0

    def at_hand(self, peer: Peer) -> Address | None:
        """The address of `peer` when it needs neither Telegram nor the cache.

        Basic groups have no access hash, and a bot needs none for anybody who started it:
        https://core.telegram.org/api/peers#access-hash
        """
        if peer.kind is PeerKind.ID:
            number = int(peer.value)
            if -CHANNEL_OFFSET < number < 0:
                return Address("chat", -number)
            if self._account.is_bot and number > 0:
                return Address("user", number)
            if self._account.is_bot:
                return Address("channel", -number - CHANNEL_OFFSET)
            return Address("me", number) if number == self._account.id else None
        return Address("me", self._account.id) if peer.kind is PeerKind.ME else None

    async def find(self, call: Call, peer: Peer) -> Address | Outcome:
        """The address of `peer`, or the outcome when there is none or it cannot be known now."""
        peer = peer.chat
        at_hand = self.at_hand(peer)
        if at_hand is not None:
            return at_hand
        found = self._found.get(peer.key) or self._kept(peer)
        if found is None:
            found = await self._ask(call, peer)
            if isinstance(found, Address):
                self._found[peer.key] = found
                if self._cache is not None:
                    self._cache.put(self._account.id, peer.key, found)
        if isinstance(found, Address) and found.is_group:
            self._groups.add(peer.key)
        return found

    async def strangers(self, call: Call, peers: Iterable[Peer]) -> int:
        """How many of `peers` neither are contacts of this person nor have a chat with them.

        Groups that were joined by an invitation are none. Raises what `call` raises.
        """
        async with self._asking:
            contacts, chats = await self._contacts_of(call), await self._chats_of(call)
        return sum(
            peer.kind not in (PeerKind.ME, PeerKind.INVITE)
            and self.at_hand(peer) is None
            and peer.chat.key not in contacts
            and peer.chat.key not in chats.talked_to
            for peer in peers
        )

    def is_group(self, peer: Peer) -> bool:
        """Whether `peer` is known by now to be no single person: a group, or a channel."""
        if peer.kind is PeerKind.ID:  # https://core.telegram.org/api/bots/ids
            return peer.value.startswith("-")
        return peer.chat.key in self._groups

    def forget(self, peer: Peer) -> bool:
        """Drop an address that was refused; False when there is no reason to call it stale."""
        peer = peer.chat
        if self._cache is None or peer.key in self._found or self._kept(peer) is None:
            return False
        self._cache.forget(self._account.id, peer.key)
        return True

    def _kept(self, peer: Peer) -> Address | None:
        return self._cache and self._cache.get(self._account.id, peer.key)

    async def _ask(self, call: Call, peer: Peer) -> Address | Outcome:
        if not self._account.is_bot and peer.kind is not PeerKind.INVITE:
            async with self._asking:
                if address := (await self._contacts_of(call)).get(peer.key):
                    return address
                if peer.kind is PeerKind.ID:
                    chats = await self._chats_of(call)
                    return chats.addresses.get(peer.key) or finding("PEER_UNKNOWN")
        if peer.kind is PeerKind.ID:
            return finding("PEER_UNKNOWN")
        return await self._look_up(call, peer)

    async def _contacts_of(self, call: Call) -> dict[str, Address]:
        if self._contacts is None:
            try:
                self._contacts = _by_keys(await _contacts(call))
            except UnreadableAnswerError:  # it only spares look-ups, so it stops nobody
                self._contacts = {}
        return self._contacts

    async def _chats_of(self, call: Call) -> _Chats:
        if self._chats is None:
            try:
                self._chats = await _dialogs(call)
            except UnreadableAnswerError:
                self._chats = _Chats({}, frozenset())
        return self._chats

    async def _look_up(self, call: Call, peer: Peer) -> Address | Outcome:
        now = self._clock.monotonic()
        if self._lookups_held is not None and now < self._lookups_held_until:
            return replace(self._lookups_held, retry_after=self._lookups_held_until - now)
        try:
            found = await call(_QUESTIONS[peer.kind](peer.value))
        except errors.RPCError as error:
            outcome = outcome_of(error)
            if outcome is None:
                raise
            if isinstance(outcome, Deferred) and outcome.retry_after is not None:
                # A flood of look-ups says nothing about sending: only look-ups wait.
                reason = "Telegram asks to look up names more slowly"
                self._lookups_held = Deferred(outcome.error, reason, outcome.retry_after)
                self._lookups_held_until = now + outcome.retry_after
                return self._lookups_held
            return outcome
        address = _answer(found)
        if address is None:
            return finding("INVITE_NOT_JOINED" if peer.kind is PeerKind.INVITE else "PEER_UNKNOWN")
        return address


_QUESTIONS: dict[PeerKind, Callable[[str], Any]] = {
    PeerKind.USERNAME: functions.contacts.ResolveUsernameRequest,
    PeerKind.PHONE: lambda phone: functions.contacts.ResolvePhoneRequest(phone.lstrip("+")),
    PeerKind.INVITE: functions.messages.CheckChatInviteRequest,
}


def _answer(found: Any) -> Address | None:
    if isinstance(found, types.contacts.ResolvedPeer):
        for entity in (*found.users, *found.chats):
            if entity.id == utils.get_peer_id(found.peer, add_mark=False):
                return _address(entity)
        return None
    chat = getattr(found, "chat", None)  # ChatInviteAlready, ChatInvitePeek; else not a member
    return None if chat is None or isinstance(found, types.ChatInvite) else _address(chat)


def _address(entity: Any) -> Address | None:
    """The address of a full entity. A min entity's hash is not valid for sending: never kept."""
    match entity:
        case types.User(min=True) | types.Channel(min=True):
            return None
        case types.User():
            return Address("user", entity.id, entity.access_hash or 0)
        case types.Channel():
            return Address("channel", entity.id, entity.access_hash or 0)
        case types.Chat():
            return Address("chat", entity.id)
        case _:
            return None


def _by_keys(entities: Iterable[Any]) -> dict[str, Address]:
    """The addresses of `entities`, under every peer key that names them."""
    found: dict[str, Address] = {}
    for entity in entities:
        address = _address(entity)
        if address is None:
            continue
        found[f"{PeerKind.ID}:{utils.get_peer_id(entity)}"] = address
        names = [getattr(entity, "username", None)]
        names += [name.username for name in getattr(entity, "usernames", None) or ()]
        for name in filter(None, names):
            found[f"{PeerKind.USERNAME}:{name.lower()}"] = address
        if phone := getattr(entity, "phone", None):
            found[f"{PeerKind.PHONE}:+{phone}"] = address
    return found


async def _contacts(call: Call) -> Iterable[Any]:
    """A person's own address book."""
    return (await call(functions.contacts.GetContactsRequest(hash=0))).users


async def _dialogs(call: Call) -> _Chats:
    """The users and chats of the account's dialogs.

    https://core.telegram.org/api/offsets: the next page starts at the last dialog's top message.
    """
    entities: list[Any] = []
    talked_to: set[int] = set()
    offset_date, offset_id, offset_peer = None, 0, types.InputPeerEmpty()
    seen = 0
    while seen < DIALOGS_LIMIT:
        page = await call(
            functions.messages.GetDialogsRequest(
                offset_date=offset_date,
                offset_id=offset_id,
                offset_peer=offset_peer,
                limit=DIALOGS_PAGE,
                hash=0,
            )
        )
        entities += [*page.users, *page.chats]
        talked_to.update(utils.get_peer_id(dialog.peer) for dialog in page.dialogs)
        seen += len(page.dialogs)
        if isinstance(page, types.messages.Dialogs) or len(page.dialogs) < DIALOGS_PAGE:
            break
        last = page.dialogs[-1]
        key = f"{PeerKind.ID}:{utils.get_peer_id(last.peer)}"
        address = _by_keys((*page.users, *page.chats)).get(key)
        offset_peer = address.input_peer() if address else types.InputPeerEmpty()
        offset_id = last.top_message
        dates = (m.date for m in page.messages if (m.peer_id, m.id) == (last.peer, offset_id))
        offset_date = next(dates, None)
    met = [entity for entity in entities if utils.get_peer_id(entity) in talked_to]
    return _Chats(_by_keys(entities), frozenset(_by_keys(met)))
