"""The one way in which the pretend Telegram refuses a request."""

from __future__ import annotations


class RpcError(Exception):
    """What Telegram answers instead of a result: `RpcError(420, "FLOOD_WAIT_31")`."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name
