"""The one place where Telethon's exceptions become ours; what they mean is core/classify.py's."""

from __future__ import annotations

import asyncio
import gzip
import struct
import zlib

from telethon import errors
from telethon.errors import rpcerrorlist

from broadcast.core.classify import NO_ANSWER, NOT_CONNECTED, TelegramError, classify, next_step
from broadcast.core.errors import BroadcastError, HaltedError, SettingsError
from broadcast.core.model import Deferred, Failed, Halted, Outcome

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

UNREADABLE = (
    errors.TypeNotFoundError,
    BufferError,
    struct.error,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
)
"""What Telethon raises where it cannot read what Telegram says: after LOST, of which some are such.

Their texts hold raw bytes, which may be names and phone numbers: never show them or their chain.
"""


class ConnectionLostError(BroadcastError):
    """The connection went away under a request; whether Telegram carried it out is not known."""


class UnreadableAnswerError(BroadcastError):
    """Telegram has carried out a request, and what it answers is newer than Telethon."""

    def __init__(self) -> None:
        super().__init__(
            "Telegram's answer is newer than this version can read. Update broadcast and Telethon",
            code="ANSWER_UNREADABLE",
        )


def telegram_error(error: errors.RPCError) -> TelegramError:
    """The error as Telegram sent it: code, name and number."""
    code = error.code or 0
    name = _NAMES.get(type(error).__name__)
    if name is None:  # not listed in Telethon: the raw text is all there is, whatever the class
        return TelegramError.parse(code, str(error.message or "UNKNOWN").upper())
    value = next((v for k, v in vars(error).items() if k != "code" and isinstance(v, int)), None)
    return TelegramError(code, name, value)


def outcome_of(error: BaseException) -> Outcome | None:
    """The outcome of a try that raised `error`; None when that is a bug of ours."""
    match error:
        case errors.RPCError():
            return classify(telegram_error(error))
        case errors.AuthKeyNotFound():
            return classify(TelegramError(401, "AUTH_KEY_UNREGISTERED"))
        case TimeoutError():
            return NO_ANSWER
        case _ if isinstance(error, (*LOST, ConnectionLostError)):
            return NOT_CONNECTED
        case _ if isinstance(error, (*UNREADABLE, UnreadableAnswerError)):
            return NO_ANSWER
        case _:
            return None


def refusal(error: errors.RPCError) -> BroadcastError:
    """What to tell a person when Telegram refuses a login or a question about the account."""
    told = telegram_error(error)
    seconds = f" for {told.value} seconds" if told.value and told.code == 420 else ""
    outcome = classify(told)
    reason = outcome.reason if isinstance(outcome, (Deferred, Failed, Halted)) else ""
    is_its_own = told.code == 420 or told.code >= 500 or told.code < 0  # Telegram's trouble
    kind = HaltedError if is_its_own else SettingsError
    step = next_step(told.name)
    steps = () if step is None else (step,)
    return kind(f"Telegram refuses: {reason}{seconds} ({told.name})", *steps)
