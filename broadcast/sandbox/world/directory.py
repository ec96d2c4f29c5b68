"""Answers who people are: users, contacts, chats, dialogs; it sends nothing."""

# Telethon's annotations name unions that pyright cannot see into, inside invariant lists.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.people import behaviour, phonebook
from broadcast.sandbox.world.input_peers import (
    address,
    chat_of,
    dialog_of,
    peer_of,
    user_of,
    users_and_chats,
    users_only,
)
from broadcast.sandbox.world.original_posts import log_of
from broadcast.sandbox.world.rpc_error import RpcError
from broadcast.sandbox.world.shown_messages import message_of

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State
    from broadcast.sandbox.world.input_peers import User

Dialogs = types.messages.Dialogs | types.messages.DialogsSlice


def get_users(
    state: State, account: Account, request: functions.users.GetUsersRequest, _now: float
) -> list[User]:
    """users.getUsers: UserEmpty for those who cannot be seen. Contacts need no access hash."""
    found: list[User] = []
    for asked in request.id:
        user_id = _visible(state, account, asked)
        if user_id:
            found.append(user_of(state, account, user_id))
        elif isinstance(asked, types.InputUser):
            found.append(types.UserEmpty(asked.user_id))
    return found


def get_full_user(
    state: State, account: Account, request: functions.users.GetFullUserRequest, _now: float
) -> types.users.UserFull:
    """users.getFullUser."""
    user_id = _visible(state, account, request.id)
    if not user_id:
        raise RpcError(400, "USER_ID_INVALID")
    rule = behaviour.rule_of(user_id)
    full = types.UserFull(
        id=user_id,
        settings=types.PeerSettings(),
        notify_settings=types.PeerNotifySettings(),
        common_chats_count=0,
        contact_require_premium=rule is behaviour.PREMIUM,
        send_paid_messages_stars=behaviour.PAID_STARS if rule is behaviour.PAID else None,
    )
    return types.users.UserFull(full, chats=[], users=[user_of(state, account, user_id)])


def resolve_username(
    state: State, account: Account, request: functions.contacts.ResolveUsernameRequest, _now: float
) -> types.contacts.ResolvedPeer:
    """contacts.resolveUsername."""
    entry = phonebook.by_username(request.username.lower())
    if entry is None:
        raise RpcError(400, "USERNAME_INVALID")
    if not entry.exists:
        raise RpcError(400, "USERNAME_NOT_OCCUPIED")
    return _resolved(state, account, entry)


def resolve_phone(
    state: State, account: Account, request: functions.contacts.ResolvePhoneRequest, _now: float
) -> types.contacts.ResolvedPeer:
    """contacts.resolvePhone."""
    users_only(account)
    entry = phonebook.by_phone(_with_plus(request.phone))
    if entry is None or not entry.exists:
        raise RpcError(400, "PHONE_NOT_OCCUPIED")
    return _resolved(state, account, entry)


def import_contacts(
    state: State, account: Account, request: functions.contacts.ImportContactsRequest, _now: float
) -> types.contacts.ImportedContacts:
    """contacts.importContacts: numbers that nobody has are left out silently."""
    users_only(account)
    imported: list[types.ImportedContact] = []
    for contact in request.contacts:
        entry = phonebook.by_phone(_with_plus(contact.phone))
        if entry and entry.exists:
            state.learn(entry)
            state.import_contact(account, entry.id, contact.first_name, contact.last_name)
            imported.append(types.ImportedContact(entry.id, contact.client_id))
    return types.contacts.ImportedContacts(
        imported=imported,
        popular_invites=[],
        retry_contacts=[],
        users=[user_of(state, account, contact.user_id) for contact in imported],
    )


def get_contacts(
    state: State, account: Account, _request: functions.contacts.GetContactsRequest, _now: float
) -> types.contacts.Contacts:
    """contacts.getContacts: who was imported, and the people of the world's contact list."""
    users_only(account)
    ids = dict.fromkeys((*filter(lambda peer: peer > 0, state.contact_list()), *account.contacts))
    users = [user for user in (user_of(state, account, user_id) for user_id in ids) if user.contact]
    return types.contacts.Contacts(
        contacts=[types.Contact(user.id, mutual=bool(user.mutual_contact)) for user in users],
        saved_count=len(users),
        users=users,
    )


