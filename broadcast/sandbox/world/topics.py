"""The topics of forums: lists them, and finds the one that a message is for.

The rules are those of https://core.telegram.org/api/forum#forum-topics.
"""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.memory.message_body import NO_EXTRA
from broadcast.sandbox.world.input_peers import address, peer_of, users_and_chats, users_only
from broadcast.sandbox.world.original_posts import FOUNDED, TOPICS, log_of
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.original_posts import Topic

GENERAL = 1
_BLUE = 0x6FB9F0  # the first colour of https://core.telegram.org/constructor/forumTopic
_BY_NUMBER = {topic.number: topic for topic in TOPICS}


def topic_of(state: State, log: MessageLog, reply_to: int | None, top: int | None) -> int:
    """The topic that a message to a forum is for: `top`, or that of the message replied to.

    Raises RpcError 406 TOPIC_CLOSED or TOPIC_DELETED, as on the page of messages.forwardMessages;
    400 TOPIC_ID_INVALID for an unknown one is ours.
    """
    number = top or reply_to or GENERAL
    if number not in _BY_NUMBER:
        if top or not log.shows(number):
            raise RpcError(400, "TOPIC_ID_INVALID")
        extra = state.body(log, number).extra or NO_EXTRA
        number = extra.topic or GENERAL
    topic = _BY_NUMBER[number]
    if topic.is_deleted:
        raise RpcError(406, "TOPIC_DELETED")
    if topic.is_closed:
        raise RpcError(406, "TOPIC_CLOSED")
    return number


def opens_topic(number: int | None) -> bool:
    """Whether this message of a forum is the opening of a topic."""
    return number in _BY_NUMBER


def get_forum_topics(
    state: State, account: Account, request: functions.messages.GetForumTopicsRequest, _now: float
) -> types.messages.ForumTopics:
    """messages.getForumTopics: all at once, there are few. `q` is part of a title."""
    users_only(account)
    asked = (request.q or "").lower()
    shown = [topic for topic in TOPICS if not topic.is_deleted and asked in topic.title.lower()]
    return _topics(state, account, request.peer, shown)


def get_forum_topics_by_id(
    state: State,
    account: Account,
    request: functions.messages.GetForumTopicsByIDRequest,
    _now: float,
) -> types.messages.ForumTopics:
    """messages.getForumTopicsByID: one that was deleted, or never was, is forumTopicDeleted."""
    asked = [_BY_NUMBER.get(number, number) for number in request.topics]
    return _topics(state, account, request.peer, asked)


def _topics(
    state: State, account: Account, input_peer: object, asked: list[Topic | int] | list[Topic]
) -> types.messages.ForumTopics:
    peer = address(account, input_peer)
    log = log_of(state, account, peer)
    if not state.is_forum(peer):
        raise RpcError(400, "CHANNEL_FORUM_MISSING")
    users, chats = users_and_chats(state, account, (account.id, peer))
    shown = [_shown(state, account, log, topic) for topic in asked]
    return types.messages.ForumTopics(
        count=len(shown), topics=shown, messages=[], chats=chats, users=users, pts=log.pts
    )


def _shown(
    state: State, account: Account, log: MessageLog, topic: Topic | int
) -> types.ForumTopic | types.ForumTopicDeleted:
    if isinstance(topic, int) or topic.is_deleted:
        return types.ForumTopicDeleted(topic if isinstance(topic, int) else topic.number)
    latest = topic.number
    for number in log.newest_first():
        extra = state.body(log, number).extra or NO_EXTRA
        if log.shows(number) and (extra.topic or GENERAL) == topic.number:
            latest = number
            break
    return types.ForumTopic(
        id=topic.number,
        date=datetime.fromtimestamp(FOUNDED, UTC),
        peer=peer_of(log.owner),
        title=topic.title,
        icon_color=_BLUE,
        top_message=latest,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        from_id=peer_of(account.id),
        notify_settings=types.PeerNotifySettings(),
        closed=topic.is_closed,
    )
