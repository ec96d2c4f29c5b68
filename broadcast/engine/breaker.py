"""Answers when so many recipients fail that the list itself must be wrong."""

from __future__ import annotations

from broadcast.core.model import Failed, Halted, Outcome, Sent

IN_A_ROW = 25
"""Failures one after the other: with half of a list gone, that happens once in 30 million."""

AT_LEAST = 50
"""Outcomes from which on a share is meaningful."""

SHARE = 0.5


class Breaker:
    """Opens after `in_a_row` failures, or when more than `share` of at least `at_least` failed.

    `share` 1.0 never opens. It counts one run: a person who resumes has looked at the failures.
    """

    def __init__(
        self, share: float = SHARE, *, in_a_row: int = IN_A_ROW, at_least: int = AT_LEAST
    ) -> None:
        self._share, self._in_a_row, self._at_least = share, in_a_row, at_least
        self._sent = self._failed = self._row = 0

    def took(self, outcome: Outcome) -> Halted | None:
        """Count `outcome`; the halt when the breaker opens with it."""
        if isinstance(outcome, Sent):
            self._sent += 1
            self._row = 0
        if not isinstance(outcome, Failed):
            return None
        self._failed += 1
        self._row += 1
        if self._share >= 1.0:
            return None
        done = self._sent + self._failed
        if self._row >= self._in_a_row:
            what = f"the last {self._row} recipients all failed"
        elif done >= self._at_least and self._failed > self._share * done:
            what = f"{self._failed} of {done} recipients failed"
        else:
            return None
        return Halted(
            "TOO_MANY_FAILURES",
            f"{what}, the last with {outcome.error}: {outcome.reason}. Check the list before "
            "the account is limited",
        )
