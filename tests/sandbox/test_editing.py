from __future__ import annotations

from datetime import UTC, datetime

import pytest
from telethon.tl import functions, types

from broadcast.sandbox.limits import Limits
from broadcast.sandbox.people.phonebook import access_hash
from broadcast.sandbox.world import RpcError, World
from tests.sandbox.asking import NOW, Client, bot, free_world, user
from tests.sandbox.test_messages import history, id_of

DAY = 86_400

me = types.InputPeerSelf()


def edit(client: Client, peer: object, number: int, text: str = "changed", **more: object):
    return client.ask(functions.messages.EditMessageRequest(peer, number, message=text, **more))


def delete(client: Client, *numbers: int, revoke: bool = True):
    return client.ask(functions.messages.DeleteMessagesRequest(list(numbers), revoke=revoke))


def delete_posts(client: Client, channel: object, *numbers: int):
    return client.ask(functions.channels.DeleteMessagesRequest(channel, list(numbers)))


def refusal(call: object, *arguments: object, **more: object) -> tuple[int, str] | None:
    try:
        call(*arguments, **more)
    except RpcError as error:
        return error.code, error.name
    return None


def texts(world: World, **options: bool) -> list[str]:
    return [message.text for message in world.inbox(**options)]


def by_id(client: Client, *numbers: int) -> list[object]:
    ids = [types.InputMessageID(number) for number in numbers]
    return client.ask(functions.messages.GetMessagesRequest(ids)).messages


# Editing


def test_an_edit_changes_what_everybody_sees():
    client = user()
    ana = client.find("ana")
    client.send(ana, "I bought a car!")
    client.now += 60.5
    bold = types.MessageEntityBold(0, 1)
    (update,) = edit(client, ana, 1, "I bought a bike!", entities=[bold]).updates
    assert isinstance(update, types.UpdateEditMessage)
    assert (update.pts, update.pts_count) == (3, 1)
    assert (update.message.id, update.message.message) == (1, "I bought a bike!")
    assert update.message.entities == [bold]
    assert update.message.date == datetime.fromtimestamp(NOW, UTC)
    assert update.message.edit_date == datetime.fromtimestamp(NOW + 60, UTC)
    assert by_id(client, 1) == [update.message]
    assert history(client, ana).messages == [update.message]
    (arrived,) = client.world.inbox()
    assert (arrived.text, arrived.entities) == ("I bought a bike!", (bytes(bold),))
    assert (arrived.date, arrived.edited, arrived.deleted) == (NOW, NOW + 60.5, None)


def test_an_edit_of_a_post_is_an_update_of_its_channel():
    client = user()
    channel = client.find("some_channel")
    client.send(channel, "news")
    answer = edit(client, channel, 1, "old news")
    assert isinstance(answer.updates[0], types.UpdateEditChannelMessage)
    assert answer.updates[0].pts == 3
    assert [chat.username for chat in answer.chats] == ["some_channel"]


def test_what_was_edited_is_what_a_repeat_returns():
    client = user()
    ana = client.find("ana")
    client.send(ana, "first")
    edit(client, ana, 1, "second")
    _, new = client.send(ana, "third").updates
    assert new.message.message == "second"
    assert new.pts == 2
    assert texts(client.world) == ["second"]


@pytest.mark.parametrize("number", [0, -1, 2, 3, 4, 1_000_000])
def test_only_a_message_of_this_chat_can_be_edited(number):
    client = user()
    ana = client.find("ana")
    client.send(ana)
    client.send(me)
    client.send(ana, random_id=2)
    delete(client, 3)
    assert refusal(edit, client, ana, number) == (400, "MESSAGE_ID_INVALID")


def test_a_message_of_another_account_is_out_of_reach():
    world = free_world()
    first, second = user(world), user(world, "+34600000004", key_id=3)
    first.send(first.find("ana"))
    assert refusal(edit, second, second.find("ana"), 1) == (400, "MESSAGE_ID_INVALID")


@pytest.mark.parametrize(
    ("text", "entities", "name"),
    [
        ("hello", None, "MESSAGE_NOT_MODIFIED"),
        ("", None, "MESSAGE_EMPTY"),
        (" \n", None, "MESSAGE_EMPTY"),
        ("a" * 4097, None, "MESSAGE_TOO_LONG"),
        ("🚗", [types.MessageEntityBold(0, 3)], "ENTITY_BOUNDS_INVALID"),
    ],
)
def test_a_wrong_edit_is_refused_and_changes_nothing(text, entities, name):
    client = user()
    client.send(me)
    before = client.world.dump()
    assert refusal(edit, client, me, 1, text, entities=entities) == (400, name)
    assert client.world.dump() == before


def test_new_formatting_alone_is_an_edit():
    client = user()
    client.send(me)
    assert refusal(edit, client, me, 1, "hello", entities=[types.MessageEntityBold(0, 5)]) is None


