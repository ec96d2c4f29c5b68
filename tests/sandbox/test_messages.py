from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.sandbox.people import behaviour, phonebook
from broadcast.sandbox.people.behaviour import RULES
from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import NOW, PHONE, Client, bot, free_world, user

me = types.InputPeerSelf()
any_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.word)


def error_of(client: Client, peer: object, **more: object) -> tuple[int, str] | None:
    try:
        client.send(peer, **more)
    except RpcError as error:
        return error.code, error.name
    return None


def history(client: Client, peer: object, **more: object) -> types.messages.Messages:
    offsets = dict.fromkeys(("offset_id", "add_offset", "max_id", "min_id", "hash"), 0)
    ask = {"limit": 100, "offset_date": None} | offsets | more
    return client.ask(functions.messages.GetHistoryRequest(peer, **ask))


def id_of(answer: object) -> int:
    """As a client has to read it: from either of Telegram's two shapes."""
    if isinstance(answer, types.UpdateShortSentMessage):
        return answer.id
    assert isinstance(answer, types.Updates)
    return next(u.id for u in answer.updates if isinstance(u, types.UpdateMessageID))


def test_the_first_message_to_a_person_gets_the_short_answer():
    client = user()
    bold = types.MessageEntityBold(0, 5)
    answer = client.send(client.find("ana"), "hello", entities=[bold])
    assert isinstance(answer, types.UpdateShortSentMessage)
    assert (answer.id, answer.out, answer.pts, answer.pts_count) == (1, True, 2, 1)
    assert answer.date == datetime.fromtimestamp(NOW, UTC)
    assert answer.entities == [bold]


def test_a_repeat_returns_the_first_message_whatever_its_text():
    client = user()
    ana = client.find("ana")
    first = client.send(ana, "hello", random_id=-7)
    client.now += 1000
    again = client.send(ana, "", random_id=-7)
    mapping, new = again.updates
    assert mapping == types.UpdateMessageID(first.id, -7)
    assert (new.message.id, new.message.message) == (first.id, "hello")
    assert new.message.date == first.date
    assert len(list(client.world.inbox())) == 1


def test_a_repeat_counts_in_every_session_of_the_account_and_in_no_other_account():
    world = free_world()
    first, second = user(world), user(world, key_id=2)
    stranger = user(world, "+34600000004", key_id=3)
    assert id_of(first.send(first.find("ana"))) == id_of(second.send(second.find("ana")))
    stranger.send(stranger.find("ana"))
    assert [message.sender for message in world.inbox()] == [
        world.account_of(1),
        world.account_of(3),
    ]


peers = st.sampled_from(["ana", "bruno", "some_group", "some_channel", "some_bot"])


@given(st.lists(st.tuples(st.integers(1, 2), peers, st.integers(-3, 3).filter(bool))))
def test_repeats_never_make_a_second_message_whatever_the_order(sends):
    world = free_world()
    clients = {1: user(world), 2: user(world, key_id=2)}
    ids: dict[tuple[str, int], int] = {}
    for key_id, name, random_id in sends:
        client = clients[key_id]
        number = id_of(client.send(client.find(name), random_id=random_id))
        assert ids.setdefault((name, random_id), number) == number
    arrived = [(message.peer, message.random_id) for message in world.inbox()]
    assert len(arrived) == len(set(arrived)) == len(ids)


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("some_supergroup", types.UpdateNewChannelMessage),
        ("some_channel", types.UpdateNewChannelMessage),
    ],
)
def test_channels_always_answer_with_updates(name, update):
    client = user()
    peer = client.find(name)
    for answer in (client.send(peer), client.send(peer)):
        mapping, new = answer.updates
        assert isinstance(new, update)
        assert mapping.id == new.message.id == 1
        assert new.message.post is (name == "some_channel")
        assert [chat.username for chat in answer.chats] == [name]


def test_basic_groups_answer_with_updates_too():
    mapping, new = user().send(types.InputPeerChat(123)).updates
    assert isinstance(new, types.UpdateNewMessage)
    assert mapping.id == new.message.id == 1


def test_an_account_counts_its_private_messages_and_each_channel_its_own():
    client = user()
    ana, channel = client.find("ana"), client.find("some_channel")
    chat, other = types.InputPeerChat(5), client.find("other_channel")
    numbers = [id_of(client.send(peer)) for peer in (ana, channel, chat, me, other)]
    assert numbers == [1, 1, 2, 3, 1]
    assert client.ask(functions.updates.GetStateRequest()).pts == 4


