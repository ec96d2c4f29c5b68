"""Telethon's exceptions become Telegram's errors again, and nothing that is not known is hidden."""

from __future__ import annotations

import asyncio
import struct
import zlib
from types import SimpleNamespace

import pytest
from telethon import errors
from telethon.errors import rpc_message_to_error
from telethon.errors.rpcerrorlist import rpc_errors_dict, rpc_errors_re
from telethon.tl import functions

from broadcast.core.classify import TelegramError, next_step
from broadcast.core.errors import HaltedError, SettingsError
from broadcast.core.model import Deferred, Failed, Halted, Scope
from broadcast.telegram.error_translation import (
    UnreadableAnswerError,
    outcome_of,
    refusal,
    telegram_error,
)

REQUEST = functions.help.GetNearestDcRequest()
NOT_SPLIT = {
    # The number is no word of its own here. It concerns the import of chats, which is never asked.
    "PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_31MIN": "PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_0MIN",
}
NUMBERED = {"EMAIL_UNCONFIRMED": 0}  # one class for it and for EMAIL_UNCONFIRMED_x, at login only


def raised(code: int, text: str) -> errors.RPCError:
    """What Telethon raises when the server answers with this."""
    return rpc_message_to_error(SimpleNamespace(error_code=code, error_message=text), REQUEST)


@pytest.mark.parametrize("name", rpc_errors_dict)
def test_a_named_error_has_the_name_that_the_server_sent(name: str) -> None:
    error = telegram_error(raised(400, name))
    assert error.name == name.upper()  # as Telethon looks it up, too
    assert error.value == NUMBERED.get(name)


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in rpc_errors_re])
def test_an_error_with_a_number_has_its_name_and_its_number(pattern: str) -> None:
    text = pattern.replace("(\\d+)", "31")
    error = telegram_error(raised(420, text))
    assert error.name == NOT_SPLIT.get(text, TelegramError.parse(420, text).name)
    assert error.value == 31


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (406, "PRIVACY_PREMIUM_REQUIRED", TelegramError(406, "PRIVACY_PREMIUM_REQUIRED")),
        (406, "TOPIC_CLOSED", TelegramError(406, "TOPIC_CLOSED")),
        (403, "NEVER_HEARD_OF", TelegramError(403, "NEVER_HEARD_OF")),
        (403, "ALLOW_PAYMENT_REQUIRED_10", TelegramError(403, "ALLOW_PAYMENT_REQUIRED", 10)),
        (420, "FLOOD_SKIP_FAILED_WAIT_5", TelegramError(420, "FLOOD_SKIP_FAILED_WAIT", 5)),
        (-503, "Timeout", TelegramError(503, "TIMEOUT")),
        (-500, "No workers running", TelegramError(-500, "NO WORKERS RUNNING")),
        (999, "NEW_KIND", TelegramError(999, "NEW_KIND")),
    ],
)
def test_an_error_that_telethon_does_not_name_keeps_the_raw_text(
    code: int, text: str, expected: TelegramError
) -> None:
    assert telegram_error(raised(code, text)) == expected


def test_an_unlisted_406_concerns_its_recipient_and_not_the_key() -> None:
    error = raised(406, "PRIVACY_PREMIUM_REQUIRED")
    assert isinstance(error, errors.AuthKeyError)  # that is what Telethon makes of it
    assert isinstance(outcome_of(error), Failed)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Connection to Telegram failed 5 time(s)"),
        ConnectionResetError(),
        OSError("network is down"),
        asyncio.IncompleteReadError(b"", 4),
        errors.InvalidChecksumError(1, 2),
        errors.SecurityError("too old"),
    ],
    ids=repr,
)
def test_a_lost_connection_is_ambiguous(error: Exception) -> None:
    outcome = outcome_of(error)
    assert isinstance(outcome, Deferred)
    assert not outcome.reached
    assert outcome.scope is Scope.ACCOUNT
    assert outcome.retry_after is None


def test_an_answer_that_does_not_come_is_ambiguous() -> None:
    outcome = outcome_of(TimeoutError())
    assert isinstance(outcome, Deferred)
    assert (outcome.error, outcome.scope) == ("NO_ANSWER", Scope.DELIVERY)


@pytest.mark.parametrize("text", ["RANDOM_ID_DUPLICATE", "Timeout", "INTERDC_2_CALL_ERROR", "NEW"])
def test_trouble_at_the_server_is_never_a_failure(text: str) -> None:
    assert isinstance(outcome_of(raised(500, text)), Deferred)


def test_a_key_that_the_server_does_not_know_stops_the_account() -> None:
    outcome = outcome_of(errors.AuthKeyNotFound())
    assert isinstance(outcome, Halted)
    step = next_step(outcome.error)
    assert step is not None
    assert step.command == "login"


@pytest.mark.parametrize("bug", [ValueError("a bug"), TypeError("a bug"), KeyError("a bug")])
def test_a_bug_has_no_outcome(bug: Exception) -> None:
    assert outcome_of(bug) is None


@pytest.mark.parametrize(
    "error",
    [
        errors.TypeNotFoundError(0xDEADBEEF, b"+34600000000"),
        BufferError(),
        struct.error(),
        zlib.error(),
        EOFError(),
        UnreadableAnswerError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_read_is_neither_sent_nor_failed(error: Exception) -> None:
    outcome = outcome_of(error)
    assert isinstance(outcome, Deferred)
    assert outcome.error == "NO_ANSWER"


def test_a_refused_login_says_why_and_whether_waiting_helps() -> None:
    flood = refusal(raised(420, "FLOOD_WAIT_31"))
    assert isinstance(flood, HaltedError)
    assert "wait for 31 seconds (FLOOD_WAIT)" in str(flood)
    wrong = refusal(raised(400, "API_ID_INVALID"))
    assert isinstance(wrong, SettingsError)
    assert "my.telegram.org" in str(wrong)
    for code in (-503, -500, 500, 502):
        assert isinstance(refusal(raised(code, "Timeout")), HaltedError)
