"""The one place where Telethon's exceptions become ours; what they mean is core/classify.py's."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio

from telethon import errors
from telethon.errors import rpcerrorlist

from broadcast.core.classify import TelegramError, classify
from broadcast.core.errors import BroadcastError, HaltedError, SettingsError
from broadcast.core.model import Deferred, Outcome, Scope

# Telethon's named errors lose the text that the server sent: the class is all that is left of it.
_NAMES: dict[str, str] = {
    **{
        cls.__name__: TelegramError.parse(0, pattern.replace("(\\d+)", "0")).name
        for pattern, cls in rpcerrorlist.rpc_errors_re
    },
    **{cls.__name__: name.upper() for name, cls in rpcerrorlist.rpc_errors_dict.items()},
}

LOST = (
    OSError,  # ConnectionError and its kin, and the final failure to reconnect
    asyncio.IncompleteReadError,
    TimeoutError,  # our own time limit around a request
    errors.InvalidBufferError,
    errors.InvalidChecksumError,
    errors.SecurityError,
    errors.BadMessageError,
)
"""What a request may raise after which nobody knows whether Telegram carried it out."""

NOT_CONNECTED = Deferred(
    "NOT_CONNECTED",
    "no connection to Telegram",
    scope=Scope.ACCOUNT,
    reached=False,
    perhaps_sent=True,
)
NO_ANSWER = Deferred("NO_ANSWER", "Telegram has not answered", reached=False, perhaps_sent=True)


def telegram_error(error: errors.RPCError) -> TelegramError:
    """The error as Telegram sent it: code, name and number."""
    code = error.code or 0
    name = _NAMES.get(type(error).__name__)
    if name is None:  # not listed in Telethon: the raw text is all there is, whatever the class
        return TelegramError.parse(code, str(error.message or "UNKNOWN").upper())
    value = next((v for k, v in vars(error).items() if k != "code" and isinstance(v, int)), None)
    return TelegramError(code, name, value)


def outcome_of(error: Exception) -> Outcome:
    """The outcome of a try that raised `error`; raises it again when it is a bug of ours."""
    match error:
        case errors.RPCError():
            return classify(telegram_error(error))
        case errors.AuthKeyNotFound():
            return classify(TelegramError(401, "AUTH_KEY_UNREGISTERED"))
        case TimeoutError() | errors.TypeNotFoundError():
            return NO_ANSWER
        case _ if isinstance(error, LOST):
            return NOT_CONNECTED
        case _:
            raise error


def refusal(error: errors.RPCError) -> BroadcastError:
    """What to tell a person when Telegram refuses a login or a question about the account."""
    told = telegram_error(error)
    seconds = f" for {told.value} seconds" if told.value and told.code == 420 else ""
    reason = getattr(classify(told), "reason", "")
    kind = HaltedError if told.code in (420, 500, 503) else SettingsError
    return kind(f"Telegram refuses: {reason}{seconds} ({told.name}); nothing was sent")