@pytest.mark.parametrize(
    ("text", "entities", "name"),
    [
        ("", None, "MESSAGE_EMPTY"),
        (" \n", None, "MESSAGE_EMPTY"),
        ("\u200b \u2060\ufeff", None, "MESSAGE_EMPTY"),
        ("a" * 4097, None, "MESSAGE_TOO_LONG"),
        ("🚗" * 2049, None, "MESSAGE_TOO_LONG"),
        ("🚗", [types.MessageEntityBold(0, 3)], "ENTITY_BOUNDS_INVALID"),
        ("car", [types.MessageEntityBold(-1, 2)], "ENTITY_BOUNDS_INVALID"),
        ("car", [types.MessageEntityBold(1, 0)], "ENTITY_BOUNDS_INVALID"),
    ],
)
def test_a_message_that_is_wrong_is_refused_and_not_kept(text, entities, name):
    client = user()
    assert error_of(client, me, text=text, entities=entities) == (400, name)
    assert list(client.world.inbox()) == []


@pytest.mark.parametrize("text", ["a" * 4096, "🚗" * 2048])
def test_the_longest_message_passes(text):
    assert error_of(user(), me, text=text) is None


def test_a_random_id_is_required():
    assert error_of(user(), me, random_id=0) == (400, "RANDOM_ID_EMPTY")


@any_rule
def test_the_name_of_a_person_decides(rule):
    client = user()
    if rule is behaviour.UNKNOWN:
        with pytest.raises(RpcError, match="USERNAME_NOT_OCCUPIED"):
            client.find("unknown_ana")
        return
    person = types.InputUser(77_777_000_000 + rule.digits, 0)
    hash_of = phonebook.access_hash(client.world.account_of(1), person.user_id)
    by_id = types.InputPeerUser(person.user_id, hash_of)
    person_by_name = client.find(f"ana_{rule.word}") if rule is not behaviour.SLOWMODE else by_id
    expected = None if rule is behaviour.BOT else rule.user
    if isinstance(person_by_name, types.InputPeerUser):
        assert error_of(client, person_by_name) == expected
    assert error_of(client, by_id) == expected
    assert error_of(client, by_id, random_id=2) == (None if rule.once else expected)


@any_rule
def test_the_name_of_a_group_decides(rule):
    client = user()
    if rule is behaviour.UNKNOWN:
        return
    peer = client.find(f"{rule.word}_supergroup")
    if rule is behaviour.SLOWMODE:
        assert error_of(client, peer) is None
    assert error_of(client, peer, random_id=2) == rule.chat
    assert error_of(client, peer, random_id=2) == (None if rule.once else rule.chat)


def test_an_error_leaves_nothing_behind_and_the_same_random_id_works_later():
    client = user()
    peer = client.find("flood_ana")
    assert error_of(client, peer) == (420, "FLOOD_WAIT_3")
    assert list(client.world.inbox()) == []
    assert isinstance(client.send(peer), types.UpdateShortSentMessage)


def test_slow_mode_counts_the_seconds_that_are_left():
    client = user()
    peer = client.find("slowmode_group")
    client.send(peer)
    client.now += 2.5
    assert error_of(client, peer, random_id=2) == (420, "SLOWMODE_WAIT_8")
    assert id_of(client.send(peer)) == 1  # a repeat is not slowed down
    client.now += 7.5
    assert error_of(client, peer, random_id=2) is None


def test_who_pays_may_write():
    client = user()
    peer = client.find("paid_ana")
    assert error_of(client, peer, allow_paid_stars=9) == (403, "ALLOW_PAYMENT_REQUIRED_10")
    assert error_of(client, peer, allow_paid_stars=10) is None


def test_a_bot_cannot_write_to_bots_or_to_itself():
    client = bot()
    assert error_of(client, client.find("weather_bot")) == (400, "USER_IS_BOT")
    assert error_of(client, me) == (400, "USER_IS_BOT")
    assert error_of(user(), me) is None


def test_a_user_needs_the_access_hash_and_a_bot_does_not():
    world = free_world()
    person, robot = user(world), bot(world)
    for wrong in (0, 1, -1):
        assert error_of(person, types.InputPeerUser(5, wrong)) == (400, "PEER_ID_INVALID")
        assert error_of(person, types.InputPeerChannel(5, wrong)) == (400, "CHANNEL_INVALID")
    assert error_of(robot, types.InputPeerUser(5, 0)) is None
    assert error_of(robot, types.InputPeerChannel(5, 0)) is None
    assert error_of(robot, types.InputPeerUser(5, 1)) == (400, "PEER_ID_INVALID")
    for strange in (types.InputPeerEmpty(), types.InputPeerUser(0, 0), types.InputPeerChat(0)):
        assert error_of(robot, strange) == (400, "PEER_ID_INVALID")


