"""Answers with the text reversed, one client at a time: every call blocks."""

import argparse
import errno
import signal
import socket
import sys
from typing import NoReturn

HOST = "127.0.0.1"  # loopback only: a toy has no business on a network
HIGHEST_PORT = 65535
PATIENCE_SECONDS = 30
LONGEST_TEXT_BYTES = 1024 * 1024


def receive_text(client: socket.socket) -> str:
    """Read until the client has no more to say."""
    # TCP carries a stream of bytes, not messages: one recv may return half a text, or half a
    # character. The text is complete when the client closes its sending half, which recv
    # reports as b"". Only then is it decoded.
    received = bytearray()
    while chunk := client.recv(4096):
        received += chunk
        if len(received) > LONGEST_TEXT_BYTES:
            raise ValueError(f"a text of more than {LONGEST_TEXT_BYTES} bytes")
    return received.decode()


def answer(client: socket.socket) -> None:
    """Serve one client; a client that misbehaves is dropped, and said to be."""
    # Without a limit one silent client would keep all the others out for ever.
    client.settimeout(PATIENCE_SECONDS)
    try:
        text = receive_text(client)
        # Characters are reversed, not bytes: reversed bytes would be no UTF-8 any more.
        client.sendall(text[::-1].encode())
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        print(f"sync_server: dropped a client: {reason}", file=sys.stderr)


def serve(server: socket.socket) -> NoReturn:
    """Serve one client after the other, for ever."""
    while True:
        client, _ = server.accept()  # blocks: nothing else happens until somebody calls
        with client:
            answer(client)  # blocks: whoever calls now has to wait


def port_number(text: str) -> int:
    """Check a port for argparse, which shows the complaint."""
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(
            f"a port is a number from 0 to {HIGHEST_PORT}, not {text!r}"
        )
    return int(text)


def main() -> int:
    """Run until a signal; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--port", type=port_number, default=6789, help="default: %(default)s; 0: any free port"
    )
    port = parser.parse_args().port
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # both raise KeyboardInterrupt
    try:
        with socket.create_server((HOST, port)) as server:
            # Flushed, because whoever started us with port 0 waits for this line.
            print(f"listening on {HOST}:{server.getsockname()[1]}", flush=True)
            serve(server)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "taken already; --port 0 finds a free one" if taken else error.strerror
        print(f"sync_server: port {port}: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