def test_what_cannot_be_done_is_refused_and_not_ignored():
    client = user()
    client.send(me)
    tomorrow = datetime.fromtimestamp(NOW + DAY, UTC)
    media = types.InputMediaDice("🎲")
    assert refusal(edit, client, me, 1, schedule_date=tomorrow) == (400, "MESSAGE_ID_INVALID")
    assert refusal(edit, client, me, 1, media=media) == (400, "MEDIA_INVALID")


@pytest.mark.parametrize("name", ["ana", "some_group", "some_supergroup"])
def test_after_two_days_a_person_edits_no_more(name):
    client = user()
    peer = client.find(name)
    client.send(peer)
    client.now += 2 * DAY
    edit(client, peer, 1, "just in time")
    client.now += 1
    assert refusal(edit, client, peer, 1) == (400, "MESSAGE_EDIT_TIME_EXPIRED")


def test_ones_own_notes_and_channels_can_be_edited_for_ever():
    client = user()
    channel = client.find("some_channel")
    client.send(me)
    client.send(channel)
    client.now += 400 * DAY
    assert refusal(edit, client, me, 1) is None
    assert refusal(edit, client, channel, 1) is None


def test_a_bot_edits_its_own_for_ever_unless_the_limits_say_otherwise():
    for limits, expected in (
        (Limits(), None),
        (Limits(bot_edit_seconds=10), (400, "MESSAGE_EDIT_TIME_EXPIRED")),
    ):
        client = bot(World(limits=limits))
        ana = client.find("ana")
        client.send(ana)
        client.now += 400 * DAY
        assert refusal(edit, client, ana, 1) == expected


def test_in_a_group_only_the_author_edits_and_in_a_channel_every_administrator():
    world = free_world()
    first, second = user(world), user(world, "+34600000004", key_id=3)
    for name, expected in (
        ("some_supergroup", (403, "MESSAGE_AUTHOR_REQUIRED")),
        ("some_channel", None),
    ):
        first.send(first.find(name))
        assert refusal(edit, second, second.find(name), 1) == expected


# Deleting


def test_deleting_takes_a_message_from_everybody():
    client = user()
    ana = client.find("ana")
    for random_id in (1, 2, 3):
        client.send(ana, f"message {random_id}", random_id=random_id)
    client.now += 5
    answer = delete(client, 1, 3)
    assert (answer.pts, answer.pts_count) == (6, 2)
    assert by_id(client, 1, 3) == [types.MessageEmpty(1, None), types.MessageEmpty(3, None)]
    shown = history(client, ana)
    assert [message.id for message in shown.messages] == [2]
    assert texts(client.world) == ["message 2"]
    gone = [message for message in client.world.inbox(deleted=True) if message.deleted]
    assert [(message.message_id, message.deleted) for message in gone] == [
        (1, NOW + 5),
        (3, NOW + 5),
    ]


def test_without_revoke_the_recipient_keeps_it():
    client = user()
    ana = client.find("ana")
    client.send(ana, "for ana")
    client.send(me, "a note")
    assert delete(client, 1, 2, revoke=False).pts_count == 2
    assert history(client, ana).messages == []
    assert texts(client.world) == ["for ana"]
    assert delete(client, 1).pts_count == 0  # out of the sender's reach from now on
    assert texts(client.world) == ["for ana"]


def test_a_bot_deletes_for_everybody_whatever_it_says():
    client = bot()
    client.send(client.find("ana"))
    delete(client, 1, revoke=False)
    assert texts(client.world) == []


def test_deleting_what_is_not_there_is_no_error_and_counts_nothing():
    client = user()
    client.send(me)
    assert delete(client, 1, 1).pts_count == 1
    answer = delete(client, 1, 2, 0, -1)
    assert (answer.pts, answer.pts_count) == (3, 0)
    assert delete(client).pts_count == 0


def test_a_bot_deletes_for_two_days_and_a_person_for_ever():
    world = free_world()
    robot, person = bot(world), user(world)
    ana, group = robot.find("ana"), types.InputPeerChat(5)
    for random_id in (1, 2):
        robot.send(ana, random_id=random_id)
    robot.send(group)
    person.send(person.find("ana"))
    robot.now = person.now = NOW + 2 * DAY
    assert refusal(delete, robot, 1) is None
    robot.now = person.now = NOW + 2 * DAY + 1
    robot.send(ana, random_id=4)
    for old in (2, 3):
        assert refusal(delete, robot, old, 4) == (403, "MESSAGE_DELETE_FORBIDDEN")
    assert len(texts(world)) == 4  # all or nothing
    assert refusal(delete, person, 1) is None


def test_a_persons_limit_holds_for_everybody_and_not_for_oneself():
    client = user(free_world(delete_seconds=60))
    client.send(client.find("ana"))
    client.now += 61
    assert refusal(delete, client, 1) == (403, "MESSAGE_DELETE_FORBIDDEN")
    assert refusal(delete, client, 1, revoke=False) is None


