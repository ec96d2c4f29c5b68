from __future__ import annotations

import pytest
from telethon.tl import functions, types

from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import bot, user

Pin = functions.messages.UpdatePinnedMessageRequest


def pinned(client):
    return [message.message_id for message in client.world.inbox() if message.pinned]


@pytest.mark.parametrize("name", ["ana", "some_group", "some_channel", "x_forum"])
def test_a_message_is_pinned_and_taken_down_again(name):
    client = bot()
    peer = client.find(name)
    answer = client.send(peer)
    number = answer.id if hasattr(answer, "id") else answer.updates[0].id
    (update,) = client.ask(Pin(peer, number)).updates
    assert (update.messages, update.pinned, update.pts_count) == ([number], True, 1)
    assert pinned(client) == [number]
    assert client.ask(Pin(peer, number)).updates == []
    (update,) = client.ask(Pin(peer, number, unpin=True)).updates
    assert not update.pinned
    assert pinned(client) == []


def test_a_message_shows_that_it_is_pinned():
    client = user()
    ana = client.find("ana")
    client.send(ana)
    client.ask(Pin(ana, 1, silent=True))
    got = client.ask(functions.messages.GetMessagesRequest([types.InputMessageID(1)]))
    assert got.messages[0].pinned


def test_a_pin_on_ones_own_side_only_is_not_seen_by_the_other():
    client = user()
    ana = client.find("ana")
    client.send(ana)
    client.ask(Pin(ana, 1, pm_oneside=True))
    assert pinned(client) == []
    client.ask(Pin(ana, 1))
    assert pinned(client) == [1]
    robot = bot(client.world)
    robot.send(robot.find("ana"))
    with pytest.raises(RpcError, match="BOT_ONESIDE_NOT_AVAIL"):
        robot.ask(Pin(robot.find("ana"), 1, pm_oneside=True))


def test_in_a_group_and_in_ones_notes_there_is_one_side_only():
    client = user()
    for number, peer in enumerate((types.InputPeerSelf(), types.InputPeerChat(5)), start=1):
        client.send(peer, random_id=number)
        client.ask(Pin(peer, number, pm_oneside=True))
    assert pinned(client) == [1, 2]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nopin_group", (400, "CHAT_ADMIN_REQUIRED")),
        ("readonly_news", (400, "CHAT_ADMIN_REQUIRED")),
    ],
)
def test_not_everywhere_may_one_pin(name, error):
    client = user()
    peer = client.find(name)
    if name == "nopin_group":
        client.send(peer)
    with pytest.raises(RpcError) as refused:
        client.ask(Pin(peer, 1))
    assert (refused.value.code, refused.value.name) == error


def test_only_what_is_there_can_be_pinned():
    client = user()
    ana = client.find("ana")
    client.send(ana)
    for peer, number in ((ana, 2), (client.find("bruno"), 1)):
        with pytest.raises(RpcError, match="MESSAGE_ID_INVALID"):
            client.ask(Pin(peer, number))


def test_all_pins_of_a_chat_are_taken_down_at_once():
    client = user()
    ana, bruno = client.find("ana"), client.find("bruno")
    for number, peer in enumerate((ana, bruno, ana), start=1):
        client.send(peer, random_id=number)
        client.ask(Pin(peer, number))
    done = client.ask(functions.messages.UnpinAllMessagesRequest(ana))
    assert done.pts_count == 2
    assert pinned(client) == [2]


def test_what_is_deleted_is_not_pinned_any_more():
    client = user()
    ana = client.find("ana")
    client.send(ana)
    client.ask(Pin(ana, 1))
    client.ask(functions.messages.DeleteMessagesRequest([1], revoke=True))
    assert [message.pinned for message in client.world.inbox(deleted=True)] == [False]


@pytest.mark.parametrize("name", ["ana", "some_group"])
def test_the_difference_tells_of_pins(name):
    client = user()
    peer = client.find(name)
    client.send(peer)
    client.ask(Pin(peer, 1))
    if name == "ana":
        told = client.ask(functions.updates.GetDifferenceRequest(1, None, 0))
    else:
        everything = types.ChannelMessagesFilterEmpty()
        told = client.ask(functions.updates.GetChannelDifferenceRequest(peer, everything, 1, 9))
    others = told.other_updates
    (pin,) = [update for update in others if "Pinned" in type(update).__name__]
    assert (pin.messages, pin.pts, pin.pinned) == ([1], 3, True)
