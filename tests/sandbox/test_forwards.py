from __future__ import annotations

import pytest
from telethon.tl import functions, types

from broadcast.sandbox.people.phonebook import by_username
from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import ME, bot, free_world, messages_of, user

Channel = functions.channels.GetMessagesRequest


def posts(client, name="some_channel", ids=(1, 2, 3, 4)):
    asked = [types.InputMessageID(number) for number in ids]
    return client.ask(Channel(client.find(name), asked)).messages


def test_a_public_channel_has_posts_the_last_with_a_photo():
    client = user()
    first, second, third, fourth = posts(client)
    assert first.message == "Welcome to Some Channel!"
    assert first.post
    assert first.from_id is None
    assert second.media is None
    assert third.media.photo
    assert isinstance(fourth, types.MessageEmpty)
    assert [message.message for message in posts(user())] == [
        message.message for message in posts(client)
    ]
    assert not list(client.world.inbox())


def test_what_one_posts_first_is_the_first_post():
    client = user()
    client.send(client.find("some_channel"), "mine")
    assert [getattr(message, "message", None) for message in posts(client)][:2] == ["mine", None]


def test_a_post_is_forwarded_with_its_author():
    client = user()
    channel, ana = client.find("some_channel"), client.find("ana")
    (message,) = messages_of(client.forward(channel, [3], ana, [9]))
    assert message.fwd_from.channel_post == 3
    assert message.fwd_from.from_id.channel_id == channel.channel_id
    assert message.media.photo
    (arrived,) = client.world.inbox()
    origin = arrived.forwarded_from
    assert (origin.peer, origin.message_id) == (by_username("some_channel").id, 3)
    assert (arrived.text, arrived.file.kind) == ("A picture of today.", "photo")
    assert client.world.uploaded == 0


def test_or_without_and_without_its_caption():
    client = user()
    channel, ana = client.find("some_channel"), client.find("ana")
    (message,) = messages_of(
        client.forward(channel, [3], ana, [9], drop_author=True, drop_media_captions=True)
    )
    assert (message.fwd_from, message.message) == (None, "")
    client.forward(channel, [1], ana, [10], drop_author=True, drop_media_captions=True)
    assert [message.text for message in client.world.inbox()] == ["", "Welcome to Some Channel!"]


def test_who_wrote_it_stays_known_when_it_is_forwarded_on():
    client = user()
    channel, ana, bruno = (client.find(name) for name in ("some_channel", "ana", "bruno"))
    client.forward(channel, [1], ana, [1])
    client.forward(ana, [1], bruno, [2])
    client.send(ana, "mine", random_id=3)
    client.forward(ana, [3], bruno, [4])
    origins = [message.forwarded_from for message in client.world.inbox()]
    assert origins[1] == origins[0]
    assert origins[2] is None
    assert (origins[3].peer, origins[3].message_id) == (client.world.account_of(1), None)


def test_a_repeat_is_not_forwarded_again():
    client = user()
    channel, ana = client.find("some_channel"), client.find("ana")
    first = client.forward(channel, [1, 2], ana, [1, 2])
    again = client.forward(channel, [1, 2], ana, [1, 2])
    assert bytes(first) == bytes(again)
    more = client.forward(channel, [1, 2, 3], ana, [1, 2, 3])
    assert [message.id for message in messages_of(more)] == [1, 2, 3]
    assert len(list(client.world.inbox())) == 3


def test_an_album_is_an_album_again():
    client = user()
    ana, bruno = client.find("ana"), client.find("bruno")
    client.send_album(ana, [client.photo()] * 3)
    client.send(ana, "alone", random_id=9)
    client.forward(ana, [1, 2, 4], bruno, [11, 12, 14])
    *_, one, two, alone = client.world.inbox()
    assert one.album == two.album is not None
    assert alone.album is None
    client.forward(ana, [3], bruno, [13])
    *_, single = client.world.inbox()
    assert single.album is None


def test_silently_into_a_topic_with_an_effect():
    client = user()
    channel, forum = client.find("some_channel"), client.find("x_forum")
    client.forward(channel, [1], forum, [1], silent=True, top_msg_id=2)
    client.now += 1
    client.forward(channel, [1], ME, [2], effect=5104841245755180586)
    topical, effective = client.world.inbox()
    assert (topical.silent, topical.topic) == (True, 2)
    assert effective.effect == 5104841245755180586


@pytest.mark.parametrize(
    ("ids", "random_ids", "name"),
    [
        ([], [], "MESSAGE_IDS_EMPTY"),
        ([1], [1, 2], "RANDOM_ID_INVALID"),
        ([1, 2], [1, 1], "RANDOM_ID_INVALID"),
        ([1], [0], "RANDOM_ID_EMPTY"),
        ([1, 4], [1, 2], "MESSAGE_ID_INVALID"),
        ([0], [1], "MESSAGE_ID_INVALID"),
        (list(range(1, 102)), list(range(1, 102)), "LIMIT_INVALID"),
    ],
)
def test_wrong_numbers_forward_nothing(ids, random_ids, name):
    client = user()
    with pytest.raises(RpcError, match=name):
        client.forward(client.find("some_channel"), ids, ME, random_ids)
    assert not list(client.world.inbox())


def test_nothing_leaves_a_protected_channel():
    client = user()
    assert len(posts(client, "protected_news")) == 4
    with pytest.raises(RpcError) as refused:
        client.forward(client.find("protected_news"), [1], ME, [1])
    assert (refused.value.code, refused.value.name) == (406, "CHAT_FORWARDS_RESTRICTED")
    protecting = bot(client.world)
    ana = protecting.find("ana")
    protecting.send(ana, noforwards=True)
    with pytest.raises(RpcError, match="CHAT_FORWARDS_RESTRICTED"):
        protecting.forward(ana, [1], protecting.find("bruno"), [1])


def test_a_channel_that_is_closed_cannot_be_forwarded_from():
    client = user()
    with pytest.raises(RpcError, match="CHANNEL_PRIVATE"):
        client.forward(client.find("private_channel"), [1], ME, [1])


@pytest.mark.parametrize("name", ["blocked_ana", "readonly_news"])
def test_the_name_decides_about_forwards_too(name):
    client = user()
    with pytest.raises(RpcError):
        client.forward(client.find("some_channel"), [1], client.find(name), [1])
    assert not list(client.world.inbox())


def test_forwards_count_each():
    client = user(free_world(group_messages_per_minute=20.0))
    channel, group = client.find("some_channel"), client.find("some_group")
    for number in range(7):
        client.forward(channel, [1, 2, 3], group, [number * 3 + i for i in (1, 2, 3)])
    with pytest.raises(RpcError, match="FLOOD_WAIT"):
        client.forward(channel, [1], group, [99])


def test_not_several_at_once_where_one_must_be_slow():
    client = user()
    channel, slow = client.find("some_channel"), client.find("slowmode_group")
    with pytest.raises(RpcError, match="SLOWMODE_MULTI_MSGS_DISABLED"):
        client.forward(channel, [1, 2], slow, [1, 2])
    client.forward(channel, [1], slow, [1])