def test_posts_are_deleted_in_their_channel_and_for_everybody():
    client = user()
    channel, group = client.find("some_channel"), client.find("some_supergroup")
    for peer in (channel, group):
        client.send(peer)
        answer = delete_posts(client, peer, 1, 2)
        assert (answer.pts, answer.pts_count) == (3, 1)
    assert texts(client.world) == []
    assert refusal(delete_posts, client, types.InputChannel(5, 5), 1) == (400, "CHANNEL_INVALID")
    person = client.find("ana")
    assert refusal(delete_posts, client, types.InputChannel(person.user_id, 0), 1) == (
        400,
        "CHANNEL_INVALID",
    )


def test_in_a_group_only_ones_own_can_be_deleted_and_by_a_bot_for_two_days():
    world = free_world()
    first, second, robot = user(world), user(world, "+34600000004", key_id=3), bot(world)
    group, channel = (first.find(name) for name in ("some_supergroup", "some_channel"))
    forbidden = (403, "MESSAGE_DELETE_FORBIDDEN")
    for client in (first, robot):
        client.send(client.find("some_supergroup"), random_id=client.key_id)
        client.send(client.find("some_channel"), random_id=client.key_id)
    assert refusal(delete_posts, second, second.find("some_supergroup"), 1) == forbidden
    assert refusal(delete_posts, second, second.find("some_channel"), 1) is None
    robot.now = first.now = NOW + 2 * DAY + 1
    assert refusal(delete_posts, robot, robot.find("some_supergroup"), 2) == forbidden
    assert refusal(delete_posts, robot, robot.find("some_channel"), 2) is None
    assert refusal(delete_posts, first, group, 1) is None
    assert delete_posts(first, channel, 1).pts_count == 0


def test_at_most_a_hundred_are_deleted_at_once():
    client = user()
    assert refusal(delete, client, *range(1, 102)) == (400, "LIMIT_INVALID")
    assert refusal(delete, client, *range(1, 101)) is None


@pytest.mark.parametrize("revoke", [True, False])
def test_a_repeat_of_a_deleted_message_makes_no_second_one(revoke):
    client = user()
    ana = client.find("ana")
    client.send(ana, "first", random_id=7)
    delete(client, 1, revoke=revoke)
    answer = client.send(ana, "first", random_id=7)
    assert answer.updates == [types.UpdateMessageID(1, 7)]
    assert len(texts(client.world, deleted=True)) == 1


def test_a_repeat_of_a_deleted_post_makes_no_second_one():
    client = user()
    channel = client.find("some_channel")
    client.send(channel)
    delete_posts(client, channel, 1)
    assert id_of(client.send(channel)) == 1
    assert texts(client.world) == []


def test_dialogs_end_with_the_last_message_that_is_left():
    client = user()
    ana, channel = client.find("ana"), client.find("some_channel")
    for random_id in (1, 2):
        client.send(ana, random_id=random_id)
        client.send(channel, random_id=random_id)

    def tops() -> dict[object, int]:
        empty = types.InputPeerEmpty()
        request = functions.messages.GetDialogsRequest(None, 0, empty, 100, 0)
        found = client.ask(request)
        assert len(found.messages) == len(found.dialogs)
        return {type(dialog.peer): dialog.top_message for dialog in found.dialogs}

    delete(client, 2)
    delete_posts(client, channel, 2)
    assert tops() == {types.PeerUser: 1, types.PeerChannel: 1}
    delete(client, 1)
    delete_posts(client, channel, 1)
    assert tops() == {}


def test_deleting_ends_no_slow_mode():
    client = user()
    group = client.find("slowmode_group")
    client.send(group)
    delete_posts(client, group, 1)
    with pytest.raises(RpcError, match="SLOWMODE_WAIT_10"):
        client.send(group, random_id=2)


def test_the_configuration_tells_the_limits():
    request = functions.help.GetConfigRequest()
    config = Client(World()).ask(request)
    assert (config.edit_time_limit, config.message_length_max) == (2 * DAY, 4096)
    assert config.revoke_pm_time_limit == 2**31 - 1
    limits = Limits(text_length=10, edit_seconds=5, delete_seconds=7)
    config = Client(World(limits=limits)).ask(request)
    assert (config.edit_time_limit, config.message_length_max) == (5, 10)
    assert (config.revoke_time_limit, config.revoke_pm_time_limit) == (7, 7)


def test_the_hash_of_a_stranger_opens_no_chat():
    client = user()
    client.send(client.find("ana"))
    wrong = types.InputPeerUser(5, access_hash(client.world.account_of(1), 6))
    assert refusal(edit, client, wrong, 1) == (400, "PEER_ID_INVALID")
