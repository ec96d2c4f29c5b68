"""The pretend Telegram: one request, one answer. No socket, no clock; time is passed in."""

from __future__ import annotations

from broadcast.sandbox.world.pretend_telegram import World
from broadcast.sandbox.world.rpc_error import RpcError

__all__ = ["RpcError", "World"]
