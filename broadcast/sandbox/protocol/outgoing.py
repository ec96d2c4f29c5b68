"""What a server sends in one session: ids and numbers in order, in as few containers as can be.

The sections in the comments are those of https://core.telegram.org/mtproto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from broadcast.mtproto.containers import OVERHEAD, Message, container_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER: Final = 1
NOTICE: Final = 3
"""A server's message answers one of the client's, or not: description#message-identifier-msg-id."""

# As much as Telethon puts into a container itself.
_MOST_MESSAGES = 100
_MOST_BYTES = 2**20 - 2**12


class MessageIds:
    """The ids of a server's messages: description#message-identifier-msg-id."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, kind: int, now: float) -> int:
        """The time, but always more than before, and whether it is an ANSWER or a NOTICE."""
        earliest = (self._last & ~3) + 4
        self._last = max(earliest, int(now * 2**32) & ~3) | kind
        return self._last


class _Queued(NamedTuple):
    """What waits to be sent. A client must acknowledge content."""

    kind: int
    is_content: bool
    body: bytes


class Outgoing:
    """The queue of one session."""

    def __init__(self) -> None:
        self._ids = MessageIds()
        self._content_messages = 0
        self._queue: list[_Queued] = []

    def put(self, kind: int, body: bytes, *, is_content: bool = True) -> None:
        """Queue the body of a message that is an ANSWER or a NOTICE."""
        self._queue.append(_Queued(kind, is_content, body))

    def messages(self, now: float) -> Iterator[Message]:
        """Empty the queue; several messages together become one, which contains them."""
        queue, self._queue = self._queue, []
        for batch in _batches(queue):
            messages = [self._message(queued, now) for queued in batch]
            if len(messages) == 1:
                yield messages[0]
            else:
                body = container_of(messages)
                yield self._message(_Queued(ANSWER, is_content=False, body=body), now)

    def _message(self, queued: _Queued, now: float) -> Message:
        seq_no = self._content_messages * 2 + queued.is_content  # description#msg-seqno
        self._content_messages += queued.is_content
        return Message(self._ids.next(queued.kind, now), seq_no, queued.body)


def _batches(queue: list[_Queued]) -> Iterator[list[_Queued]]:
    """Cut the queue where a container would have too many messages or bytes."""
    batch: list[_Queued] = []
    size = 0
    for queued in queue:
        length = len(queued.body) + OVERHEAD
        if batch and (len(batch) == _MOST_MESSAGES or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(queued)
        size += length
    if batch:
        yield batch
