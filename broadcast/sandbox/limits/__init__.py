"""How much the sandbox allows: Telegram's published limits, and the counting against them."""

from __future__ import annotations

from broadcast.sandbox.limits.limits_file import named_limits, read_limits
from broadcast.sandbox.limits.numbers import Limits

__all__ = ["Limits", "named_limits", "read_limits"]
