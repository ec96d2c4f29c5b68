"""Sends one text to the server and prints the answer: every call blocks."""

import argparse
import socket
import sys

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
PATIENCE_SECONDS = 60  # more than the server's: one silent client ahead of us is bearable


def ask(port: int, text: str) -> str:
    """Return the server's answer to one text."""
    request = text.encode()
    # The timeout holds for each of the calls below: every one of them can block.
    with socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as server:
        server.sendall(request)
        # TCP carries a stream of bytes, not messages. Closing the sending half is how the
        # server learns that the text is complete; the other half stays open for the answer.
        server.shutdown(socket.SHUT_WR)
        received = bytearray()
        while chunk := server.recv(4096):
            received += chunk
    # A server that died ends the stream just like one that is done: only the length tells.
    if len(received) != len(request):
        raise ConnectionError("the server hung up before the whole answer was there")
    return received.decode()


def explain(error: Exception, port: int) -> str:
    """Say in one line what went wrong and what to do."""
    match error:
        case ConnectionRefusedError():
            return f"no server on {HOST}:{port}: start sync_server.py or async_server.py first"
        case TimeoutError():
            return f"no answer from {HOST}:{port} within {PATIENCE_SECONDS} seconds"
        case UnicodeEncodeError():
            return "the text is not valid UTF-8"
        case _:
            return f"{HOST}:{port}: {error}"


def port_number(text: str) -> int:
    """Check a port for argparse, which shows the complaint."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(
            f"a port is a number from 1 to {HIGHEST_PORT}, not {text!r}"
        )
    return int(text)


def main() -> int:
    """Ask, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=port_number, default=6789, help="default: %(default)s")
    parser.add_argument("text", help="what to reverse (after -- if it begins with a dash)")
    arguments = parser.parse_args()
    try:
        print(ask(arguments.port, arguments.text))
    except (OSError, ValueError) as error:
        print(f"sync_client: {explain(error, arguments.port)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
