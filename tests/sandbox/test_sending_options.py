from __future__ import annotations

import pytest
from telethon.tl import functions, types

from broadcast.sandbox.world import RpcError
from broadcast.sandbox.world.sending_options import EFFECTS
from tests.sandbox.asking import ME, bot, free_world, messages_of, user

Reply = types.InputReplyToMessage


def button(text="Go", url="https://example.com"):
    return types.KeyboardInlineButton(text, types.InlineButtonTypeUrl(url))


def markup(*rows):
    return types.ReplyInlineMarkup([types.KeyboardInlineButtonRow(list(row)) for row in rows])


def shown(client, number=1):
    got = client.ask(functions.messages.GetMessagesRequest([types.InputMessageID(number)]))
    return got.messages[0]


def test_a_message_may_be_silent_and_have_no_preview_or_one_above():
    client = user()
    answer = client.send(ME, silent=True, no_webpage=True, invert_media=True)
    assert isinstance(answer, types.UpdateShortSentMessage)
    message = shown(client)
    assert message.silent
    assert message.invert_media
    (arrived,) = client.world.inbox()
    assert (arrived.silent, arrived.no_webpage, arrived.invert_media) == (True, True, True)


def test_only_bots_protect_a_message():
    world = free_world()
    for client, expected in ((bot(world), True), (user(world), False)):
        client.send(client.find("ana"), noforwards=True)
        assert shown(client).noforwards is expected
    assert sorted(message.protected for message in world.inbox()) == [False, True]


def test_whatever_is_in_a_protected_channel_is_protected():
    client = user()
    channel = client.find("protected_news")
    client.send(channel)
    assert [message.protected for message in client.world.inbox()] == [True]
    (chat,) = client.ask(functions.channels.GetChannelsRequest([channel])).chats
    assert chat.noforwards


def test_a_reply_is_to_a_message_of_the_same_chat():
    client = user()
    ana, bruno = client.find("ana"), client.find("bruno")
    client.send(ana, "one", random_id=1)
    client.send(ana, "two", random_id=2, reply_to=Reply(1, quote_text="on"))
    header = shown(client, 2).reply_to
    assert (header.reply_to_msg_id, header.quote_text) == (1, "on")
    for peer, reply in ((bruno, 1), (ana, 3), (ana, -1)):
        with pytest.raises(RpcError, match="REPLY_MESSAGE_ID_INVALID"):
            client.send(peer, random_id=3, reply_to=Reply(reply))
    with pytest.raises(RpcError, match="QUOTE_TEXT_INVALID"):
        client.send(ana, random_id=3, reply_to=Reply(1, quote_text="two"))
    with pytest.raises(RpcError, match="REPLY_TO_INVALID"):
        client.send(bruno, random_id=3, reply_to=Reply(1, reply_to_peer_id=ana))
    client.ask(functions.messages.DeleteMessagesRequest([1], revoke=True))
    with pytest.raises(RpcError, match="REPLY_MESSAGE_ID_INVALID"):
        client.send(ana, random_id=3, reply_to=Reply(1))
    assert [message.reply_to for message in client.world.inbox()] == [1]


def test_a_forum_has_topics_from_the_start():
    client = user()
    forum = client.find("x_forum")
    (chat,) = client.ask(functions.channels.GetChannelsRequest([forum])).chats
    assert (chat.forum, chat.megagroup) == (True, True)
    topics = client.ask(functions.messages.GetForumTopicsRequest(forum, None, 0, 0, 100)).topics
    assert [(topic.id, topic.title, topic.closed) for topic in topics] == [
        (1, "General", False),
        (2, "News", False),
        (3, "Offers", False),
        (4, "Archive", True),
    ]
    by_id = functions.messages.GetForumTopicsByIDRequest(forum, [2, 5, 9])
    news, *gone = client.ask(by_id).topics
    assert news.title == "News"
    assert gone == [types.ForumTopicDeleted(5), types.ForumTopicDeleted(9)]
    assert not list(client.world.inbox())
    opening = client.ask(functions.channels.GetMessagesRequest(forum, [types.InputMessageID(2)]))
    assert opening.messages[0].action.title == "News"
    group = client.find("some_group")
    with pytest.raises(RpcError, match="CHANNEL_FORUM_MISSING"):
        client.ask(functions.messages.GetForumTopicsRequest(group, None, 0, 0, 100))


def test_a_message_goes_into_a_topic():
    client = user()
    forum = client.find("x_forum")
    answers = [
        client.send(forum, random_id=1),
        client.send(forum, random_id=2, reply_to=Reply(2)),
        client.send(forum, random_id=3, reply_to=Reply(7)),  # a reply stays in its topic
        client.send(forum, random_id=4, reply_to=Reply(7, top_msg_id=2)),
        client.send(forum, random_id=5, reply_to=Reply(3, top_msg_id=3)),
        client.send(forum, random_id=6, reply_to=Reply(1)),
    ]
    assert [message.topic for message in client.world.inbox()] == [1, 2, 2, 2, 3, 1]
    assert [message.reply_to for message in client.world.inbox()] == [None, None, 7, 7, None, None]
    headers = [messages_of(answer)[0].reply_to for answer in answers]
    assert headers[0] is None
    assert [(h.forum_topic, h.reply_to_msg_id, h.reply_to_top_id) for h in headers[1:4]] == [
        (True, 2, None),
        (True, 7, 2),
        (True, 7, 2),
    ]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(4), (406, "TOPIC_CLOSED")),
        (Reply(5), (406, "TOPIC_DELETED")),
        (Reply(42), (400, "TOPIC_ID_INVALID")),
        (Reply(1, top_msg_id=42), (400, "TOPIC_ID_INVALID")),
    ],
)
def test_not_into_every_topic(reply, error):
    client = user()
    with pytest.raises(RpcError) as refused:
        client.send(client.find("x_forum"), reply_to=reply)
    assert (refused.value.code, refused.value.name) == error
    assert not list(client.world.inbox())


