"""Send one message to many people on Telegram: all at the same time, each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broadcast.app import Report, open_telegram, send
    from broadcast.core.errors import BroadcastError
    from broadcast.core.model import (
        Contact,
        Deferred,
        Delivery,
        Failed,
        Format,
        Halted,
        Message,
        Outcome,
        Sent,
        Status,
    )
    from broadcast.engine.fake import FakeTransport
    from broadcast.engine.pacer import Pacer
    from broadcast.people.lists import contact, load_audience
    from broadcast.sandbox_app import open_sandbox
    from broadcast.settings import Settings, load_settings

__version__ = "0.1.0"

# Imported when first asked for, so that `broadcast --help` answers at once.
_HOMES = {
    "broadcast.app": ("Report", "open_telegram", "send"),
    "broadcast.people.lists": ("contact", "load_audience"),
    "broadcast.core.errors": ("BroadcastError",),
    "broadcast.core.model": (
        "Contact", "Deferred", "Delivery", "Failed", "Format", "Halted", "Message", "Outcome",
        "Sent", "Status",
    ),
    "broadcast.engine.pacer": ("Pacer",),
    "broadcast.sandbox_app": ("open_sandbox",),
    "broadcast.settings": ("Settings", "load_settings"),
    "broadcast.engine.fake": ("FakeTransport",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BroadcastError",
    "Contact",
    "Deferred",
    "Delivery",
    "Failed",
    "FakeTransport",
    "Format",
    "Halted",
    "Message",
    "Outcome",
    "Pacer",
    "Report",
    "Sent",
    "Settings",
    "Status",
    "contact",
    "load_audience",
    "load_settings",
    "open_sandbox",
    "open_telegram",
    "send",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'broadcast' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOME_OF[name]), name)
