from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions, types

from broadcast.sandbox.memory.message_log import EventKind, MessageLog
from broadcast.sandbox.world import RpcError
from tests.sandbox.asking import Client, bot, free_world, user
from tests.sandbox.test_editing import delete, delete_posts, edit

me = types.InputPeerSelf()
everything = types.ChannelMessagesFilterEmpty()


def pts_of(client: Client) -> int:
    return client.ask(functions.updates.GetStateRequest()).pts


def missed(client: Client, pts: int, **more: Any) -> Any:
    request = functions.updates.GetDifferenceRequest(pts, date=None, qts=0, **more)
    return client.ask(request)


def missed_posts(client: Client, channel: object, pts: int, limit: int = 100) -> Any:
    request = functions.updates.GetChannelDifferenceRequest(channel, everything, pts, limit)
    return client.ask(request)


def told_ids(difference: Any) -> dict[int, int]:
    """Which random_id became which message."""
    updates = difference.other_updates
    return {u.random_id: u.id for u in updates if isinstance(u, types.UpdateMessageID)}


def test_the_ids_of_lost_answers_are_found_by_their_random_ids():
    client = user()
    client.send(me, "before")
    since = pts_of(client)
    sent = {}
    for random_id, name in enumerate(("ana", "bruno", "carla"), start=100):
        sent[random_id] = client.send(client.find(name), f"to {name}", random_id).id
    answer = missed(client, since)
    assert isinstance(answer, types.updates.Difference)
    assert told_ids(answer) == sent == {100: 2, 101: 3, 102: 4}
    assert [message.message for message in answer.new_messages] == [
        "to ana",
        "to bruno",
        "to carla",
    ]
    assert answer.state.pts == pts_of(client)
    assert {u.username for u in answer.users} == {None, "ana", "bruno", "carla"}


def test_who_missed_nothing_is_told_so():
    client = user()
    client.send(me)
    assert isinstance(missed(client, pts_of(client)), types.updates.DifferenceEmpty)
    channel = client.find("some_channel")
    client.send(channel)
    assert missed_posts(client, channel, 2) == types.updates.ChannelDifferenceEmpty(
        pts=2, final=True, timeout=30
    )


def test_a_pts_belongs_to_one_account():
    world = free_world()
    first, second = user(world), user(world, "+34600000004", key_id=3)
    first.send(me)
    assert (pts_of(first), pts_of(second)) == (2, 1)


@pytest.mark.parametrize(
    ("pts", "name"),
    [
        (0, "PERSISTENT_TIMESTAMP_EMPTY"),
        (-1, "PERSISTENT_TIMESTAMP_INVALID"),
        (3, "PERSISTENT_TIMESTAMP_INVALID"),
    ],
)
def test_a_pts_that_never_was_is_refused(pts, name):
    client = user()
    client.send(me)
    with pytest.raises(RpcError, match=name):
        missed(client, pts)
    channel = client.find("some_channel")
    client.send(channel)
    with pytest.raises(RpcError, match=name):
        missed_posts(client, channel, pts)


def test_much_that_was_missed_comes_in_slices():
    client = bot(free_world(difference=10))
    ana = client.find("ana")
    for random_id in range(1, 26):
        client.send(ana, random_id=random_id)
    sizes, ids, pts, is_whole = [], {}, 1, False
    while not is_whole:
        answer = missed(client, pts)
        is_whole = isinstance(answer, types.updates.Difference)
        pts = answer.state.pts if is_whole else answer.intermediate_state.pts
        sizes.append(len(answer.new_messages))
        ids |= told_ids(answer)
    assert sizes == [10, 10, 5]
    assert ids == {number: number for number in range(1, 26)}
    assert pts == pts_of(client)


def test_a_client_may_ask_for_smaller_slices_and_not_for_bigger_ones():
    client = user(free_world(difference=4))
    for random_id in range(1, 10):
        client.send(me, random_id=random_id)
    assert len(missed(client, 1, pts_limit=2).new_messages) == 2
    assert len(missed(client, 1, pts_limit=100).new_messages) == 4


def test_a_channel_is_told_in_slices_too():
    client = user()
    channel = client.find("some_channel")
    for random_id in range(1, 6):
        client.send(channel, f"post {random_id}", random_id)
    first = missed_posts(client, channel, 1, limit=3)
    rest = missed_posts(client, channel, first.pts, limit=3)
    assert (first.final, rest.final) == (False, True)
    assert [m.message for m in first.new_messages + rest.new_messages] == [
        f"post {number}" for number in range(1, 6)
    ]
    assert told_ids(first) | told_ids(rest) == {number: number for number in range(1, 6)}


def test_a_random_id_is_told_to_nobody_but_its_sender():
    world = free_world()
    first, second = user(world), user(world, "+34600000004", key_id=3)
    first.send(first.find("some_channel"))
    answer = missed_posts(second, second.find("some_channel"), 1)
    assert [message.message for message in answer.new_messages] == ["hello"]
    assert told_ids(answer) == {}