def test_an_access_hash_of_another_account_is_worth_nothing():
    world = free_world()
    ana = user(world).find("ana")
    assert error_of(user(world, "+34600000004", 2), ana) == (400, "PEER_ID_INVALID")


def test_a_mention_of_a_user_is_kept_as_a_mention():
    client = user()
    ana = client.find("ana")
    mention = types.InputMessageEntityMentionName(
        0, 3, types.InputUser(ana.user_id, ana.access_hash)
    )
    assert client.send(me, "Ana", entities=[mention]).entities == [
        types.MessageEntityMentionName(0, 3, ana.user_id)
    ]


def test_history_shows_what_was_sent_newest_first():
    client = user()
    ana = client.find("ana")
    for number in range(1, 6):
        client.send(ana, f"message {number}", random_id=number)
        client.send(me, "a note", random_id=number)
    whole = history(client, ana)
    assert [m.message for m in whole.messages] == [f"message {n}" for n in (5, 4, 3, 2, 1)]
    newest = whole.messages[0].id
    assert [m.id for m in history(client, ana, limit=2).messages] == [9, 7]
    assert [m.id for m in history(client, ana, offset_id=newest, limit=2).messages] == [7, 5]
    assert [m.id for m in history(client, ana, offset_id=5, add_offset=-1, limit=1).messages] == [5]
    assert history(client, ana, limit=2).count == 5
    now, later = (datetime.fromtimestamp(NOW + seconds, UTC) for seconds in (0, 1))
    assert history(client, ana, offset_date=now).messages == []
    assert len(history(client, ana, offset_date=later).messages) == 5
    assert {u.username for u in whole.users} == {None, "ana"}


def test_messages_can_be_asked_for_by_id():
    client = user()
    channel = client.find("some_channel")
    client.send(me, "a note")
    client.send(channel, "news")
    ids = [types.InputMessageID(1), types.InputMessageID(2)]
    note, nothing = client.ask(functions.messages.GetMessagesRequest(ids)).messages
    assert note.message == "a note"
    assert isinstance(nothing, types.MessageEmpty)
    news, nothing = client.ask(functions.channels.GetMessagesRequest(channel, ids)).messages
    assert news.message == "news"
    assert isinstance(nothing, types.MessageEmpty)
    with pytest.raises(RpcError, match="CHANNEL_INVALID"):
        client.ask(functions.channels.GetMessagesRequest(types.InputChannel(5, 5), ids))


def test_nothing_is_ever_missed():
    client = user()
    state = client.ask(functions.updates.GetStateRequest())
    difference = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts)
    assert isinstance(client.ask(difference), types.updates.DifferenceEmpty)
    everything = types.ChannelMessagesFilterEmpty()
    of_channel = functions.updates.GetChannelDifferenceRequest(
        client.find("some_channel"), everything, 1, 100
    )
    assert client.ask(of_channel).pts == 1


def test_typing_is_accepted_for_a_peer_that_exists():
    client = user()
    typing = types.SendMessageTypingAction()
    assert client.ask(functions.messages.SetTypingRequest(me, typing)) is True
    with pytest.raises(RpcError, match="PEER_ID_INVALID"):
        client.ask(functions.messages.SetTypingRequest(types.InputPeerUser(5, 5), typing))


def test_a_note_to_oneself_stands_under_ones_own_name():
    client = user()
    client.send(me)
    name = client.ask(functions.users.GetUsersRequest([types.InputUserSelf()]))[0].first_name
    assert [message.title for message in client.world.inbox()] == [name]


def test_the_inbox_tells_all_about_a_message_in_the_order_of_arrival():
    client = user()
    bold = types.MessageEntityBold(0, 2)
    for name in ("some_channel", "ana", "bruno"):
        client.now += 1
        client.send(client.find(name), f"to {name}", random_id=7, entities=[bold])
    inbox = list(client.world.inbox())
    assert [message.title for message in inbox] == ["Some Channel", "Ana", "Bruno"]
    assert inbox[1].sender == phonebook.by_phone(PHONE).id
    assert inbox[1].peer == phonebook.by_username("ana").id
    assert (inbox[1].message_id, inbox[1].random_id, inbox[1].text) == (1, 7, "to ana")
    assert inbox[1].entities == (bytes(bold),)
    assert inbox[1].date == NOW + 2
