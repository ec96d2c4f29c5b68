from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.core.peers import parse_peer
from broadcast.sandbox.faults import parse_faults
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.people import behaviour, logins
from broadcast.sandbox.world import RpcError, World
from broadcast.sandbox.world.methods import methods
from tests.sandbox.asking import PHONE, Client, at, bot, free_world, user

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
CONTACTS = [parse_peer("@ana"), parse_peer("t.me/+family-friends")]

self_ = types.InputPeerSelf()


def copy_of(records: list[dict[str, object]]) -> World:
    world = free_world(CONTACTS)
    for record in records:
        world.apply(json.loads(json.dumps(record)))
    return world


class _Life:
    """Things that people do, to be drawn in any order; refusals are part of life."""

    def __init__(self) -> None:
        self.world = free_world(CONTACTS)
        self.user = user(self.world)
        self.bot = bot(self.world)

    def write(self, name: str, random_id: int) -> None:
        for client in (self.user, self.bot):
            bold = types.MessageEntityBold(0, 2)
            client.send(client.find(name), f"to {name}", random_id, entities=[bold])

    def edit(self, name: str, random_id: int) -> None:
        text = f"edited {name}"
        for client in (self.user, self.bot):
            peer = client.find(name)
            client.ask(functions.messages.EditMessageRequest(peer, random_id, message=text))

    def delete(self, name: str, random_id: int) -> None:
        for client in (self.user, self.bot):
            peer = client.find(name)
            if isinstance(peer, types.InputPeerChannel):
                client.ask(functions.channels.DeleteMessagesRequest(peer, [random_id]))
            else:
                revoke = random_id % 2 == 0
                ids = [random_id, random_id + 1]
                client.ask(functions.messages.DeleteMessagesRequest(ids, revoke=revoke))

    def import_(self, name: str, random_id: int) -> None:
        contact = types.InputPhoneContact(1, f"+3460000{random_id:04}", name, "")
        self.user.ask(functions.contacts.ImportContactsRequest([contact]))

    def sign_in(self, name: str, random_id: int) -> None:
        Client(self.world, random_id).sign_in(f"+3460000{random_id % 4:04}")

    def leave(self, name: str, random_id: int) -> None:
        Client(self.world, random_id).ask(functions.auth.LogOutRequest())

    def show(self, name: str, random_id: int) -> None:
        for client in (self.user, self.bot):
            peer, photo = client.find(name), client.photo()
            if random_id % 3:
                client.send_album(peer, [photo, client.photo()], random_id, silent=True)
            else:
                client.send_media(peer, photo, "a photo", random_id, noforwards=True)

    def pin(self, name: str, random_id: int) -> None:
        pin = functions.messages.UpdatePinnedMessageRequest
        self.user.ask(pin(self.user.find(name), random_id, unpin=random_id % 3 == 0))
        self.user.ask(pin(self.user.find(name), random_id + 1, pm_oneside=True))

    def forward(self, name: str, random_id: int) -> None:
        source = self.user.find("some_channel")
        self.user.forward(source, [1, 3], self.user.find(name), [random_id, random_id + 1])

    def schedule(self, name: str, random_id: int) -> None:
        date = at(self.user.now + 30)
        self.user.send(self.user.find(name), "later", random_id, schedule_date=date)
        if random_id % 4 == 0:
            cancel = functions.messages.DeleteScheduledMessagesRequest
            self.user.ask(cancel(self.user.find(name), [random_id // 4]))

    def wait(self, name: str, random_id: int) -> None:
        self.user.now += random_id * 5
        self.bot.now = self.user.now
        self.world.deliver_due(self.user.now)

    def look(self, name: str, random_id: int) -> None:
        self.user.ask(functions.contacts.GetContactsRequest(0))


names = st.sampled_from(
    ["ana", "flood_ana", "busy_group", "news_channel", "slowmode_group", "blocked_ana", "x_forum"]
)
deeds = st.sampled_from(
    [
        _Life.write,
        _Life.edit,
        _Life.delete,
        _Life.import_,
        _Life.sign_in,
        _Life.leave,
        _Life.look,
        _Life.show,
        _Life.pin,
        _Life.forward,
        _Life.schedule,
        _Life.wait,
    ]
)


@given(st.lists(st.tuples(deeds, names, st.integers(1, 9), st.booleans())))
def test_what_was_drained_makes_an_equal_world(story):
    life = _Life()
    records: list[dict[str, object]] = []
    for deed, name, random_id, drain in story:
        with suppress(RpcError):
            deed(life, name, random_id)
        if drain:
            records += life.world.drain()
    records += life.world.drain()
    assert life.world.drain() == []
    for copy in (copy_of(records), copy_of(life.world.dump())):
        assert copy.drain() == []
        assert copy.dump() == life.world.dump()
        assert copy.scheduled() == life.world.scheduled()
        assert list(copy.inbox(deleted=True)) == list(life.world.inbox(deleted=True))


def test_all_that_goes_with_a_message_is_in_the_records():
    world = free_world(CONTACTS)
    robot, person = bot(world), user(world)
    ana, channel = robot.find("ana"), person.find("some_channel")
    url = types.KeyboardInlineButton("Go", types.InlineButtonTypeUrl("https://example.com"))
    rows = types.ReplyInlineMarkup([types.KeyboardInlineButtonRow([url])])
    robot.send(ana, "one", 1, reply_markup=rows, noforwards=True, effect=5046509860389126442)
    robot.send(ana, "two", 2, reply_to=types.InputReplyToMessage(1, quote_text="on"))
    robot.ask(functions.messages.UpdatePinnedMessageRequest(ana, 1))
    robot.ask(functions.messages.UpdatePinnedMessageRequest(ana, 2))
    robot.ask(functions.messages.UpdatePinnedMessageRequest(ana, 2, unpin=True))
    person.forward(channel, [1, 3], self_, [1, 2], silent=True)
    person.ask(functions.messages.UpdatePinnedMessageRequest(self_, 1, pm_oneside=True))
    person.send(person.find("some_group"), random_id=3, send_as=channel)
    person.send_album(person.find("x_forum"), [person.photo(), person.photo()], 4)
    for number in (6, 7, 8):
        person.send(self_, "later", number, schedule_date=at(person.now + number * 10))
    person.ask(functions.messages.DeleteScheduledMessagesRequest(self_, [2]))
    world.deliver_due(person.now + 60)
    for copy in (copy_of(world.drain()), copy_of(world.dump())):
        assert copy.dump() == world.dump()
        assert list(copy.inbox()) == list(world.inbox())
        assert copy.scheduled() == world.scheduled()
        assert len(copy.scheduled()) == 1
        assert Client(copy).send(self_, "again", 7).updates == [types.UpdateMessageID(2, 7)]


def test_a_message_that_is_sent_once_more_is_found():
    world = free_world()
    client = user(world)
    photo, channel = client.photo(), client.find("some_channel")
    album = [types.InputSingleMedia(photo, "", random_id=number) for number in (5, 6)]
    requests = (
        functions.messages.SendMessageRequest(self_, "x", random_id=1),
        functions.messages.SendMediaRequest(self_, photo, "x", random_id=2),
        functions.messages.ForwardMessagesRequest(channel, [1], self_, random_id=[3]),
        functions.messages.SendMultiMediaRequest(self_, album),
    )
    for number, request in enumerate(requests, start=1):
        assert world.repeats(1, request) is None
        client.ask(request)
        repeated = world.repeats(1, request)
        assert repeated is not None
        assert repeated.message_id == number
    assert world.repeats(1, functions.help.GetConfigRequest()) is None
    assert world.repeats(9, requests[0]) is None


@given(st.lists(st.tuples(deeds, names, st.integers(1, 9))))
def test_what_was_discarded_is_not_drained(story):
    life = _Life()
    for deed, name, random_id in story:
        with suppress(RpcError):
            deed(life, name, random_id)
    before = life.world.dump()
    life.world.discard()
    assert life.world.drain() == []
    assert life.world.dump() == before


def test_a_copy_goes_on_where_the_first_world_stopped():
    first = user()
    ana = first.find("ana")
    first.send(ana, "one", random_id=1)
    copy = Client(copy_of(first.world.drain()))
    assert copy.send(ana, "one", random_id=1).updates[0] == types.UpdateMessageID(1, 1)
    assert copy.send(ana, "two", random_id=2).id == 2
    for record in copy.world.drain():
        first.world.apply(record)
    assert copy.world.dump() == first.world.dump()


@pytest.mark.parametrize("record", [{}, {"t": "nonsense"}, {"t": "message"}])
def test_a_strange_record_is_refused(record):
    with pytest.raises(ValueError, match="not a record of the sandbox"):
        World().apply(record)


def test_changes_go_through_the_records_in_their_order():
    client = user()
    ana = client.find("ana")
    client.send(ana, "one", random_id=1)
    client.ask(functions.messages.EditMessageRequest(ana, 1, message="two"))
    records = client.world.drain()
    client.send(ana, "three", random_id=2)
    client.ask(functions.messages.DeleteMessagesRequest([1], revoke=True))
    records += client.world.drain()
    assert [r["t"] for r in records if "id" in r] == ["message", "edit", "message", "delete"]
    copy = Client(copy_of(records))
    assert copy.ask(functions.updates.GetStateRequest()).pts == 5
    assert copy.send(ana, "one", random_id=1).updates == [types.UpdateMessageID(1, 1)]


@pytest.mark.parametrize("kind", ["edit", "delete"])
def test_a_change_of_what_is_not_there_is_refused(kind):
    client = user()
    client.send(self_)
    record = client.world.drain()[-1] | {"t": kind, "id": 2, "for_all": True}
    with pytest.raises(ValueError, match=f"{kind} 2 of"):
        client.world.apply(record)


def test_a_message_out_of_turn_is_refused():
    client = user()
    client.send(self_)
    *_, message = client.world.drain()
    with pytest.raises(ValueError, match="follows message 1"):
        client.world.apply(message)


def test_unknown_methods_are_refused():
    with pytest.raises(RpcError, match="INPUT_METHOD_INVALID"):
        user().ask(functions.account.DeleteAccountRequest("because"))


def test_everybody_may_ask_for_the_configuration():
    client = Client(World(address=("127.0.0.1", 4711)))
    config = client.ask(functions.help.GetConfigRequest())
    (option,) = config.dc_options
    assert (option.id, option.ip_address, option.port) == (config.this_dc, "127.0.0.1", 4711)
    assert client.ask(functions.help.GetNearestDcRequest()).nearest_dc == config.this_dc
    assert client.ask(functions.help.GetAppConfigRequest(0)).config == types.JsonObject([])


def test_a_request_may_come_wrapped():
    query = functions.InvokeWithLayerRequest(
        229,
        functions.InitConnectionRequest(
            1, "sandbox", "1", "1", "en", "", "en", functions.help.GetNearestDcRequest()
        ),
    )
    client = user()
    assert client.ask(query).this_dc == 2
    me = functions.users.GetUsersRequest([types.InputUserSelf()])
    assert client.ask(functions.InvokeWithoutUpdatesRequest(me))[0].is_self


def test_the_page_shows_the_table_that_decides():
    assert behaviour.table() in PAGE.read_text()


def test_the_page_lists_every_method():
    page = PAGE.read_text()
    assert [method for method in methods() if f"`{method}`" not in page] == []


def test_the_page_tells_the_codes_and_passwords():
    page = PAGE.read_text()
    assert f"`{logins.CODE}`" in page
    assert f"`{logins.PASSWORD_DIGITS}`" in page
    assert f"`{logins.PASSWORD}`" in page
    assert f"`{PHONE}`" in page


def test_the_page_lists_every_limit_with_its_default():
    section = PAGE.read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE)
    assert rows == [(field.name, _shown(field.default)) for field in fields(Limits)]


def _shown(default: object) -> str:
    return "None" if default is None else re.sub(r"\.0$", "", f"{default:,}")


def test_the_faults_of_the_page_can_be_read():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    faults = parse_faults(block.encode(), str(PAGE))
    assert all(getattr(faults, field.name) is not None for field in fields(faults))
    named = [line.partition(":")[0] for line in block.splitlines()]
    assert named == [field.name for field in fields(faults)]  # their order decides


def test_the_program_of_the_page_runs(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    *_, ana, bruno, carla = done.stdout.splitlines()
    assert ana == "Ana Maria 1 I bought a car!"
    assert bruno == "Bruno 2 I bought a car!"
    assert carla == "Carla 3 I bought a bike!"
