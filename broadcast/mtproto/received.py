"""Which received messages are new and of our session, and which are to be ignored.

https://core.telegram.org/mtproto/security_guidelines#checking-session-id and #checking-msg-id
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broadcast.mtproto.containers import BAD_MSG_NOTIFICATION, BAD_SERVER_SALT, constructor_of

if TYPE_CHECKING:
    from broadcast.mtproto.encryption import Envelope

# Seconds by which a message may be old or early: description#message-identifier-msg-id.
TOO_OLD: Final = 300
TOO_NEW: Final = 30

KEPT: Final = 500
"""Ids that a client remembers; the guidelines name no number. It is Telethon's."""

# They come because a clock is wrong, so their own time is no reason to ignore them.
_ABOUT_TIME = (BAD_SERVER_SALT, BAD_MSG_NOTIFICATION)


class IgnoredError(Exception):
    """A message that must not be processed; the message of the exception says why."""


def time_of(msg_id: int) -> int:
    """The Unix time at which a message was made, in whole seconds."""
    return msg_id >> 32


class SeenIds:
    """The last message ids of a session, at least `keep` of them, so that none is taken twice.

    Two generations instead of a queue: adding costs one look-up, whatever `keep` is.
    """

    def __init__(self, keep: int = 2**15) -> None:
        self._keep = keep
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._forgotten_up_to = 0

    def add(self, msg_id: int) -> None:
        """Remember an id."""
        self._young.add(msg_id)
        if len(self._young) >= self._keep:
            if self._old:
                self._forgotten_up_to = max(self._forgotten_up_to, *self._old)
            self._old, self._young = self._young, set()

    def __contains__(self, msg_id: int) -> bool:
        return msg_id in self._young or msg_id in self._old

    def is_forgotten(self, msg_id: int) -> bool:
        """Tell whether the id is so old that nobody knows whether it came before."""
        return msg_id <= self._forgotten_up_to


class ServerMessages:
    """What a client has received in one session."""

    def __init__(self) -> None:
        self._seen = SeenIds(KEPT)
        self.is_empty = True

    def take(self, envelope: Envelope, session_id: int, now: float) -> None:
        """Remember a message that is to be processed. `now` is the server's Unix time.

        Raises IgnoredError for all others.
        """
        msg_id = envelope.msg_id
        if envelope.session_id != session_id:
            raise IgnoredError("it is of another session")
        if msg_id % 2 != 1:
            raise IgnoredError("its id is not one of a server's")
        if msg_id in self._seen or self._seen.is_forgotten(msg_id):
            raise IgnoredError("it came before")
        if constructor_of(envelope.body) not in _ABOUT_TIME:
            age = now - time_of(msg_id)
            if not -TOO_NEW <= age <= TOO_OLD:
                raise IgnoredError(f"it is {age:.0f} seconds old by the clock of this machine")
        self._seen.add(msg_id)
        self.is_empty = False
