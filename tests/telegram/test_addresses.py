"""Where a peer is reached: looked up once, kept for the account that asked, never guessed."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from telethon import errors, utils
from telethon.tl import functions, types

from broadcast.core.errors import SettingsError
from broadcast.core.model import Account, Deferred, Failed, Scope
from broadcast.core.peers import parse_peer
from broadcast.telegram.addresses import Address, AddressCache, Addresses
from broadcast.telegram.error_translation import UnreadableAnswerError
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERSON, BOT = Account(1000, is_bot=False, name="Me"), Account(2000, is_bot=True, name="Bot")
ANA = types.User(7, access_hash=70, username="Ana", phone="34600000007")
NEWS = types.Channel(9, "News", types.ChatPhotoEmpty(), None, access_hash=90, username="News")
PARTY = types.Chat(8, "Party", types.ChatPhotoEmpty(), 3, None, 1)


class Telegram:
    """Answers look-ups from what it is told, and remembers who was looked up."""

    def __init__(
        self,
        *entities: Any,
        contacts: tuple[Any, ...] = (),
        dialogs: tuple[Any, ...] = (),
        talked_to: tuple[Any, ...] = (),
        floods: int = 0,
    ) -> None:
        self.talked_to = talked_to
        self.entities, self.contacts, self.dialogs, self.floods = (
            entities,
            contacts,
            dialogs,
            floods,
        )
        self.looked_up: list[str] = []
        self.listed: list[str] = []

    async def call(self, request: Any) -> Any:
        match request:
            case functions.contacts.GetContactsRequest():
                self.listed.append("contacts")
                return types.contacts.Contacts([], 0, list(self.contacts))
            case functions.messages.GetDialogsRequest():
                self.listed.append("dialogs")
                users = [each for each in self.dialogs if isinstance(each, types.User)]
                chats = [each for each in self.dialogs if not isinstance(each, types.User)]
                return types.messages.Dialogs([*map(_dialog, self.talked_to)], [], chats, users)
            case functions.contacts.ResolveUsernameRequest(username=name):
                return self._resolve(name, lambda entity: entity.username.lower() == name)
            case functions.contacts.ResolvePhoneRequest(phone=phone):
                return self._resolve(phone, lambda entity: entity.phone == phone)
            case functions.messages.CheckChatInviteRequest(hash=invite):
                self.looked_up.append(invite)
                return types.ChatInviteAlready(self.entities[0])
            case _:
                raise AssertionError(request)

    def _resolve(self, text: str, fits: Any) -> types.contacts.ResolvedPeer:
        self.looked_up.append(text)
        if self.floods:
            self.floods -= 1
            raise errors.FloodWaitError(None, capture=31)
        entity = next(filter(fits, self.entities), None)
        if entity is None:
            raise errors.UsernameNotOccupiedError(None)
        if isinstance(entity, types.User):
            return types.contacts.ResolvedPeer(types.PeerUser(entity.id), [], [entity])
        return types.contacts.ResolvedPeer(types.PeerChannel(entity.id), [entity], [])


def _dialog(entity: Any) -> types.Dialog:
    peer = utils.get_peer(entity)
    return types.Dialog(peer, 1, 0, 0, 0, 0, 0, 0, types.PeerNotifySettings())


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AddressCache]:
    with closing(AddressCache(tmp_path / "addresses.db")) as cache:
        yield cache


async def find(addresses: Addresses, telegram: Telegram, peer: str) -> object:
    return await addresses.find(telegram.call, parse_peer(peer))


# --- kept


async def test_a_look_up_is_made_once_even_over_runs(tmp_path: Path) -> None:
    telegram = Telegram(ANA)
    for _ in range(3):
        with closing(AddressCache(tmp_path / "deep" / "addresses.db")) as cache:
            addresses = Addresses(PERSON, cache)
            for spelling in ("@ana", "https://t.me/Ana"):
                assert await find(addresses, telegram, spelling) == Address("user", 7, 70)
    assert telegram.looked_up == ["ana"]


async def test_what_was_kept_is_private(tmp_path: Path) -> None:
    with closing(AddressCache(tmp_path / "deep" / "addresses.db")):
        assert (tmp_path / "deep" / "addresses.db").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


async def test_each_account_looks_up_for_itself(cache: AddressCache) -> None:
    mine, theirs = Telegram(ANA), Telegram(types.User(7, access_hash=71, username="Ana"))
    other = Account(1001, is_bot=False, name="Other")
    assert await find(Addresses(PERSON, cache), mine, "@ana") == Address("user", 7, 70)
    assert await find(Addresses(other, cache), theirs, "@ana") == Address("user", 7, 71)
    assert await find(Addresses(PERSON, cache), mine, "@ana") == Address("user", 7, 70)
    assert (len(mine.looked_up), len(theirs.looked_up)) == (1, 1)


async def test_a_stale_address_is_forgotten_and_looked_up_once_more(cache: AddressCache) -> None:
    cache.put(PERSON.id, parse_peer("@ana").key, Address("user", 6, 60))  # she had another account
    addresses, telegram = Addresses(PERSON, cache), Telegram(ANA)
    assert await find(addresses, telegram, "@ana") == Address("user", 6, 60)
    assert addresses.forget(parse_peer("@ana"))
    assert await find(addresses, telegram, "@ana") == Address("user", 7, 70)
    assert not addresses.forget(parse_peer("@ana"))  # found in this run: that is not the reason
    assert await find(addresses, telegram, "@ana") == Address("user", 7, 70)
    assert telegram.looked_up == ["ana"]


async def test_what_was_never_kept_is_not_stale(cache: AddressCache) -> None:
    assert not Addresses(PERSON, cache).forget(parse_peer("@ana"))


async def test_forgetting_is_for_one_account(cache: AddressCache) -> None:
    for account in (PERSON, BOT):
        cache.put(account.id, "username:ana", Address("user", 6, account.id))
    assert Addresses(PERSON, cache).forget(parse_peer("@ana"))
    assert cache.get(PERSON.id, "username:ana") is None
    assert cache.get(BOT.id, "username:ana") == Address("user", 6, BOT.id)


async def test_a_failed_look_up_is_not_kept(cache: AddressCache) -> None:
    addresses = Addresses(PERSON, cache)
    outcome = await find(addresses, Telegram(), "@ana")
    assert isinstance(outcome, Failed)
    assert outcome.error == "USERNAME_NOT_OCCUPIED"
    assert await find(addresses, Telegram(ANA), "@ana") == Address("user", 7, 70)


@pytest.mark.parametrize(
    "entity",
    [
        types.User(7, access_hash=70, username="Ana", min=True),
        types.Channel(
            7, "Ana", types.ChatPhotoEmpty(), None, access_hash=1, username="Ana", min=True
        ),
    ],
)
async def test_a_min_entity_is_never_kept(cache: AddressCache, entity: Any) -> None:
    # Its hash does not hold for sending: https://core.telegram.org/api/min
    for telegram in (Telegram(entity), Telegram(contacts=(entity,)), Telegram(dialogs=(entity,))):
        for peer in ("@ana", "7"):
            outcome = await find(Addresses(PERSON, cache), telegram, peer)
            assert isinstance(outcome, Failed)
            assert cache.get(PERSON.id, parse_peer(peer).key) is None


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "addresses.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"addresses\.db|cannot be written"):
        AddressCache(path)


# --- known without a look-up


@pytest.mark.parametrize(
    ("account", "peer", "address"),
    [
        (PERSON, "me", Address("me", 1000)),
        (PERSON, "1000", Address("me", 1000)),
        (PERSON, "-8", Address("chat", 8)),  # a basic group has no hash
        (BOT, "-8", Address("chat", 8)),
        (BOT, "7", Address("user", 7)),  # a bot needs no hash for whoever started it
        (BOT, "-1000000000009", Address("channel", 9)),
    ],
)
async def test_some_addresses_need_no_question(
    cache: AddressCache, account: Account, peer: str, address: Address
) -> None:
    telegram = Telegram()
    assert await find(Addresses(account, cache), telegram, peer) == address
    assert not telegram.looked_up
    assert not telegram.listed


@pytest.mark.parametrize("peer", ["@ana", "+34600000007", "7"])
async def test_contacts_are_asked_once_and_not_looked_up(cache: AddressCache, peer: str) -> None:
    telegram = Telegram(contacts=(ANA, types.User(6, access_hash=60, username="bobo")))
    addresses = Addresses(PERSON, cache)
    assert await find(addresses, telegram, peer) == Address("user", 7, 70)
    assert await find(addresses, telegram, "@bobo") == Address("user", 6, 60)
    assert telegram.listed == ["contacts"]
    assert not telegram.looked_up


@pytest.mark.parametrize(
    ("peer", "address"),
    [("7", Address("user", 7, 70)), ("-1000000000009", Address("channel", 9, 90))],
)
async def test_a_bare_id_is_found_in_the_chats(
    cache: AddressCache, peer: str, address: Address
) -> None:
    telegram = Telegram(dialogs=(ANA, NEWS, PARTY))
    assert await find(Addresses(PERSON, cache), telegram, peer) == address


async def test_a_bare_id_of_a_stranger_is_not_guessed(cache: AddressCache) -> None:
    outcome = await find(Addresses(PERSON, cache), Telegram(ANA), "123456789")
    assert isinstance(outcome, Failed)
    assert outcome.error == "PEER_UNKNOWN"


async def test_every_page_of_the_chats_is_read(cache: AddressCache) -> None:
    people = [types.User(number, access_hash=number * 10) for number in range(1, 251)]
    asked: list[int] = []

    async def call(request: Any) -> Any:
        if isinstance(request, functions.contacts.GetContactsRequest):
            return types.contacts.Contacts([], 0, [])
        start = request.offset_id  # the message ids count as the people do
        asked.append(start)
        page = people[start : start + request.limit]
        moment = datetime(2026, 11, 23, tzinfo=UTC)
        return types.messages.DialogsSlice(
            len(people),
            [types.Dialog(types.PeerUser(p.id), p.id, 0, 0, 0, 0, 0, 0, None) for p in page],
            [types.Message(p.id, types.PeerUser(p.id), moment, "Hi") for p in page],
            [],
            page,
        )

    found = await Addresses(PERSON, cache).find(call, parse_peer("250"))
    assert found == Address("user", 250, 2500)
    assert asked == [0, 100, 200]


# --- looked up


@pytest.mark.parametrize(
    ("peer", "asked", "address"),
    [
        ("@Ana", "ana", Address("user", 7, 70)),
        ("@News", "news", Address("channel", 9, 90)),
    ],
)
async def test_a_name_is_asked_for_as_it_is(
    cache: AddressCache, peer: str, asked: str, address: Address
) -> None:
    telegram = Telegram(ANA, NEWS)
    assert await find(Addresses(PERSON, cache), telegram, peer) == address
    assert telegram.looked_up == [asked]


async def test_a_phone_is_asked_for_without_its_plus(cache: AddressCache) -> None:
    telegram = Telegram(ANA)
    address = await find(Addresses(PERSON, cache), telegram, "+34 600 00 00 07")
    assert address == Address("user", 7, 70)
    assert telegram.looked_up == ["34600000007"]


async def test_an_invitation_leads_to_the_chat_that_was_joined(cache: AddressCache) -> None:
    telegram = Telegram(PARTY)
    address = await find(Addresses(PERSON, cache), telegram, "https://t.me/+AbCdEfGhIjKl")
    assert address == Address("chat", 8)
    assert telegram.looked_up == ["AbCdEfGhIjKl"]


async def test_an_invitation_that_was_not_accepted_is_not_accepted_by_us(
    cache: AddressCache,
) -> None:
    async def call(_: Any) -> Any:
        return types.ChatInvite("Party", types.PhotoEmpty(1), 3, 0)

    outcome = await Addresses(PERSON, cache).find(call, parse_peer("https://t.me/+AbCdEfGhIjKl"))
    assert isinstance(outcome, Failed)
    assert outcome.error == "INVITE_NOT_JOINED"


async def test_an_answer_about_somebody_else_is_not_taken(cache: AddressCache) -> None:
    async def call(request: Any) -> Any:
        if isinstance(request, functions.contacts.GetContactsRequest):
            return types.contacts.Contacts([], 0, [])
        return types.contacts.ResolvedPeer(types.PeerUser(6), [], [ANA])

    outcome = await Addresses(PERSON, cache).find(call, parse_peer("@ana"))
    assert isinstance(outcome, Failed)


# --- a flood of look-ups


def test_a_flood_of_look_ups_holds_the_look_ups_and_nothing_else(tmp_path: Path) -> None:
    telegram = Telegram(ANA, floods=1)

    async def main() -> None:
        with closing(AddressCache(tmp_path / "addresses.db")) as cache:
            cache.put(PERSON.id, "username:kept", Address("user", 5, 50))
            addresses = Addresses(PERSON, cache, virtual.LoopClock())
            flooded = await find(addresses, telegram, "@ana")
            assert isinstance(flooded, Deferred)
            assert (flooded.error, flooded.retry_after) == ("FLOOD_WAIT", 31.0)
            assert flooded.scope is Scope.DELIVERY  # the others go on

            await asyncio.sleep(10)
            waiting = await find(addresses, telegram, "@news")
            assert isinstance(waiting, Deferred)
            assert waiting.retry_after == pytest.approx(21.0)
            assert waiting.scope is Scope.DELIVERY
            assert telegram.looked_up == ["ana"]  # and nobody was asked meanwhile

            assert await find(addresses, telegram, "@kept") == Address("user", 5, 50)
            assert await find(addresses, telegram, "me") == Address("me", 1000)

            await asyncio.sleep(21.1)
            assert await find(addresses, telegram, "@ana") == Address("user", 7, 70)

    virtual.run(main())


def test_trouble_in_a_look_up_holds_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        with closing(AddressCache(tmp_path / "addresses.db")) as cache:
            addresses = Addresses(BOT, cache)

            async def call(_: Any) -> Any:
                raise errors.RpcCallFailError(None)

            outcome = await addresses.find(call, parse_peer("@ana"))
            assert isinstance(outcome, Deferred)
            assert await find(addresses, Telegram(ANA), "@ana") == Address("user", 7, 70)

    virtual.run(main())


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (Address("user", 7, 70), Address("user", 7, 71), True),
        (Address("me", 7), Address("user", 7, 70), True),
        (Address("user", 7), Address("chat", 7), False),
        (Address("chat", 7), Address("channel", 7), False),
    ],
)
def test_the_name_of_a_recipient_does_not_depend_on_how_it_was_found(
    one: Address, two: Address, same: bool
) -> None:
    assert (one.key == two.key) == same


# --- newer than Telethon


class Newer(Telegram):
    """Its lists are answered with what Telethon cannot read."""

    async def call(self, request: Any) -> Any:
        if isinstance(
            request,
            (functions.contacts.GetContactsRequest, functions.messages.GetDialogsRequest),
        ):
            raise UnreadableAnswerError
        return await super().call(request)


async def test_a_list_that_cannot_be_read_stops_nobody(cache: AddressCache) -> None:
    addresses, telegram = Addresses(PERSON, cache), Newer(ANA)
    assert await find(addresses, telegram, "@ana") == Address("user", 7, 70)
    unknown = await find(addresses, telegram, "7")
    assert isinstance(unknown, Failed)
    assert unknown.error == "PEER_UNKNOWN"


# --- strangers


async def test_who_is_no_contact_and_has_no_chat_is_a_stranger() -> None:
    eva = types.User(11, access_hash=110, username="Eva", phone="34600000011")
    seen = types.User(12, access_hash=120, username="Seen")  # only spoke in a group of ours
    telegram = Telegram(contacts=(ANA,), dialogs=(eva, seen, NEWS, PARTY), talked_to=(eva, NEWS))
    addresses = Addresses(PERSON, None)

    async def strangers(*peers: str) -> int:
        return await addresses.strangers(telegram.call, map(parse_peer, peers))

    for known in ("@ana", "7", "+34600000007", "@EVA", "11", "+34600000011", "@news", "-8"):
        assert await strangers(known) == 0, known
    for known in ("me", "1000", "https://t.me/+AbCdEfGhIjKlMnOp"):
        assert await strangers(known) == 0, known
    for stranger in ("@nobody", "99", "+34600000099", "@seen", "12"):
        assert await strangers(stranger) == 1, stranger
    assert await strangers("@ana", "@nobody", "99") == 2
    assert telegram.listed == ["contacts", "dialogs"]  # once
    assert telegram.looked_up == []