def get_dialogs(
    state: State, account: Account, request: functions.messages.GetDialogsRequest, _now: float
) -> Dialogs:
    """messages.getDialogs: written to, newest first; then the contact list, in its own order.

    A page starts after `offset_peer`, which Telethon always names.
    """
    users_only(account)
    latest = _latest(state, account)
    written = sorted(latest, key=lambda peer: (latest[peer][1], peer), reverse=True)
    peers = [] if request.folder_id else list(dict.fromkeys((*written, *state.contact_list())))
    start = 0
    if not isinstance(request.offset_peer, types.InputPeerEmpty):
        offset = address(account, request.offset_peer)
        start = peers.index(offset) + 1 if offset in peers else len(peers)
    page = peers[start : start + min(max(request.limit, 1), state.limits.page)]
    users, chats = users_and_chats(state, account, (account.id, *page))
    dialogs = [
        dialog_of(
            peer,
            top_message=latest[peer][0] if peer in latest else 0,
            pts=log_of(state, account, peer).pts if peer < -CHANNEL_OFFSET else None,
        )
        for peer in page
    ]
    messages = [
        message_of(state, account, log_of(state, account, peer), latest[peer][0])
        for peer in page
        if peer in latest
    ]
    if len(page) == len(peers):
        return types.messages.Dialogs(dialogs, messages, chats, users)
    return types.messages.DialogsSlice(len(peers), dialogs, messages, chats, users)


def get_channels(
    state: State, account: Account, request: functions.channels.GetChannelsRequest, _now: float
) -> types.messages.Chats:
    """channels.getChannels."""
    return types.messages.Chats(
        [chat_of(state, account, address(account, asked)) for asked in request.id]
    )


def get_chats(
    state: State, account: Account, request: functions.messages.GetChatsRequest, _now: float
) -> types.messages.Chats:
    """messages.getChats."""
    chats = [address(account, types.InputPeerChat(chat_id)) for chat_id in request.id]
    return types.messages.Chats([chat_of(state, account, chat) for chat in chats])


def check_chat_invite(
    state: State, account: Account, request: functions.messages.CheckChatInviteRequest, _now: float
) -> types.ChatInviteAlready:
    """messages.checkChatInvite: the account is a member wherever it is invited."""
    users_only(account)
    if not request.hash:
        raise RpcError(400, "INVITE_HASH_EMPTY")
    entry = phonebook.by_invite(request.hash)
    if entry is None:
        raise RpcError(400, "INVITE_HASH_INVALID")
    if phonebook.is_expired(request.hash) or not entry.exists:
        raise RpcError(400, "INVITE_HASH_EXPIRED")
    state.learn(entry)
    return types.ChatInviteAlready(chat_of(state, account, entry.id))


def update_status(
    _state: State, account: Account, _request: functions.account.UpdateStatusRequest, _now: float
) -> bool:
    """account.updateStatus."""
    users_only(account)
    return True


def _with_plus(phone: str) -> str:
    digits = "".join(char for char in phone if char.isdecimal())
    return f"+{digits}"


def _visible(state: State, account: Account, asked: object) -> int | None:
    if isinstance(asked, types.InputUser) and asked.access_hash == 0:
        user_id = asked.user_id
        if user_id in account.contacts or user_id in state.contact_list():
            return user_id
    try:
        return address(account, asked)
    except RpcError:
        return None


def _resolved(
    state: State, account: Account, entry: phonebook.Entry
) -> types.contacts.ResolvedPeer:
    state.learn(entry)
    users, chats = users_and_chats(state, account, (entry.id,))
    return types.contacts.ResolvedPeer(peer_of(entry.id), chats, users)


def _latest(state: State, account: Account) -> dict[int, tuple[int, float]]:
    """For each peer that the account wrote to, its newest message and when that was."""
    log = account.log
    latest = {
        peer: (number, log.dates[number - 1])
        for number, peer in enumerate(log.others, start=1)
        if log.shows(number)
    }
    for channel, its_log in state.channel_logs.items():
        if any(its_log.shows(number) for number in its_log.newest_first(account.id)):
            number = next(number for number in its_log.newest_first() if its_log.shows(number))
            latest[channel] = number, its_log.dates[number - 1]
    return latest
