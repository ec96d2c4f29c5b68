"""The table of methods that the sandbox answers, and which function answers each.

BEFORE_LOGIN  configuration.py      what every client asks first
LOGIN         signing_in.py         who may sign in, with what
SIGNED_IN     directory.py          who is who
              file_parts.py         files, part by part; downloads.py gives them back
              media.py              what files are sent as
              new_messages.py       what is sent, with sending_options.py
              forwards.py           what is forwarded; send_once.py is the rule for all that is sent
              scheduled_messages.py what is sent later
              shown_messages.py     what is shown again
              editing.py            what is changed and deleted; pins.py what is pinned,
                                    topics.py where in a forum it is
              difference.py         what a client has missed
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telethon.tl import TLRequest, functions

from broadcast.sandbox.world import (
    configuration,
    difference,
    directory,
    downloads,
    editing,
    file_parts,
    forwards,
    media,
    new_messages,
    pins,
    scheduled_messages,
    shown_messages,
    signing_in,
    topics,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.sandbox.limits.numbers import Limits
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State

Answer = object  # a TLObject, bool, int or a list of them: what the method's type says

BEFORE_LOGIN: dict[type[TLRequest], Callable[[tuple[str, int], Limits, float], Answer]] = {
    functions.help.GetConfigRequest: configuration.get_config,
    functions.help.GetNearestDcRequest: configuration.get_nearest_dc,
    functions.help.GetAppConfigRequest: configuration.get_app_config,
}

LOGIN: dict[type[TLRequest], Callable[[State, int, Any, float], Answer]] = {
    functions.auth.SendCodeRequest: signing_in.send_code,
    functions.auth.ResendCodeRequest: signing_in.resend_code,
    functions.auth.SignInRequest: signing_in.sign_in,
    functions.auth.SignUpRequest: signing_in.sign_up,
    functions.auth.CheckPasswordRequest: signing_in.check_password,
    functions.auth.ImportBotAuthorizationRequest: signing_in.import_bot_authorization,
    functions.auth.LogOutRequest: signing_in.log_out,
    functions.account.GetPasswordRequest: signing_in.get_password,
}

SIGNED_IN: dict[type[TLRequest], Callable[[State, Account, Any, float], Answer]] = {
    functions.messages.SendMessageRequest: new_messages.send_message,
    functions.messages.SendMediaRequest: new_messages.send_media,
    functions.messages.SendMultiMediaRequest: new_messages.send_multi_media,
    functions.messages.ForwardMessagesRequest: forwards.forward_messages,
    functions.messages.UploadMediaRequest: media.upload_media,
    functions.upload.SaveFilePartRequest: file_parts.save_file_part,
    functions.upload.SaveBigFilePartRequest: file_parts.save_big_file_part,
    functions.upload.GetFileRequest: downloads.get_file,
    functions.messages.UpdatePinnedMessageRequest: pins.update_pinned_message,
    functions.messages.UnpinAllMessagesRequest: pins.unpin_all_messages,
    functions.messages.GetForumTopicsRequest: topics.get_forum_topics,
    functions.messages.GetForumTopicsByIDRequest: topics.get_forum_topics_by_id,
    functions.messages.GetScheduledHistoryRequest: scheduled_messages.get_scheduled_history,
    functions.messages.GetScheduledMessagesRequest: scheduled_messages.get_scheduled_messages,
    functions.messages.DeleteScheduledMessagesRequest: scheduled_messages.delete_scheduled_messages,
    functions.messages.SendScheduledMessagesRequest: scheduled_messages.send_scheduled_messages,
    functions.messages.SetTypingRequest: shown_messages.set_typing,
    functions.messages.GetHistoryRequest: shown_messages.get_history,
    functions.messages.GetMessagesRequest: shown_messages.get_messages,
    functions.channels.GetMessagesRequest: shown_messages.get_channel_messages,
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

SENDING = (
    functions.messages.SendMessageRequest,
    functions.messages.SendMediaRequest,
    functions.messages.SendMultiMediaRequest,
    functions.messages.ForwardMessagesRequest,
)

WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
    functions.InvokeAfterMsgsRequest,
)


def methods() -> list[str]:
    """The methods that the sandbox answers, by Telegram's names; docs/sandbox.md lists them."""
    answered = (*BEFORE_LOGIN, *LOGIN, *SIGNED_IN)
    return sorted(_method_name(request) for request in answered)


def _method_name(request: type[TLRequest]) -> str:
    name = request.__name__.removesuffix("Request")
    return f"{request.__module__.rpartition('.')[2]}.{name[0].lower()}{name[1:]}"