def test_a_group_without_topics_has_none():
    client = user()
    group = client.find("some_group")
    client.send(group)
    with pytest.raises(RpcError, match="TOPIC_ID_INVALID"):
        client.send(group, random_id=2, reply_to=Reply(1, top_msg_id=42))
    with pytest.raises(RpcError, match="REPLY_MESSAGE_ID_INVALID"):
        client.send(group, random_id=2, reply_to=Reply(42))


def test_a_message_can_be_sent_as_a_channel_of_ones_own():
    client = user()
    group, own = client.find("some_group"), client.find("some_channel")
    (message,) = messages_of(client.send(group, send_as=own))
    assert isinstance(message.from_id, types.PeerChannel)
    assert message.from_id.channel_id == own.channel_id
    client.send(group, random_id=2, send_as=ME)
    client.send(own, random_id=3, send_as=own)
    sent_as = [message.send_as for message in client.world.inbox()]
    assert set(sent_as) == {-1_000_000_000_000 - own.channel_id, None}
    assert sent_as.count(None) == 2
    refused = (("some_group", "readonly_news"), ("some_group", "ana"), ("ana", "some_channel"))
    for peer, author in refused:
        with pytest.raises(RpcError, match="SEND_AS_PEER_INVALID"):
            client.send(client.find(peer), random_id=4, send_as=client.find(author))


def test_an_effect_is_one_of_few_and_for_private_chats():
    client = user()
    fire = min(EFFECTS)
    client.send(ME, effect=fire)
    assert shown(client).effect == fire
    assert [message.effect for message in client.world.inbox()] == [fire]
    with pytest.raises(RpcError, match="EFFECT_ID_INVALID"):
        client.send(ME, random_id=2, effect=1)
    with pytest.raises(RpcError, match="EFFECT_ID_INVALID"):
        client.send(client.find("some_group"), random_id=2, effect=fire)


def test_a_bot_has_buttons_and_those_of_a_person_are_ignored():
    world = free_world()
    rows = markup([button("A"), button("B", "t.me/x")], [button("C", "tg://resolve?domain=x")])
    for client in (bot(world), user(world)):
        client.send(client.find("ana"), reply_markup=rows)
    of_bot = shown(bot(world)).reply_markup
    assert [[b.text for b in row.buttons] for row in of_bot.rows] == [["A", "B"], ["C"]]
    buttons = [message.buttons for message in world.inbox()]
    assert sorted(map(len, buttons)) == [0, 2]
    assert max(buttons)[0] == (("A", "https://example.com"), ("B", "t.me/x"))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (markup([button(url="not a link")]), "BUTTON_URL_INVALID"),
        (markup([button(url="javascript://alert.com")]), "BUTTON_URL_INVALID"),
        (markup([button(url="https://")]), "BUTTON_URL_INVALID"),
        (markup([button(text=" ")]), "BUTTON_TEXT_INVALID"),
        (
            markup([types.KeyboardInlineButton("x", types.InlineButtonTypeCallback(b"x"))]),
            "BUTTON_TYPE_INVALID",
        ),
        (markup(), "REPLY_MARKUP_INVALID"),
        (markup([]), "REPLY_MARKUP_INVALID"),
        (types.ReplyKeyboardHide(), "REPLY_MARKUP_INVALID"),
        (markup([button()] * 9), "REPLY_MARKUP_TOO_LONG"),
        (markup(*[[button()]] * 101), "REPLY_MARKUP_TOO_LONG"),
    ],
)
def test_wrong_buttons_are_refused(wrong, name):
    client = bot()
    with pytest.raises(RpcError, match=name):
        client.send(client.find("ana"), reply_markup=wrong)
    assert not list(client.world.inbox())


def test_the_buttons_go_when_a_bot_edits_without_them():
    client = bot()
    ana = client.find("ana")
    client.send(ana, reply_markup=markup([button()]))
    edit = functions.messages.EditMessageRequest
    client.ask(edit(ana, 1, reply_markup=markup([button("Other")])))
    (message,) = client.world.inbox()
    assert (message.text, message.buttons[0][0][0]) == ("hello", "Other")
    client.ask(edit(ana, 1, message="hello"))
    (message,) = client.world.inbox()
    assert message.buttons == ()


def test_an_album_is_sent_like_a_text():
    client = bot()
    forum, photo = client.find("x_forum"), client.photo()
    client.send_album(forum, [photo] * 2, silent=True, noforwards=True, reply_to=Reply(2))
    for message in client.world.inbox():
        assert (message.silent, message.protected, message.topic) == (True, True, 2)
