from __future__ import annotations

import pytest
from telethon.tl import functions, types

from broadcast.core.peers import parse_peer
from broadcast.sandbox.people import phonebook
from broadcast.sandbox.world import RpcError, World
from tests.sandbox.asking import Client, bot, user

CONTACTS = [
    parse_peer(text)
    for text in (
        "@ana_maria",
        "+34600000008",
        "555000111",
        "@unknown_ulla",
        "@weather_bot",
        "-4001",
        "@family_group",
        "t.me/+news_channel",
        "me",
    )
]


def refusal(name: str):
    return pytest.raises(RpcError, match=name)


def dialogs(client: Client, offset: object = None, limit: int = 100):
    offset = offset or types.InputPeerEmpty()
    return client.ask(functions.messages.GetDialogsRequest(None, 0, offset, limit, 0))


def users(client: Client, *asked: object) -> list[object]:
    return client.ask(functions.users.GetUsersRequest(list(asked)))


def test_a_username_is_resolved_to_a_person_with_a_name():
    found = user().ask(functions.contacts.ResolveUsernameRequest("Ana_Maria"))
    (ana,) = found.users
    assert found.peer == types.PeerUser(ana.id)
    assert (ana.first_name, ana.username, ana.contact) == ("Ana Maria", "ana_maria", False)


def test_two_spellings_lead_to_one_person():
    client = user()
    assert client.find("id_123456789").user_id == 123456789


@pytest.mark.parametrize("name", ["ab", "1abc", "a b c", ""])
def test_what_is_no_username_is_invalid(name):
    with refusal("USERNAME_INVALID"):
        user().find(name)


def test_a_phone_is_resolved_and_imported_to_the_same_person():
    client = user()
    resolved = client.ask(functions.contacts.ResolvePhoneRequest("34600000010")).users[0]
    contact = types.InputPhoneContact(42, "+34 600-000-010", "Tía", "Rosa")
    imported = client.ask(functions.contacts.ImportContactsRequest([contact]))
    assert imported.imported == [types.ImportedContact(resolved.id, 42)]
    assert (imported.users[0].first_name, imported.users[0].contact) == ("Tía", True)
    assert resolved.phone == imported.users[0].phone == "34600000010"
    (kept,) = client.ask(functions.contacts.GetContactsRequest(0)).users
    assert (kept.id, kept.last_name) == (resolved.id, "Rosa")


def test_a_number_that_nobody_has_is_not_found():
    client = user()
    with refusal("PHONE_NOT_OCCUPIED"):
        client.ask(functions.contacts.ResolvePhoneRequest("+34600009404"))
    contact = types.InputPhoneContact(1, "+34600009404", "Nobody", "")
    assert client.ask(functions.contacts.ImportContactsRequest([contact])).imported == []


def test_contacts_are_the_people_of_the_contact_list():
    found = user(World(contacts=CONTACTS)).ask(functions.contacts.GetContactsRequest(0))
    names = [person.username or person.phone or person.id for person in found.users]
    assert names == ["ana_maria", "34600000008", 555000111]
    assert all(contact.mutual for contact in found.contacts)


def test_who_signed_in_is_seen_under_the_name_of_the_account():
    world = World()
    ana = user(world, "+34600000004", key_id=5)
    own = users(ana, types.InputUserSelf())[0]
    seen = user(world).ask(functions.contacts.ResolvePhoneRequest("34600000004")).users[0]
    assert (seen.id, seen.first_name) == (own.id, own.first_name)
    assert not seen.is_self


def test_users_are_shown_to_who_holds_their_access_hash():
    client = user(World(contacts=CONTACTS))
    ana = client.find("ana_maria")
    stranger = client.find("a_stranger")
    asked = [types.InputUser(ana.user_id, hash_) for hash_ in (ana.access_hash, 0, 1)]
    by_hash, as_contact, wrong = users(client, *asked)
    assert by_hash.first_name == as_contact.first_name == "Ana Maria"
    assert wrong == types.UserEmpty(ana.user_id)
    no_hash = types.InputUser(stranger.user_id, 0)
    assert users(client, no_hash) == [types.UserEmpty(stranger.user_id)]
    assert users(bot(client.world), no_hash)[0].id == stranger.user_id


def test_the_full_user_warns_of_what_a_message_costs():
    client = user()
    for name, stars, premium in (
        ("ana", None, False),
        ("paid_ana", 10, False),
        ("premium_a", None, True),
    ):
        peer = client.find(name)
        asked = types.InputUser(peer.user_id, peer.access_hash)
        full = client.ask(functions.users.GetFullUserRequest(asked)).full_user
        assert full.send_paid_messages_stars == stars
        assert full.contact_require_premium is premium
    with refusal("USER_ID_INVALID"):
        client.ask(functions.users.GetFullUserRequest(types.InputUser(5, 5)))


