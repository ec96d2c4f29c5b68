"""Answers how long to wait while Telegram does not answer, and when to give up.

It reads no clock: `now` is passed in, in seconds.
"""

from __future__ import annotations

import math

PATIENCE = 10 * 60.0
"""Seconds without an answer after which the run halts, resumable."""

GRACE = 2.0
"""Seconds for which an answer is still waited for in an outage that ends the run."""

LONGEST = 30.0
"""Seconds between two tries at most: so soon it is noticed that Telegram is back."""


class Outage:
    """What the answers say about the connection to Telegram.

    An outage begins with an answer that is lost, or with `crowd` answers in a row that say nothing
    but that Telegram has trouble. It ends with the next answer that says anything else.
    """

    def __init__(self, patience: float, crowd: int) -> None:
        self._patience, self._crowd = patience, crowd
        self._first_heard_at = math.inf
        self._troubles = 0  # answers in a row that were none, or that named no time
        self._heard_at = -math.inf
        self.since: float | None = None
        """When the outage began that is on now; None when there is none."""
        self.answers_until = math.inf
        """How long answers to what is under way are waited for."""

    def heard(self, now: float) -> None:
        """Telegram has answered: an outage is over."""
        self._troubles, self._heard_at = 0, now
        self._first_heard_at = min(self._first_heard_at, now)
        self.since, self.answers_until = None, math.inf

    def heard_for(self, now: float) -> float:
        """Seconds since Telegram has first answered anything else than trouble; -inf: never."""
        return now - self._first_heard_at

    def troubled(self, now: float, asked_at: float, *, reached: bool) -> float | None:
        """Count a lost answer to a request of `asked_at`, or one that names an internal trouble.

        Returns the seconds for which everybody waits: as long as the outage has lasted, 1 to 30.
        0.0 when the patience is over; None when this is not an outage, and the others may go on.
        """
        self._troubles += 1
        if reached and self._troubles < self._crowd:
            return None
        if self.since is None:
            self.since = max(asked_at, self._heard_at)
            self.answers_until = self.since + self._patience + GRACE
        lasted = self.lasted(now)
        left = self._patience - lasted
        return min(max(lasted, 1.0), LONGEST, left) if left > 0.0 else 0.0

    def lasted(self, now: float) -> float:
        """Seconds for which the outage is on; 0.0 when there is none."""
        return 0.0 if self.since is None else now - self.since

    def is_given_up(self, now: float) -> bool:
        """Whether nothing that is under way is waited for any longer; True once in an outage."""
        if now < self.answers_until:
            return False
        self.answers_until = math.inf
        return True

    def stopping(self, now: float) -> None:
        """The run is to end: in an outage it waits for answers only a moment longer."""
        if self.since is not None:
            self.answers_until = min(self.answers_until, now + GRACE)
