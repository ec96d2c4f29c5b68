"""What may follow what: on values alone. The ledgers' tests hold that they look these up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.core.errors import BroadcastError, LockedError
from broadcast.core.lifecycle import (
    Standing,
    counts_of,
    goes_on_by_itself,
    record_of_unsettled,
    require_changeable,
    require_free_account,
    require_idle,
    require_resumable,
    require_retryable,
    require_same_account,
    require_whole,
    state_of,
    state_to_set,
    to_retry,
)
from broadcast.core.model import (
    Action,
    Broadcast,
    Contact,
    Counts,
    Delivery,
    Halted,
    Message,
    Process,
    Schedule,
    State,
    Status,
)
from broadcast.core.peers import parse_peer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SOMEBODY = Process("host", 7)
HELLO = Message("hello")
DONE = Broadcast(2, "aaa", Action.SEND, HELLO, NOW, State.DONE, Counts(sent=3, failed=1))
OPEN = replace(DONE, state=State.OPEN, counts=Counts(sent=1, pending=3))
CANCELLED = replace(DONE, state=State.CANCELLED, counts=Counts(sent=1, skipped=3))
RUNNING = replace(OPEN, owner=SOMEBODY)
EDIT = Broadcast(3, "eee", Action.EDIT, HELLO, NOW, State.DONE, Counts(sent=3), target=2)
NEWER = replace(EDIT, number=4, id="fff")
RECALL = replace(EDIT, number=5, id="rrr", action=Action.RECALL)
AT_TELEGRAM = replace(DONE, schedule=Schedule(NOW, NOW + timedelta(hours=1), at_telegram=True))
HERE = replace(AT_TELEGRAM, schedule=Schedule(NOW, NOW))


def refusal(work: object, *arguments: object) -> str | None:
    """The code of what is refused; None when nothing is."""
    assert callable(work)
    try:
        work(*arguments)
    except BroadcastError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (Standing(OPEN), None),
        (Standing(DONE), None),
        (Standing(OPEN, (EDIT,)), None),
        (Standing(RUNNING), "RUNNING"),
        (Standing(CANCELLED), "CANCELLED"),
        (Standing(OPEN, (RECALL, EDIT)), "RECALLED"),
        (Standing(EDIT, (RECALL, EDIT)), "RECALLED"),
        (Standing(EDIT, (NEWER, EDIT)), "OVERTAKEN"),
        (Standing(NEWER, (NEWER, EDIT)), None),
        (Standing(RECALL, (RECALL, EDIT)), None),
    ],
)
def test_what_may_be_resumed(standing: Standing, code: str | None) -> None:
    assert refusal(require_resumable, standing) == code


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (Standing(DONE), None),
        (Standing(OPEN), "UNFINISHED"),
        (Standing(DONE, (EDIT,)), "EDITED"),
        (Standing(replace(DONE, counts=Counts(sent=4)), (EDIT,)), None),  # nobody to try again
        (Standing(EDIT, (EDIT,)), None),
        (Standing(DONE, (RECALL,)), "RECALLED"),
        (Standing(replace(DONE, owner=SOMEBODY)), "RUNNING"),
    ],
)
def test_what_may_be_retried(standing: Standing, code: str | None) -> None:
    assert refusal(require_retryable, standing) == code


@pytest.mark.parametrize(
    ("standing", "edit", "recall"),
    [
        (Standing(DONE), None, None),
        (Standing(CANCELLED), None, None),
        (Standing(OPEN), "UNFINISHED", None),
        (Standing(RUNNING), "RUNNING", "RUNNING"),
        (Standing(EDIT, (EDIT,)), "NO_SEND", "NO_SEND"),
        (Standing(DONE, (EDIT,)), None, None),
        (Standing(DONE, (replace(EDIT, owner=SOMEBODY),)), "RUNNING", "RUNNING"),
        (Standing(DONE, (RECALL,)), "RECALLED", "RECALLED"),
        (Standing(replace(DONE, later_parts=2)), "IN_PARTS", None),
        (Standing(AT_TELEGRAM), "SCHEDULED", None),
        (Standing(HERE), None, None),
        (Standing(replace(DONE, counts=Counts(failed=4))), "NOTHING_SENT", "NOTHING_SENT"),
        (Standing(replace(CANCELLED, counts=Counts(pending=2)), (), 2), "NOTHING_SENT", None),
    ],
)
def test_what_may_be_changed(standing: Standing, edit: str | None, recall: str | None) -> None:
    assert refusal(require_changeable, standing, Action.EDIT, NOW) == edit
    assert refusal(require_changeable, standing, Action.RECALL, NOW) == recall


@pytest.mark.parametrize("action", [Action.EDIT, Action.RECALL])
def test_what_went_out_from_telegrams_schedule_is_not_changed(action: Action) -> None:
    """Its ids are not known: https://core.telegram.org/api/scheduled-messages."""
    later = NOW + timedelta(hours=1)
    assert refusal(require_changeable, Standing(AT_TELEGRAM), action, later) == "IDS_UNKNOWN"