def test_the_flags_of_a_user_tell_the_rule():
    client = user()
    for word, flag in (
        ("deactivated", "deleted"),
        ("bot", "bot"),
        ("premium", "contact_require_premium"),
    ):
        found = client.ask(functions.contacts.ResolveUsernameRequest(f"ana_{word}")).users[0]
        assert getattr(found, flag) is True


def test_dialogs_are_the_contact_list_with_those_written_to_first():
    client = user(World(contacts=CONTACTS))
    given = [type(dialog.peer) for dialog in dialogs(client).dialogs]
    assert given == [types.PeerUser] * 4 + [types.PeerChat, types.PeerChannel, types.PeerChannel]
    client.send(client.find("family_group"), "hello")
    client.now += 1
    client.send(client.find("a_stranger"), "hi")
    found = dialogs(client)
    assert len(found.dialogs) == 8
    first, second = found.dialogs[:2]
    assert first.peer == types.PeerUser(phonebook.by_username("a_stranger").id)
    assert isinstance(second.peer, types.PeerChannel)
    assert [message.message for message in found.messages] == ["hi", "hello"]


def test_dialogs_come_in_pages():
    client = user(World(contacts=[parse_peer(f"@friend_{n}") for n in range(250)]))
    seen: list[int] = []
    offset = None
    while page := dialogs(client, offset).dialogs:
        assert len(page) <= 100
        seen += (dialog.peer.user_id for dialog in page)
        me = client.world.account_of(1)
        offset = types.InputPeerUser(seen[-1], phonebook.access_hash(me, seen[-1]))
    assert len(seen) == len(set(seen)) == 250
    assert dialogs(client, limit=1).count == 250


def test_the_archive_is_empty():
    client = user(World(contacts=CONTACTS))
    request = functions.messages.GetDialogsRequest(
        None, 0, types.InputPeerEmpty(), 100, 0, folder_id=1
    )
    assert client.ask(request).dialogs == []


def test_an_invitation_leads_to_a_chat_that_one_can_write_to():
    client = user()
    found = client.ask(functions.messages.CheckChatInviteRequest("AbCdEfGh_family"))
    assert isinstance(found, types.ChatInviteAlready)
    assert client.send(types.InputPeerChat(found.chat.id)).chats[0].title == "AbCdEfGh Family"
    news = client.ask(functions.messages.CheckChatInviteRequest("news-channel")).chat
    assert news.broadcast
    assert news.admin_rights.post_messages


@pytest.mark.parametrize(
    ("invite", "name"),
    [
        ("", "INVITE_HASH_EMPTY"),
        ("short", "INVITE_HASH_INVALID"),
        ("with space", "INVITE_HASH_INVALID"),
        ("expired-invitation", "INVITE_HASH_EXPIRED"),
        ("unknown-channel", "INVITE_HASH_EXPIRED"),
    ],
)
def test_a_bad_invitation_is_refused(invite, name):
    with refusal(name):
        user().ask(functions.messages.CheckChatInviteRequest(invite))


def test_chats_and_channels_can_be_asked_for_by_id():
    client = user()
    assert client.ask(functions.messages.GetChatsRequest([5])).chats[0].title == "Group 5"
    channel = client.find("some_channel")
    asked = types.InputChannel(channel.channel_id, channel.access_hash)
    (found,) = client.ask(functions.channels.GetChannelsRequest([asked])).chats
    assert found.title == "Some Channel"
    with refusal("CHANNEL_INVALID"):
        client.ask(functions.channels.GetChannelsRequest([types.InputChannel(5, 0)]))


@pytest.mark.parametrize(
    "request_",
    [
        functions.contacts.GetContactsRequest(0),
        functions.contacts.ImportContactsRequest([]),
        functions.contacts.ResolvePhoneRequest("+34600000010"),
        functions.messages.GetDialogsRequest(None, 0, types.InputPeerEmpty(), 1, 0),
        functions.messages.CheckChatInviteRequest("AbCdEfGh"),
        functions.messages.GetHistoryRequest(types.InputPeerSelf(), 0, None, 0, 1, 0, 0, 0),
        functions.account.UpdateStatusRequest(offline=False),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_only_people_may_ask_is_refused_to_a_bot(request_):
    with refusal("BOT_METHOD_INVALID"):
        bot().ask(request_)


def test_a_bot_may_look_up_usernames():
    assert bot().find("ana").user_id == phonebook.by_username("ana").id


def test_people_may_say_that_they_are_here():
    assert user().ask(functions.account.UpdateStatusRequest(offline=False)) is True
