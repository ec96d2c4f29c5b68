"""What the transport makes of answers, and of the terms of a run; no connection is needed."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from telethon.tl import functions, types

from broadcast.core.classify import WRONG_ANSWER
from broadcast.core.errors import InputError, LockedError, SettingsError
from broadcast.core.model import Account, Action, Delivery, Failed, Halted, Message, Outcome, Sent
from broadcast.engine.ports import Connection, Terms
from broadcast.message.files import look_from
from broadcast.people.lists import contact
from broadcast.telegram.addresses import Address, AddressCache, Addresses
from broadcast.telegram.error_translation import UnreadableAnswerError
from broadcast.telegram.sender import TelethonTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from broadcast.core.errors import BroadcastError

BOT, PERSON = Account(1, is_bot=True, name="robot"), Account(2, is_bot=False, name="person")
NEWER = {  # whose answers cannot be read
    functions.messages.EditMessageRequest,
    functions.messages.DeleteMessagesRequest,
    functions.messages.UpdatePinnedMessageRequest,
    functions.messages.UploadMediaRequest,
    functions.contacts.ResolveUsernameRequest,
}


class Telegram:
    """Takes everything; some of its answers are newer than Telethon."""

    def __init__(self) -> None:
        self.serialised: list[bytes] = []
        self.asked: list[Any] = []

    async def call(self, request: Any) -> Any:
        self.asked.append(request)
        if type(request) in NEWER:
            raise UnreadableAnswerError
        if isinstance(request, functions.contacts.GetContactsRequest):
            return types.contacts.Contacts([], 0, [])
        if isinstance(request, functions.messages.UploadMediaRequest):
            file = types.Document(5, 6, b"reference", None, "text/plain", 5, 2, [])
            return types.MessageMediaDocument(document=file)
        return types.UpdateShortSentMessage(id=77, pts=5, pts_count=1, date=None)

    takes_serialised = True

    def post_serialised(self, data: bytes, random_id: int) -> asyncio.Future[Outcome]:
        self.serialised.append(data)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(Sent(77))
        return outcome

    async def close(self) -> None:
        """Nothing is open."""


Made = tuple[TelethonTransport, Telegram]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Account], Made]]:
    with closing(AddressCache(tmp_path / "addresses.db")) as cache:
        cache.put(2, "username:group", Address("channel", 5, 6))
        cache.put(2, "username:ana", Address("user", 7, 8))

        def made(account: Account) -> Made:
            telegram = Telegram()
            return TelethonTransport(telegram, account, Addresses(account, cache)), telegram

        yield made


async def test_it_is_a_connection(make: Callable[[Account], Made]) -> None:
    transport, _ = make(BOT)
    connection: Connection = transport
    assert connection.account == BOT


async def test_who_pays_is_in_the_request_of_each_run(make: Callable[[Account], Made]) -> None:
    transport, telegram = make(BOT)
    message = Message("Hi")
    for pays in (False, True, False):
        transport.begin(Terms(pays=pays))
        assert await transport.send(Delivery("b", 0, contact("5"), message)) == Sent(77)
    without, paid, again = telegram.serialised
    assert without == again != paid
    flag = functions.messages.SendMessageRequest(
        types.InputPeerUser(5, 0), "Hi", random_id=1, allow_paid_floodskip=True
    )
    assert bytes(flag)[4:8] in paid  # its flags


async def test_a_hold_that_began_meanwhile_is_heeded(make: Callable[[Account], Made]) -> None:
    transport, telegram = make(PERSON)
    transport.begin(Terms(held=lambda: 3.0))
    outcome = await transport.send(Delivery("b", 0, contact("@ana"), Message("Hi", pin=True)))
    assert not isinstance(outcome, Sent)
    assert telegram.asked == []


@pytest.mark.parametrize("error", [SettingsError("x"), LockedError("x"), InputError("x")])
async def test_what_ends_the_account_while_it_connects_anew_halts(
    make: Callable[[Account], Made], monkeypatch: pytest.MonkeyPatch, error: BroadcastError
) -> None:
    transport, telegram = make(PERSON)

    async def refused(_: object) -> object:
        raise error

    monkeypatch.setattr(telegram, "call", refused)
    outcome = await transport.send(Delivery("b", 0, contact("@ana"), Message("Hi", pin=True)))
    assert outcome == Halted(error.code, "x")


async def test_a_message_whose_pin_is_answered_unreadably_is_sent(
    make: Callable[[Account], Made],
) -> None:
    transport, telegram = make(PERSON)
    delivery = Delivery("b", 0, contact("@group"), Message("Hi", pin=True))
    assert await transport.send(delivery) == Sent(77)
    assert isinstance(telegram.asked[-1], functions.messages.UpdatePinnedMessageRequest)


@pytest.mark.parametrize("action", [Action.EDIT, Action.RECALL])
async def test_a_change_that_is_answered_unreadably_is_asked_for_again(
    make: Callable[[Account], Made], action: Action
) -> None:
    transport, _ = make(PERSON)
    delivery = Delivery("b", 0, contact("@ana"), Message("Hi"), action=action, message_id=5)
    assert await transport.send(delivery) == WRONG_ANSWER


async def test_an_upload_that_is_answered_unreadably_halts_and_nothing_is_sent(
    make: Callable[[Account], Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, telegram = make(PERSON)
    (tmp_path / "car.txt").write_text("a car")
    file = look_from(tmp_path)("car.txt", as_document=True)
    delivery = Delivery("b", 0, contact("@ana"), Message("Hi", files=(file,)))
    outcome = await transport.send(delivery)
    assert isinstance(outcome, Halted)
    assert outcome.error == "ANSWER_UNREADABLE"
    assert outcome.resumable
    assert "car.txt was uploaded, but where to is not known" in outcome.reason
    assert isinstance(telegram.asked[-1], functions.messages.UploadMediaRequest)

    monkeypatch.setattr(f"{__name__}.NEWER", set())  # after an update
    assert await transport.send(delivery) == Sent(77)
    kinds = [type(request) for request in telegram.asked]
    assert kinds.count(functions.upload.SaveFilePartRequest) == 1  # the parts had arrived
    assert kinds[-1] is functions.messages.SendMediaRequest


async def test_a_look_up_that_is_answered_unreadably_has_failed_and_says_why(
    make: Callable[[Account], Made],
) -> None:
    transport, telegram = make(PERSON)
    outcome = await transport.send(Delivery("b", 0, contact("@nobody_known"), Message("Hi")))
    assert isinstance(outcome, Failed)
    assert outcome.error == "ANSWER_UNREADABLE"
    assert not telegram.serialised
