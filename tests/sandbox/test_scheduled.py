from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import ME, NOW, at, bot, free_world, messages_of, user

History = functions.messages.GetScheduledHistoryRequest
HOUR = 3600


def waiting(client, peer):
    return client.ask(History(peer, 0)).messages


def wake(client, when):
    client.now = when
    client.ask(functions.updates.GetStateRequest())


def test_a_message_waits_for_its_time():
    client = user()
    ana = client.find("ana")
    answer = client.send(ana, "later", 7, schedule_date=at(NOW + HOUR))
    mapping, new = answer.updates
    assert mapping == types.UpdateMessageID(1, 7)
    assert isinstance(new, types.UpdateNewScheduledMessage)
    assert (new.message.date, new.message.from_scheduled) == (at(NOW + HOUR), True)
    assert not list(client.world.inbox())
    (scheduled,) = client.world.scheduled()
    assert (scheduled.text, scheduled.scheduled, scheduled.date) == ("later", NOW + HOUR, NOW)
    assert [message.message for message in waiting(client, ana)] == ["later"]
    wake(client, NOW + HOUR - 1)
    assert not list(client.world.inbox())
    wake(client, NOW + 2 * HOUR)
    (arrived,) = client.world.inbox()
    assert (arrived.random_id, arrived.date) == (7, NOW + HOUR)
    assert arrived.scheduled == NOW + HOUR
    assert client.world.scheduled() == []
    assert waiting(client, ana) == []


def test_what_is_due_is_sent_before_anything_else():
    client = user()
    client.send(ME, "later", 1, schedule_date=at(NOW + HOUR))
    client.now = NOW + HOUR
    assert client.send(ME, "now", 2).id == 2
    assert [message.text for message in client.world.inbox()] == ["later", "now"]


@given(st.lists(st.tuples(st.integers(20, 40), st.sampled_from(["ana", "some_group"]))))
def test_what_waits_is_sent_once_in_the_order_of_its_times(times):
    client = user()
    for number, (seconds, name) in enumerate(times, start=1):
        client.send(client.find(name), str(seconds), number, schedule_date=at(NOW + seconds))
    for seconds in range(15, 45, 5):
        wake(client, NOW + seconds)
        due = sorted(when for when, _ in times if when <= seconds)
        assert [int(message.text) for message in client.world.inbox()] == due
    assert client.world.scheduled() == []


def test_a_date_that_is_near_or_past_means_at_once():
    client = user()
    ana = client.find("ana")
    for number, seconds in enumerate((9, -100), start=1):
        client.send(ana, random_id=number, schedule_date=at(NOW + seconds))
    assert len(list(client.world.inbox())) == 2
    assert client.world.scheduled() == []


def test_a_repeat_is_known_while_it_waits_and_afterwards():
    client = user()
    ana = client.find("ana")
    date = at(NOW + HOUR)
    first = client.send(ana, "one", 7, schedule_date=date)
    for again in (
        client.send(ana, "two", 7, schedule_date=date),
        client.send(ana, "two", 7),
        client.send_media(ana, client.photo(), "two", 7),
    ):
        assert bytes(again) == bytes(first)
    wake(client, NOW + HOUR)
    mapping, new = client.send(ana, "three", 7, schedule_date=at(NOW + 2 * HOUR)).updates
    assert mapping == types.UpdateMessageID(1, 7)
    assert isinstance(new, types.UpdateNewMessage)
    assert len(list(client.world.inbox())) == 1


def test_a_cancelled_message_is_never_sent_not_even_by_a_repeat():
    client = user()
    ana = client.find("ana")
    client.send(ana, "one", 7, schedule_date=at(NOW + HOUR))
    client.send(ana, "two", 8, schedule_date=at(NOW + HOUR))
    cancel = functions.messages.DeleteScheduledMessagesRequest(ana, [1, 5])
    (gone,) = client.ask(cancel).updates
    assert (gone.messages, gone.sent_messages or None) == ([1], None)
    assert client.ask(cancel).updates == []
    assert client.send(ana, "one", 7).updates == [types.UpdateMessageID(1, 7)]
    wake(client, NOW + HOUR)
    assert [message.text for message in client.world.inbox()] == ["two"]


def test_what_waits_can_be_sent_at_once():
    client = user()
    ana = client.find("ana")
    client.send(ana, "before", 1)
    for number in (2, 3):
        client.send(ana, str(number), number, schedule_date=at(NOW + HOUR))
    send = functions.messages.SendScheduledMessagesRequest
    mapping, new, gone = client.ask(send(ana, [2])).updates
    assert mapping == types.UpdateMessageID(2, 3)
    assert new.message.from_scheduled
    assert (gone.messages, gone.sent_messages) == ([2], [2])
    with pytest.raises(RpcError, match="MESSAGE_ID_INVALID"):
        client.ask(send(ana, [1, 2]))
    assert [message.text for message in client.world.inbox()] == ["before", "3"]
    wake(client, NOW + HOUR)
    assert [message.text for message in client.world.inbox()] == ["before", "3", "2"]


def test_the_difference_tells_which_scheduled_message_has_come():
    client = user()
    ana = client.find("ana")
    client.send(ana, "one", 7, schedule_date=at(NOW + HOUR))
    client.send(ana, "two", 8, schedule_date=at(NOW + 2 * HOUR))
    wake(client, NOW + HOUR)
    told = client.ask(functions.updates.GetDifferenceRequest(1, None, 0))
    mapping, gone = told.other_updates
    assert mapping == types.UpdateMessageID(1, 7)
    assert (gone.messages, gone.sent_messages) == ([1], [1])
    assert told.new_messages[0].from_scheduled


