"""Every error of Telegram has one verdict, and what is not known is never called sent."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.errors.rpcerrorlist import rpc_errors_dict

from broadcast.core.classify import (
    _REASONS,
    _TABLE,
    DEFAULT_FLOOD_WAIT,
    MOST_FLOOD_WAIT,
    TelegramError,
    Verdict,
    classify,
    finding,
    next_step,
    reason_of,
    verdict_of,
)
from broadcast.core.model import Deferred, Failed, Halted, Outcome, Scope

# What an error means: the code is the one that Telegram's list gives, a family stands with members.
RECIPIENT = """
    403 USER_IS_BLOCKED, 400 INPUT_USER_DEACTIVATED, 403 USER_DELETED, 400 PEER_ID_INVALID,
    400 YOU_BLOCKED_USER, 400 USER_IS_BOT, 400 USER_ID_INVALID, 403 USER_PRIVACY_RESTRICTED,
    403 USER_NOT_MUTUAL_CONTACT, 406 PRIVACY_PREMIUM_REQUIRED, 403 PRIVACY_PREMIUM_REQUIRED,
    403 CHAT_WRITE_FORBIDDEN, 403 CHAT_FORBIDDEN, 400 CHAT_RESTRICTED, 400 CHAT_ADMIN_REQUIRED,
    403 CHAT_GUEST_SEND_FORBIDDEN, 403 CHAT_SEND_PLAIN_FORBIDDEN, 403 CHAT_SEND_MEDIA_FORBIDDEN,
    403 CHAT_SEND_PHOTOS_FORBIDDEN, 406 CHANNEL_PRIVATE, 400 CHANNEL_PRIVATE, 400 CHANNEL_INVALID,
    400 CHAT_ID_INVALID, 406 TOPIC_CLOSED, 406 TOPIC_DELETED, 400 USERNAME_INVALID,
    400 USERNAME_NOT_OCCUPIED, 400 PHONE_NOT_OCCUPIED, 400 INVITE_HASH_EMPTY,
    400 INVITE_HASH_INVALID, 400 INVITE_HASH_EXPIRED, 406 INVITE_HASH_EXPIRED,
    403 VOICE_MESSAGES_FORBIDDEN, 400 REPLY_MESSAGE_ID_INVALID, 400 SEND_AS_PEER_INVALID,
    400 EFFECT_ID_INVALID
"""
COSTS_MONEY = """
    403 ALLOW_PAYMENT_REQUIRED_10, 406 ALLOW_PAYMENT_REQUIRED_250, 400 BALANCE_TOO_LOW,
    403 PREMIUM_ACCOUNT_REQUIRED
"""
AGAIN = """
    500 RANDOM_ID_DUPLICATE, 400 RPC_CALL_FAIL, 500 RPC_CALL_FAIL, 500 RPC_MCGET_FAIL,
    500 WORKER_BUSY_TOO_LONG_RETRY, 500 INTERDC_2_CALL_ERROR, 500 INTERDC_4_CALL_RICH_ERROR,
    -503 TIMEOUT, 503 TIMEOUT, 400 MSG_WAIT_FAILED, 500 MSG_WAIT_FAILED, -500 MSG_WAIT_TIMEOUT
"""
MESSAGE = """
    400 MESSAGE_EMPTY, 400 MESSAGE_TOO_LONG, 400 MEDIA_CAPTION_TOO_LONG, 400 ENTITY_BOUNDS_INVALID,
    400 ENTITIES_TOO_LONG, 400 BUTTON_DATA_INVALID, 400 BUTTON_TYPE_INVALID, 400 BUTTON_URL_INVALID,
    400 REPLY_MARKUP_INVALID, 400 REPLY_MARKUP_TOO_LONG, 400 MEDIA_EMPTY, 400 MEDIA_INVALID,
    400 SCHEDULE_DATE_TOO_LATE, 400 SCHEDULE_BOT_NOT_ALLOWED, 406 CHAT_FORWARDS_RESTRICTED,
    400 CHAT_FORWARDS_RESTRICTED, 400 PHOTO_INVALID_DIMENSIONS, 400 PHOTO_EXT_INVALID,
    400 PHOTO_INVALID, 400 PHOTO_SAVE_FILE_INVALID, 400 IMAGE_PROCESS_FAILED,
    400 FILE_PARTS_INVALID, 400 FILE_PART_3_MISSING, 400 VIDEO_FILE_INVALID,
    400 DOCUMENT_INVALID, 400 MEDIA_TTL_INVALID, 400 MEDIA_TYPE_INVALID, 400 MEDIA_GROUPED_INVALID,
    400 MULTI_MEDIA_TOO_LONG, 400 ENTITY_MENTION_USER_INVALID, 400 WEBPAGE_CURL_FAILED,
    400 WEBPAGE_MEDIA_EMPTY, 400 URL_INVALID, 400 EXTERNAL_URL_INVALID, 400 MD5_CHECKSUM_INVALID
