"""The pretend Telegram: one call, one answer. No socket, no clock, no file; time is passed in.

    World.call -> _ANYBODY    configuration.py  what every client asks first
               -> _LOGIN      accounts.py       who may sign in, with what
               -> _SIGNED_IN  directory.py      who is who
                              uploads.py        the parts of files; downloads.py gives them back
                              media.py          what files are sent as
                              sending.py        what is sent, with all that goes with it: flags.py
                              forwards.py       what is sent on
                              scheduled.py      what is sent later
                              messages.py       what is shown again
                              editing.py        what is changed and taken back; pins.py what is
                                                pinned, topics.py where in a forum it stands
                              difference.py     what a client has missed

What exists is phonebook.py's table, what happened is box.py's columns and state.py's records. What
is too much is refused in pacing.py, by the numbers of limits.py.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from telethon.tl import TLRequest, functions

from broadcast.sandbox.limits.published import Limits
from broadcast.sandbox.world import (
    accounts,
    configuration,
    difference,
    directory,
    downloads,
    editing,
    forwards,
    media,
    messages,
    pins,
    scheduled,
    sending,
    topics,
    uploads,
)
from broadcast.sandbox.world import inbox as told
from broadcast.sandbox.world.state import Account, Delivered, Record, RpcError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from broadcast.core.model import Peer

__all__ = ["Delivered", "Limits", "Record", "RpcError", "World", "methods"]

Answer = object  # a TLObject, bool, int or a list of them: what the method's type says

_ANYBODY: dict[type[TLRequest], Callable[[tuple[str, int], Limits, float], Answer]] = {
    functions.help.GetConfigRequest: configuration.get_config,
    functions.help.GetNearestDcRequest: configuration.get_nearest_dc,
    functions.help.GetAppConfigRequest: configuration.get_app_config,
}

_LOGIN: dict[type[TLRequest], Callable[[State, int, Any, float], Answer]] = {
    functions.auth.SendCodeRequest: accounts.send_code,
    functions.auth.ResendCodeRequest: accounts.resend_code,
    functions.auth.SignInRequest: accounts.sign_in,
    functions.auth.SignUpRequest: accounts.sign_up,
    functions.auth.CheckPasswordRequest: accounts.check_password,
    functions.auth.ImportBotAuthorizationRequest: accounts.import_bot_authorization,
    functions.auth.LogOutRequest: accounts.log_out,
    functions.account.GetPasswordRequest: accounts.get_password,
}

_SIGNED_IN: dict[type[TLRequest], Callable[[State, Account, Any, float], Answer]] = {
    functions.messages.SendMessageRequest: sending.send_message,
    functions.messages.SendMediaRequest: sending.send_media,
    functions.messages.SendMultiMediaRequest: sending.send_multi_media,
    functions.messages.ForwardMessagesRequest: forwards.forward_messages,
    functions.messages.UploadMediaRequest: media.upload_media,
    functions.upload.SaveFilePartRequest: uploads.save_file_part,
    functions.upload.SaveBigFilePartRequest: uploads.save_big_file_part,
    functions.upload.GetFileRequest: downloads.get_file,
    functions.messages.UpdatePinnedMessageRequest: pins.update_pinned_message,
    functions.messages.UnpinAllMessagesRequest: pins.unpin_all_messages,
    functions.messages.GetForumTopicsRequest: topics.get_forum_topics,
    functions.messages.GetForumTopicsByIDRequest: topics.get_forum_topics_by_id,
    functions.messages.GetScheduledHistoryRequest: scheduled.get_scheduled_history,
    functions.messages.GetScheduledMessagesRequest: scheduled.get_scheduled_messages,
    functions.messages.DeleteScheduledMessagesRequest: scheduled.delete_scheduled_messages,
    functions.messages.SendScheduledMessagesRequest: scheduled.send_scheduled_messages,
    functions.messages.SetTypingRequest: messages.set_typing,
    functions.messages.GetHistoryRequest: messages.get_history,
    functions.messages.GetMessagesRequest: messages.get_messages,
    functions.channels.GetMessagesRequest: messages.get_channel_messages,
    functions.messages.EditMessageRequest: editing.edit_message,
    functions.messages.DeleteMessagesRequest: editing.delete_messages,
    functions.channels.DeleteMessagesRequest: editing.delete_channel_messages,
    functions.updates.GetStateRequest: difference.get_state,
    functions.updates.GetDifferenceRequest: difference.get_difference,
    functions.updates.GetChannelDifferenceRequest: difference.get_channel_difference,
    functions.users.GetUsersRequest: directory.get_users,
    functions.users.GetFullUserRequest: directory.get_full_user,
    functions.contacts.ResolveUsernameRequest: directory.resolve_username,
    functions.contacts.ResolvePhoneRequest: directory.resolve_phone,
    functions.contacts.ImportContactsRequest: directory.import_contacts,
    functions.contacts.GetContactsRequest: directory.get_contacts,
    functions.messages.GetDialogsRequest: directory.get_dialogs,
    functions.messages.GetChatsRequest: directory.get_chats,
    functions.messages.CheckChatInviteRequest: directory.check_chat_invite,
    functions.channels.GetChannelsRequest: directory.get_channels,
    functions.account.UpdateStatusRequest: directory.update_status,
}

_SENDING = (
    functions.messages.SendMessageRequest,
    functions.messages.SendMediaRequest,
    functions.messages.SendMultiMediaRequest,
    functions.messages.ForwardMessagesRequest,
)

_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
    functions.InvokeAfterMsgsRequest,
)


class World:
    """One Telegram, for any number of accounts and sessions.

    `contacts` are the mutual contacts and the dialogs of every account; they need not be given
    for a peer to exist. `limits` are Telegram's, as published. `address` is where the server
    listens: help.getConfig tells it. With `only_names` digits decide nothing: real ids and numbers
    end in any. `floods` counts the requests that were told to wait, with
    FLOOD_WAIT_x or FLOOD_SKIP_FAILED_WAIT_x.
    """

    def __init__(
        self,
        *,
        contacts: Sequence[Peer] = (),
        limits: Limits | None = None,
        address: tuple[str, int] = ("127.0.0.1", 443),
        only_names: bool = False,
    ) -> None:
        self.address = address
        self.floods = 0
        self._state = State(contacts, limits or Limits(), only_names=only_names)

    def call(self, key_id: int, request: TLRequest, now: float) -> Answer:
        """The answer to a request of the login `key_id` at `now`, in Unix time.

        Raises RpcError with what Telegram would answer instead.
        """
        self.deliver_due(now)
        signed_in = _SIGNED_IN.get(type(request))
        if signed_in:
            account, let_in = self._state.logins.get(key_id, (0, False))
            if not let_in:
                raise RpcError(401, "AUTH_KEY_UNREGISTERED")
            try:
                return signed_in(self._state, self._state.accounts[account], request, now)
            except RpcError as error:
                self.floods += error.name.startswith("FLOOD_")
                raise
        if isinstance(request, _WRAPPERS):
            return self.call(key_id, cast("TLRequest", request.query), now)
        if login := _LOGIN.get(type(request)):
            return login(self._state, key_id, request, now)
        if anybody := _ANYBODY.get(type(request)):
            return anybody(self.address, self._state.limits, now)
        raise RpcError(400, "INPUT_METHOD_INVALID")

    def repeats(self, key_id: int, request: TLRequest) -> Delivered | None:
        """The message that this request sends once more, under the same random_id."""
        account, let_in = self._state.logins.get(key_id, (0, False))
        if not let_in or not isinstance(request, _SENDING):
            return None
        found = sending.first_repeated(self._state, self._state.accounts[account], request)
        return told.delivered(self._state, *found) if found else None

    def drain(self) -> list[Record]:
        """What changed since the last drain, as JSON-able records in the order to apply them."""
        return self._state.drain()

    def discard(self) -> None:
        """Forget what `drain` would tell, where nobody keeps it."""
        self._state.discard()

    def dump(self) -> list[Record]:
        """The whole state as records. Two worlds in the same state give equal dumps."""
        return self._state.dump()

    def apply(self, record: Record) -> None:
        """Play back one record of `drain` or `dump`; it is not drained again.

        Raises ValueError when it is no record, or a message out of turn.
        """
        self._state.apply(record)

    def inbox(self, *, deleted: bool = False) -> Iterable[Delivered]:
        """Every message that arrived, oldest first, with the text that it has now.

        With `deleted` also those that were deleted for everybody.
        """
        state = self._state
        inboxes = (told.inbox(state, box, deleted=deleted) for box in state.all_boxes())
        return merge(*inboxes, key=attrgetter("date"))

    def scheduled(self) -> list[Delivered]:
        """Every message that waits for its time, the next first; `scheduled` says until when."""
        return [
            told.will_be_delivered(self._state, waiting) for waiting in self._state.queue.waiting()
        ]

    def deliver_due(self, now: float) -> None:
        """Send the scheduled messages whose time has come; `call` begins with this."""
        self._state.now = now
        next_at = self._state.queue.next_at
        if next_at is not None and next_at <= now:
            scheduled.deliver_due(self._state, now)

    @property
    def uploaded(self) -> int:
        """How many bytes were accepted in parts of files, of all accounts, repeats included."""
        return self._state.uploaded

    def files(self) -> list[tuple[str, int]]:
        """The sha256 and the size in bytes of every content that is kept, each once."""
        return self._state.contents.stored()

    def content(self, sha256: str) -> bytes:
        """The bytes that are kept under this sha256; empty when there are none."""
        sizes = dict(self.files())
        return self._state.contents.read(sha256, 0, sizes.get(sha256, 0))

    def keep_files(self, directory: Path) -> None:
        """Keep uploaded files below this directory, and not in memory; call it before any other."""
        self._state.contents.keep_in(directory)

    def stars_spent(self, account: int) -> Decimal:
        """The Stars, exactly, that the account with this user id has paid for messages."""
        known = self._state.accounts.get(account)
        return known.stars_spent if known else Decimal(0)

    def account_of(self, key_id: int) -> int | None:
        """The user id of the account that this login belongs to, once it is let in."""
        account, let_in = self._state.logins.get(key_id, (0, False))
        return account if let_in else None


def methods() -> list[str]:
    """The methods that the sandbox answers, by Telegram's names; docs/sandbox.md lists them."""
    answered = (*_ANYBODY, *_LOGIN, *_SIGNED_IN)
    return sorted(_method_name(request) for request in answered)


def _method_name(request: type[TLRequest]) -> str:
    name = request.__name__.removesuffix("Request")
    return f"{request.__module__.rpartition('.')[2]}.{name[0].lower()}{name[1:]}"
