"""A Telethon that is built otherwise is noticed, whatever it calls itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from telethon.extensions.messagepacker import MessagePacker
from telethon.network import MTProtoSender
from telethon.network.mtprotostate import MTProtoState

from broadcast.telegram.telethon_shape import missing_in_telethon

if TYPE_CHECKING:
    from collections.abc import Callable


async def _renamed(self: Any, msg: Any) -> None:
    self._pending_ack.add(msg.msg_id)
    await self._handlers[msg.obj](msg)


def _plain(self: Any, message: Any) -> None:
    self._pending_ack.add(message.msg_id)
    self._handlers[message.obj](message)


async def _other_loop(self: Any) -> None:
    self._state.decrypt(await self._connection.recv())
    await self._process_message(None)


@pytest.mark.parametrize(
    ("owner", "name", "function", "told"),
    [
        (MTProtoSender, "_process_message", _renamed, "MTProtoSender._process_message: message"),
        (MTProtoSender, "_process_message", _plain, "MTProtoSender._process_message is not async"),
        (MTProtoSender, "_process_message", None, "MTProtoSender._process_message"),
        (MTProtoSender, "_recv_loop", _other_loop, "_recv_loop: decrypt_message_data"),
        (MTProtoState, "_get_seq_no", lambda self: 1, "MTProtoState._get_seq_no: content_related"),
        (MessagePacker, "append", None, "MessagePacker.append"),
    ],
    ids=["parameter", "not async", "gone", "calls another", "fewer parameters", "packer"],
)
def test_what_is_missing_is_named(
    owner: type,
    name: str,
    function: Callable[..., Any] | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, function)
    assert any(told in line for line in missing_in_telethon())


def test_a_class_that_has_moved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("telethon.network.mtprotostate.MTProtoState")
    assert "MTProtoState.__init__" in list(missing_in_telethon())


def test_the_installed_telethon_misses_nothing() -> None:
    assert list(missing_in_telethon()) == []