"""
ACCOUNT = """
    400 PEER_FLOOD, 406 AUTH_KEY_DUPLICATED, 401 AUTH_KEY_UNREGISTERED, 401 AUTH_KEY_INVALID,
    401 SESSION_REVOKED, 401 SESSION_EXPIRED, 401 USER_DEACTIVATED, 403 USER_DEACTIVATED,
    401 USER_DEACTIVATED_BAN, 420 FROZEN_METHOD_INVALID, 400 ACCESS_TOKEN_INVALID,
    400 ACCESS_TOKEN_EXPIRED, 400 ACCESS_TOKEN_ELSEWHERE_INVALID, 400 API_ID_INVALID
"""

names = st.from_regex(r"[A-Z][A-Z0-9_]{0,40}", fullmatch=True)
codes = st.one_of(st.sampled_from([303, 400, 401, 403, 404, 406, 420, 500, -503]), st.integers())
errors = st.builds(TelegramError, codes, names, st.none() | st.integers())
parsed = st.builds(TelegramError.parse, codes, st.one_of(names, st.text()))


def listed(table: str) -> list[tuple[int, str]]:
    return [(int(entry.split()[0]), entry.split()[1]) for entry in table.split(",")]


def outcome_of(code: int, text: str) -> Outcome:
    return classify(TelegramError.parse(code, text))


@pytest.mark.parametrize(("code", "text"), listed(RECIPIENT))
def test_what_concerns_one_recipient_fails_for_that_one_for_good(code: int, text: str) -> None:
    outcome = outcome_of(code, text)
    assert isinstance(outcome, Failed)
    assert outcome.error == text
    assert outcome.reason != "Telegram refused this message"  # it has a reason of its own


@pytest.mark.parametrize(("code", "text"), listed(COSTS_MONEY))
def test_what_costs_money_is_not_paid(code: int, text: str) -> None:
    assert isinstance(outcome_of(code, text), Failed)


@pytest.mark.parametrize(("code", "text"), listed(AGAIN))
def test_what_may_have_been_sent_is_tried_again(code: int, text: str) -> None:
    outcome = outcome_of(code, text)
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.DELIVERY
    assert outcome.retry_after is None  # Telegram named no time
    assert outcome.reached


@pytest.mark.parametrize(("code", "text"), listed(MESSAGE))
def test_a_wrong_message_stops_the_broadcast_for_good(code: int, text: str) -> None:
    outcome = outcome_of(code, text)
    assert isinstance(outcome, Halted)
    assert not outcome.resumable


OF_THE_MESSAGE = re.compile(
    r"(?:MEDIA|PHOTO|VIDEO|AUDIO|IMAGE|GIF|DOCUMENT|ENTITY|ENTITIES|WEBPAGE|REPLY_MARKUP)_"
    r"|BUTTON_.*INVALID|FILE_PART|MESSAGE_(?:EMPTY|TOO_LONG)|CHAT_FORWARDS"
)


@pytest.mark.parametrize(
    "name", [name for name in sorted(rpc_errors_dict) if OF_THE_MESSAGE.match(name)]
)
def test_whatever_telethon_knows_to_be_wrong_with_a_message_stops_it_once(name: str) -> None:
    assert isinstance(outcome_of(400, name), Halted)
    assert isinstance(outcome_of(406, name), Halted)


@pytest.mark.parametrize(("code", "text"), listed(ACCOUNT))
def test_an_account_in_trouble_stops_and_can_be_resumed(code: int, text: str) -> None:
    outcome = outcome_of(code, text)
    assert isinstance(outcome, Halted)
    assert outcome.resumable


@pytest.mark.parametrize(
    ("code", "text", "seconds"),
    [
        (420, "FLOOD_WAIT_31", 31.0),
        (420, "FLOOD_PREMIUM_WAIT_7", 7.0),
        (420, "FLOOD_SKIP_FAILED_WAIT_5", 5.0),
        (400, "FLOOD_WAIT_31", 31.0),  # the name decides, whatever the code
        (420, "FLOOD_WAIT_0", 1.0),
        (420, "FLOOD_WAIT", DEFAULT_FLOOD_WAIT),
        (420, "FLOOD_WAIT_999999999999", MOST_FLOOD_WAIT),
        (420, "SOMETHING_NEW", DEFAULT_FLOOD_WAIT),
        (420, "SOMETHING_NEW_12", 12.0),
    ],
)
def test_a_flood_holds_the_account_for_as_long_as_it_says(
    code: int, text: str, seconds: float
) -> None:
    outcome = outcome_of(code, text)
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.ACCOUNT
    assert outcome.retry_after == seconds


def test_slow_mode_holds_its_chat_only() -> None:
    outcome = outcome_of(420, "SLOWMODE_WAIT_300")
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.retry_after) == (Scope.DELIVERY, 300.0)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("FLOOD_WAIT_31", "FLOOD_WAIT", 31),
        ("SLOWMODE_WAIT_10", "SLOWMODE_WAIT", 10),
        ("SLOWMODE_WAIT", "SLOWMODE_WAIT", None),
        ("INTERDC_2_CALL_ERROR", "INTERDC_CALL_ERROR", 2),
        ("FLOOD_SKIP_FAILED_WAIT_17", "FLOOD_SKIP_FAILED_WAIT", 17),
        ("FILE_PART_3_MISSING", "FILE_PART_MISSING", 3),
        ("2FA_CONFIRM_WAIT_9", "2FA_CONFIRM_WAIT", 9),
        ("USER_IS_BLOCKED", "USER_IS_BLOCKED", None),
        ("MD5_CHECKSUM_INVALID", "MD5_CHECKSUM_INVALID", None),
        ("FLOOD_WAIT_" + "9" * 5000, "FLOOD_WAIT_" + "9" * 5000, None),  # no number of seconds
        ("", "", None),
    ],
)
def test_the_number_is_split_from_the_name(text: str, name: str, value: int | None) -> None:
    assert TelegramError.parse(420, text) == TelegramError(420, name, value)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (400, Verdict.RECIPIENT),
        (403, Verdict.RECIPIENT),
        (404, Verdict.RECIPIENT),
        (406, Verdict.RECIPIENT),
        (401, Verdict.ACCOUNT),
        (420, Verdict.WAIT_ACCOUNT),
        (500, Verdict.AGAIN),
        (503, Verdict.AGAIN),
        (-500, Verdict.AGAIN),
        (-503, Verdict.AGAIN),
    ],
)
def test_an_unlisted_error_is_judged_by_its_code(code: int, verdict: Verdict) -> None:
    assert verdict_of(TelegramError(code, "NEVER_HEARD_OF"))[0] is verdict


@pytest.mark.parametrize(
    ("code", "text"),
    [
        *(error for table in (RECIPIENT, COSTS_MONEY, AGAIN, MESSAGE, ACCOUNT)
          for error in listed(table)),
        *((code, "NEVER_HEARD_OF") for code in (400, 401, 403, 406, 420, 500)),
        (420, "FLOOD_WAIT_31"), (420, "SLOWMODE_WAIT_10"),
    ],
)  # fmt: skip
def test_every_reason_reads_as_a_part_of_a_sentence(code: int, text: str) -> None:
    _, reason = verdict_of(TelegramError.parse(code, text))
    assert " " in reason
    assert reason == reason.strip()
    assert not reason.endswith(".")  # the report goes on after it
    assert text not in reason  # in words: the name stands beside it


@given(errors | parsed)
def test_no_error_is_taken_for_sent(error: TelegramError) -> None:
    assert isinstance(classify(error), Deferred | Failed | Halted)


@given(errors | parsed)
def test_every_wait_is_long_enough_and_ends(error: TelegramError) -> None:
    outcome = classify(error)
    if isinstance(outcome, Deferred) and outcome.retry_after is not None:
        assert 1.0 <= outcome.retry_after <= MOST_FLOOD_WAIT


@given(codes, names)
def test_an_unknown_error_never_stops_the_account_unless_it_is_a_401(code: int, name: str) -> None:
    error = TelegramError(code, f"NEVER_HEARD_OF_{name}")
    assert isinstance(classify(error), Halted) == (code == 401)


def test_our_own_findings_have_reasons_like_telegrams_errors() -> None:
    for name in ("PEER_UNKNOWN", "INVITE_NOT_JOINED"):
        assert finding(name) == Failed(name, verdict_of(TelegramError(400, name))[1])
        assert " " in finding(name).reason


def test_what_ends_a_session_is_followed_by_a_login() -> None:
    step = next_step("SESSION_REVOKED")
    assert step is not None
    assert (str(step), step.purpose) == ("broadcast login", "signs in again")
    assert next_step("PEER_FLOOD") is None
    assert next_step("FLOOD_WAIT") is None


def test_an_error_stands_in_the_table_once() -> None:
    assert sum(map(len, _REASONS.values())) == len(_TABLE)


@pytest.mark.parametrize("error", list(_TABLE))
def test_no_reason_names_a_command(error: str) -> None:
    """Which one helps is a value, so that each front end words it."""
    assert "`" not in reason_of(error)