def test_who_is_too_far_behind_starts_again():
    client = user(free_world(gap=3))
    channel = client.find("some_channel")
    for random_id in range(1, 6):
        client.send(me, random_id=random_id)
        client.send(channel, f"post {random_id}", random_id)
    assert missed(client, 1) == types.updates.DifferenceTooLong(pts=6)
    assert isinstance(missed(client, 3), types.updates.Difference)
    answer = missed_posts(client, channel, 1)
    assert isinstance(answer, types.updates.ChannelDifferenceTooLong)
    assert (answer.dialog.top_message, answer.dialog.pts) == (5, 6)
    assert [message.message for message in answer.messages] == ["post 5"]
    delete_posts(client, channel, 5)
    assert missed_posts(client, channel, 1).messages == []


def test_a_client_may_say_itself_how_far_is_too_far():
    client = user()
    for random_id in range(1, 6):
        client.send(me, random_id=random_id)
    assert missed(client, 1, pts_total_limit=4) == types.updates.DifferenceTooLong(pts=6)
    assert isinstance(missed(client, 1, pts_total_limit=5), types.updates.Difference)


def test_edits_and_deletions_of_older_messages_are_told():
    client = user()
    for random_id in range(1, 5):
        client.send(me, f"note {random_id}", random_id)
    since = pts_of(client)
    edit(client, me, 1, "once")
    edit(client, me, 1, "twice")
    edit(client, me, 2, "in vain")
    delete(client, 2, 3)
    answer = missed(client, since)
    edited, deleted = answer.other_updates
    assert (edited.message.id, edited.message.message) == (1, "twice")
    assert isinstance(edited, types.UpdateEditMessage)
    assert edited.pts == since + 2
    assert deleted == types.UpdateDeleteMessages([2, 3], pts=since + 5, pts_count=2)
    assert answer.new_messages == []


def test_a_message_that_is_new_is_told_once_in_its_last_form():
    client = user()
    channel = client.find("some_channel")
    for random_id in (1, 2):
        client.send(channel, f"post {random_id}", random_id)
    edit(client, channel, 1, "better")
    delete_posts(client, channel, 2)
    answer = missed_posts(client, channel, 1)
    assert [message.message for message in answer.new_messages] == ["better"]
    *ids, deleted = answer.other_updates
    assert ids == [types.UpdateMessageID(1, 1), types.UpdateMessageID(2, 2)]
    assert deleted == types.UpdateDeleteChannelMessages(channel.channel_id, [2], 5, 1)


deeds = st.lists(st.tuples(st.sampled_from(["new", "edit", "delete"]), st.integers(0, 5)))


@given(deeds, st.data())
def test_the_events_after_any_pts_are_the_rest_of_all_events(story, data):
    log, expected = MessageLog(1), []
    for when, (deed, choice) in enumerate(story):
        shown = [number for number in range(1, len(log) + 1) if log.shows(number)]
        if deed == "new" or not shown:
            number = log.add(5, when + 1, 0, when)
            expected.append((log.pts, EventKind.NEW, number, when))
            assert log.pts_of(number) == log.pts
        else:
            number = shown[choice % len(shown)]
            kind = EventKind.EDITED if deed == "edit" else EventKind.DELETED
            log.change(kind, number, when)
            expected.append((log.pts, kind, number, when))
    assert [pts for pts, *_ in expected] == list(range(2, log.pts + 1))
    after = data.draw(st.integers(1, log.pts))
    assert list(log.events(after)) == expected[after - 1 :]
    for pts, kind, number, _ in expected:
        if kind is EventKind.NEW:
            assert log.pts_of(number) == pts


def followed(client: Client) -> dict[int, str]:
    """The messages that a client knows of that starts with nothing and asks until the end."""
    known: dict[int, str] = {}
    pts = 1
    while pts < pts_of(client):
        answer = missed(client, pts)
        known |= {message.id: message.message for message in answer.new_messages}
        for update in answer.other_updates:
            if isinstance(update, types.UpdateEditMessage):
                known[update.message.id] = update.message.message
            elif isinstance(update, types.UpdateDeleteMessages):
                known = {i: text for i, text in known.items() if i not in update.messages}
        is_whole = isinstance(answer, types.updates.Difference)
        pts = (answer.state if is_whole else answer.intermediate_state).pts
    return known


@given(deeds, st.integers(1, 4))
def test_whoever_follows_the_slices_knows_what_the_sender_sees(story, size):
    client = user(free_world(difference=size))
    for random_id, (deed, choice) in enumerate(story, start=1):
        if deed == "new":
            client.send(me, f"note {random_id}", random_id)
        elif deed == "delete":
            delete(client, 1 + choice)
        else:
            with suppress(RpcError):
                edit(client, me, 1 + choice, f"changed {random_id}")
    assert followed(client) == {m.message_id: m.text for m in client.world.inbox()}