def test_an_edit_is_one_message() -> None:
    assert refusal(require_whole, Action.EDIT, replace(HELLO, split=True)) == "SPLIT"
    assert refusal(require_whole, Action.RECALL, replace(HELLO, split=True)) is None


def test_it_goes_on_as_the_account_that_began() -> None:
    began = replace(OPEN, account=7, server="sandbox")
    assert refusal(require_same_account, OPEN, 8, None) is None
    assert refusal(require_same_account, began, 7, "sandbox") is None
    assert refusal(require_same_account, began, 8, "sandbox") == "OTHER_ACCOUNT"
    assert refusal(require_same_account, began, 7, None) == "OTHER_ACCOUNT"
    with pytest.raises(BroadcastError, match="no other account can go on with it or change it"):
        require_same_account(began, 8, "sandbox")


def test_an_account_that_is_in_use_says_by_whom_and_how_to_stop_it() -> None:
    require_free_account(DONE, 7, [OPEN])
    with pytest.raises(LockedError, match="process 7 on host sends broadcast aaa") as caught:
        require_free_account(replace(DONE, id="bbb"), 7, [OPEN, RUNNING])
    assert caught.value.code == "ACCOUNT_IN_USE"
    assert [(step.command, step.id) for step in caught.value.steps] == [
        ("status", "aaa"),
        ("pause", "aaa"),
        ("resume", "bbb"),
    ]


def test_a_running_one_says_by_whom_and_how_to_stop_it() -> None:
    require_idle(OPEN)
    with pytest.raises(LockedError) as caught:
        require_idle(RUNNING)
    assert str(caught.value) == (
        "broadcast aaa is being sent by process 7 on host. `broadcast status aaa --watch` shows "
        "it; `broadcast pause aaa` stops it"
    )


def test_what_was_asked_of_a_process_holds_when_it_has_died() -> None:
    assert state_of(State.OPEN, State.CANCELLED, is_alive=True) is State.OPEN
    assert state_of(State.OPEN, State.CANCELLED, is_alive=False) is State.CANCELLED
    assert state_of(State.PAUSED, None, is_alive=False) is State.PAUSED


def test_a_pause_and_a_cancel_of_what_stands_still() -> None:
    for wanted in (State.PAUSED, State.CANCELLED):
        assert state_to_set(OPEN, wanted) is wanted
        assert state_to_set(DONE, wanted) is None
    assert refusal(state_to_set, CANCELLED, State.PAUSED) == "CANCELLED"


def test_only_what_ends_by_itself_goes_on_by_itself() -> None:
    assert goes_on_by_itself(OPEN)
    for ends in (True, False):
        halted = Halted("OFFLINE", "no connection", ends_by_itself=ends)
        assert goes_on_by_itself(replace(OPEN, halted=halted)) is ends


def test_what_is_in_doubt_is_never_skipped() -> None:
    about = {"total": 9, "sent": 2, "failed": 1, "in_doubt": 2}
    assert counts_of(State.OPEN, **about) == Counts(2, 1, 0, 6, in_doubt=2)
    assert counts_of(State.CANCELLED, **about) == Counts(2, 1, 4, 2, in_doubt=2)
    delivery = Delivery("aaa", 0, Contact(parse_peer("@ana")), HELLO)
    for broadcast, is_claimed, is_doubtful, status, error in (
        (OPEN, False, False, Status.PENDING, None),
        (OPEN, True, False, Status.SENDING, "IN_DOUBT"),
        (RUNNING, True, False, Status.SENDING, None),
        (CANCELLED, False, False, Status.SKIPPED, "CANCELLED"),
        (CANCELLED, True, False, Status.SENDING, "IN_DOUBT"),
        (CANCELLED, False, True, Status.PENDING, "IN_DOUBT"),
    ):
        record = record_of_unsettled(
            broadcast, delivery, is_claimed=is_claimed, is_doubtful=is_doubtful, trouble=None
        )
        assert (record.status, getattr(record.outcome, "error", None)) == (status, error)


def test_a_part_is_retried_only_after_the_one_that_it_failed_with() -> None:
    failed = [
        (0, "USER_IS_BLOCKED"),
        (1, "PART_MISSING"),
        (4, "USER_PRIVACY_RESTRICTED"),
        (5, "PART_MISSING"),
        (6, "PART_MISSING"),
        (9, "PART_MISSING"),
    ]
    assert to_retry(failed, insist=False) == ([4], [5, 6])
    assert to_retry(failed, insist=True) == ([0, 4], [1, 5, 6])