def test_scheduled_numbers_are_a_sequence_of_each_chat():
    client = user()
    date = at(NOW + HOUR)
    numbers = [
        client.send(client.find(name), random_id=number, schedule_date=date).updates[0].id
        for number, name in enumerate(("ana", "ana", "bruno", "some_channel"), start=1)
    ]
    assert numbers == [1, 2, 1, 1]
    ana = client.find("ana")
    client.ask(functions.messages.DeleteScheduledMessagesRequest(ana, [2]))
    assert client.send(ana, random_id=9, schedule_date=date).updates[0].id == 3
    got = client.ask(functions.messages.GetScheduledMessagesRequest(ana, [1, 2, 3]))
    assert [message.id for message in got.messages] == [1, 3]


def test_an_album_waits_and_arrives_together():
    client = user()
    ana = client.find("ana")
    answer = client.send_album(ana, [client.photo()] * 3, 1, schedule_date=at(NOW + HOUR))
    assert len({message.grouped_id for message in messages_of(answer)}) == 1
    client.send(client.find("bruno"), "same time", 9, schedule_date=at(NOW + HOUR))
    wake(client, NOW + HOUR)
    albums = [message.album for message in client.world.inbox() if message.title == "Ana"]
    assert len(albums) == 3
    assert len(set(albums)) == 1


def test_forwards_and_files_can_wait_too():
    client = user()
    date = at(NOW + HOUR)
    client.forward(client.find("some_channel"), [3], ME, [1], schedule_date=date)
    client.send_media(ME, client.photo(), "mine", 2, schedule_date=date, silent=True)
    wake(client, NOW + HOUR)
    first, second = client.world.inbox()
    assert first.forwarded_from.message_id == 3
    assert (second.text, second.file.kind, second.silent) == ("mine", "photo", True)


def test_a_scheduled_message_can_be_changed_and_put_off():
    client = user()
    client.send(ME, "one", 1, schedule_date=at(NOW + HOUR))
    edit = functions.messages.EditMessageRequest
    client.ask(edit(ME, 1, message="two", schedule_date=at(NOW + 2 * HOUR)))
    with pytest.raises(RpcError, match="MESSAGE_NOT_MODIFIED"):
        client.ask(edit(ME, 1, message="two", schedule_date=at(NOW + 2 * HOUR)))
    with pytest.raises(RpcError, match="SCHEDULE_DATE_INVALID"):
        client.ask(edit(ME, 1, message="two", schedule_date=at(NOW + 5)))
    with pytest.raises(RpcError, match="MESSAGE_ID_INVALID"):
        client.ask(edit(ME, 2, message="two", schedule_date=at(NOW + 2 * HOUR)))
    wake(client, NOW + HOUR)
    assert not list(client.world.inbox())
    wake(client, NOW + 2 * HOUR)
    assert [message.text for message in client.world.inbox()] == ["two"]


def test_nothing_is_sent_again_and_again():
    client = user()
    date = at(NOW + HOUR)
    with pytest.raises(RpcError, match="PREMIUM_ACCOUNT_REQUIRED"):
        client.send(ME, schedule_date=date, schedule_repeat_period=86_400)
    assert client.world.scheduled() == []


def test_a_bot_cannot_schedule():
    client = bot()
    with pytest.raises(RpcError, match="SCHEDULE_BOT_NOT_ALLOWED"):
        client.send(client.find("ana"), schedule_date=at(NOW + HOUR))
    with pytest.raises(RpcError, match="BOT_METHOD_INVALID"):
        waiting(client, client.find("ana"))


@pytest.mark.parametrize(
    ("when", "peer", "name"),
    [
        (NOW + 367 * 86_400 + 1, "ana", "SCHEDULE_DATE_TOO_LATE"),
        (0x7FFFFFFE, "ana", "SCHEDULE_STATUS_PRIVATE"),
        (0x7FFFFFFE, "some_group", "SCHEDULE_DATE_INVALID"),
    ],
)
def test_a_date_may_be_too_late(when, peer, name):
    client = user()
    with pytest.raises(RpcError, match=name):
        client.send(client.find(peer), schedule_date=at(when))


def test_only_so_many_wait_in_one_chat():
    client = user(free_world(scheduled=2))
    date = at(NOW + HOUR)
    with pytest.raises(RpcError, match="SCHEDULE_TOO_MUCH"):
        client.send_album(ME, [client.photo()] * 3, schedule_date=date)
    client.send_album(ME, [client.photo()] * 2, schedule_date=date)
    with pytest.raises(RpcError, match="SCHEDULE_TOO_MUCH"):
        client.send(ME, random_id=9, schedule_date=date)
    client.send(client.find("ana"), random_id=9, schedule_date=date)


def test_who_has_blocked_us_is_not_written_to_later():
    client = user()
    with pytest.raises(RpcError, match="USER_IS_BLOCKED"):
        client.send(client.find("blocked_ana"), schedule_date=at(NOW + HOUR))
    assert client.world.scheduled() == []


def test_what_one_account_has_scheduled_is_not_anothers():
    world = free_world()
    client, other = user(world), user(world, "+34600000004", key_id=2)
    for each in (client, other):
        each.send(each.find("some_channel"), "x", 5, schedule_date=at(NOW + HOUR))
    assert len(waiting(other, other.find("some_channel"))) == 1
    wake(client, NOW + HOUR)
    assert len({message.sender for message in world.inbox()}) == 2
