"""From ids to Telegram's users and chats, and from the peer of a request to an id."""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telethon.tl import types

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.people import behaviour, phonebook
from broadcast.sandbox.people.phonebook import Kind
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State

_FOUNDED = datetime(2024, 1, 1, tzinfo=UTC)

Peer = types.PeerUser | types.PeerChat | types.PeerChannel
User = types.User | types.UserEmpty
Chat = types.Chat | types.Channel


def users_only(account: Account) -> None:
    """Raise BOT_METHOD_INVALID for a bot."""
    if account.is_bot:
        raise RpcError(400, "BOT_METHOD_INVALID")


def address(account: Account, peer: object) -> int:
    """The marked id of an input peer, for a message or a question about it.

    The access hash is the account's own; a bot needs none (https://core.telegram.org/api/peers).
    Raises RpcError PEER_ID_INVALID or CHANNEL_INVALID.
    """
    if isinstance(peer, types.InputPeerUser | types.InputUser):
        return _known(account, peer.user_id, peer.access_hash)
    if isinstance(peer, types.InputPeerSelf | types.InputUserSelf):
        return account.id
    if isinstance(peer, types.InputPeerChannel | types.InputChannel):
        return _known(account, -CHANNEL_OFFSET - peer.channel_id, peer.access_hash)
    if isinstance(peer, types.InputPeerChat) and 0 < peer.chat_id <= CHANNEL_OFFSET:
        return _known(account, -peer.chat_id, 0)
    raise RpcError(400, "PEER_ID_INVALID")


def _known(account: Account, marked_id: int, access_hash: int) -> int:
    if marked_id < -CHANNEL_OFFSET:
        open_to_all, refusal = account.is_bot, "CHANNEL_INVALID"
    else:
        open_to_all, refusal = account.is_bot or marked_id < 0, "PEER_ID_INVALID"
    if not (open_to_all and access_hash == 0) and access_hash != phonebook.access_hash(
        account.id, marked_id
    ):
        raise RpcError(400, refusal)
    if marked_id == 0 or behaviour.rule_of(marked_id) is behaviour.UNKNOWN:
        raise RpcError(400, refusal)
    return marked_id


def peer_of(marked_id: int) -> Peer:
    """The peer with this marked id."""
    if marked_id > 0:
        return types.PeerUser(marked_id)
    if marked_id >= -CHANNEL_OFFSET:
        return types.PeerChat(-marked_id)
    return types.PeerChannel(-marked_id - CHANNEL_OFFSET)


def user_of(state: State, account: Account, user_id: int) -> types.User:
    """A user as the account sees it."""
    entry, rule = state.entry(user_id), behaviour.rule_of(user_id)
    first_name, last_name, phone, username = entry.title, "", entry.phone, entry.username
    is_bot = entry.kind is Kind.BOT
    if signed_up := state.accounts.get(user_id):
        first_name, last_name = signed_up.first_name, signed_up.last_name
        phone, is_bot = signed_up.phone, signed_up.is_bot
        username = f"id_{user_id}_bot" if is_bot else username
    if user_id in account.contacts:
        first_name, last_name = account.contacts[user_id]
    is_mutual = user_id != account.id and not is_bot and user_id in state.contact_list()
    return types.User(
        id=user_id,
        is_self=user_id == account.id,
        contact=is_mutual or user_id in account.contacts,
        mutual_contact=is_mutual,
        deleted=rule is behaviour.DEACTIVATED,
        bot=is_bot,
        bot_info_version=1 if is_bot else None,
        premium=signed_up.is_premium if signed_up else None,
        contact_require_premium=rule is behaviour.PREMIUM,
        access_hash=phonebook.access_hash(account.id, user_id),
        first_name=first_name,
        last_name=last_name or None,
        username=username,
        phone=phone and phone[1:],
    )


def chat_of(state: State, account: Account, marked_id: int) -> Chat:
    """A group, supergroup or channel as the account sees it: a member, or a channel's admin."""
    entry, rule = state.entry(marked_id), behaviour.rule_of(marked_id)
    photo = types.ChatPhotoEmpty()
    if entry.kind is Kind.GROUP:
        return types.Chat(
            id=-marked_id,
            title=entry.title,
            photo=photo,
            noforwards=state.is_protected(marked_id),
            participants_count=2,
            date=_FOUNDED,
            version=1,
        )
    is_channel = entry.kind is Kind.CHANNEL
    rights = types.ChatAdminRights(
        post_messages=True, edit_messages=True, delete_messages=True, pin_messages=True
    )
    return types.Channel(
        id=-marked_id - CHANNEL_OFFSET,
        title=entry.title,
        photo=photo,
        date=_FOUNDED,
        broadcast=is_channel,
        megagroup=not is_channel,
        slowmode_enabled=rule is behaviour.SLOWMODE,
        forum=state.is_forum(marked_id),
        noforwards=state.is_protected(marked_id),
        admin_rights=rights if administers(state, marked_id) else None,
        access_hash=phonebook.access_hash(account.id, marked_id),
        username=entry.username,
    )


def administers(state: State, marked_id: int) -> bool:
    """Whether every account is an administrator here: in the channels that let one post."""
    rule = behaviour.rule_of(marked_id)
    return state.entry(marked_id).kind is Kind.CHANNEL and (rule is None or rule.chat is None)


def dialog_of(peer: int, top_message: int, pts: int | None) -> types.Dialog:
    """A dialog with nothing unread."""
    return types.Dialog(
        peer=peer_of(peer),
        top_message=top_message,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(),
        pts=pts,
    )


def users_and_chats(
    state: State, account: Account, marked_ids: Iterable[int]
) -> tuple[list[types.User], list[Chat]]:
    """The users and chats that an answer needs for its ids."""
    ids = dict.fromkeys(marked_ids)
    return (
        [user_of(state, account, marked_id) for marked_id in ids if marked_id > 0],
        [chat_of(state, account, marked_id) for marked_id in ids if marked_id < 0],
    )
