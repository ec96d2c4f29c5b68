"""Whether the installed Telethon has what fast_path.py builds on; it compares no versions."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SENDER, _STATE = "network.mtprotosender:MTProtoSender", "network.mtprotostate:MTProtoState"
_PACKER, _CLIENT = "extensions.messagepacker:MessagePacker", "client:TelegramClient"
_REQUEST = "network.requeststate:RequestState"

# Of each function its parameters, and the names that it uses: what we override must be called,
# what we call must do what it is called for, and what both read must be what it was.
_FUNCTIONS: dict[tuple[str, str], tuple[str, str]] = {
    (_SENDER, "__init__"): (
        "auth_key loggers retries delay auto_reconnect connect_timeout updates_queue",
        "_state _send_queue _pending_state _pending_ack _handlers _handle_rpc_result",
    ),
    (_SENDER, "_recv_loop"): ("", "_state decrypt_message_data _process_message recv"),
    (_SENDER, "_send_loop"): (
        "",
        "_send_queue get encrypt_message_data request _pending_state msg_id _pending_ack",
    ),
    (_SENDER, "_process_message"): ("message", "_pending_ack msg_id _handlers obj"),
    (_SENDER, "_handle_rpc_result"): (
        "message",
        "obj req_msg_id error body _pending_state request read_result",
    ),
    (_SENDER, "_handle_bad_notification"): ("message", "_pop_states future set_exception"),
    (_SENDER, "_disconnect"): ("error", "_user_connected _pending_state future"),
    (_SENDER, "_start_reconnect"): ("error", "_reconnect _user_connected"),
    (_SENDER, "_reconnect"): ("", "_auto_reconnect _disconnect"),
    (_SENDER, "is_connected"): ("", "_user_connected"),
    (_SENDER, "send"): ("request ordered", "_send_queue append future"),
    (_STATE, "__init__"): ("auth_key loggers", "reset time_offset salt id"),
    (_STATE, "reset"): ("", "id _sequence _last_msg_id"),
    (_STATE, "encrypt_message_data"): ("data", "salt id auth_key key key_id"),
    (_STATE, "decrypt_message_data"): ("body", "id time_offset update_time_offset"),
    (_STATE, "update_time_offset"): ("correct_msg_id", "time_offset"),
    (_STATE, "_get_new_msg_id"): ("", "_last_msg_id time_offset"),
    (_STATE, "_get_seq_no"): ("content_related", "_sequence"),
    (_PACKER, "__init__"): ("state loggers", "_deque _ready _state"),
    (_PACKER, "get"): ("", "_deque _ready data msg_id container_id"),
    (_PACKER, "append"): ("state", "_deque _ready"),
    (_PACKER, "extend"): ("states", "_deque _ready"),
    (_REQUEST, "__init__"): ("", "container_id msg_id request data future after"),
    (_CLIENT, "__init__"): (
        "",
        "_sender _log _connection_retries _retry_delay _auto_reconnect _timeout",
    ),
    (_CLIENT, "_auth_key_callback"): ("auth_key", ""),
    (_CLIENT, "connect"): ("", "_sender connect send"),
}
_ASYNC = ("_recv_loop", "_send_loop", "_process_message", "_handle_rpc_result", "_disconnect")


def missing_in_telethon() -> Iterator[str]:
    """What the fast path needs and Telethon does not have: nothing as a rule."""
    for (path, name), (parameters, names) in _FUNCTIONS.items():
        module, _, cls = path.partition(":")
        where = f"{cls}.{name}"
        try:
            function: Any = getattr(getattr(import_module(f"telethon.{module}"), cls), name)
        except (ImportError, AttributeError):
            function = None
        if not inspect.isfunction(function):
            yield where
            continue
        yield from _not_in(inspect.signature(function).parameters, parameters, where)
        yield from _not_in(inspect.unwrap(function).__code__.co_names, names, where)
        if path == _SENDER and name in _ASYNC and not inspect.iscoroutinefunction(function):
            yield f"{where} is not async"


def _not_in(there: Iterable[str], wanted: str, where: str) -> Iterator[str]:
    for name in sorted(set(wanted.split()).difference(there)):
        yield f"{where}: {name}"
