"""Sends several texts to the server at the same time, in one thread, and prints the answers."""

import argparse
import asyncio
import socket
import sys

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
PATIENCE_SECONDS = 60  # more than the server's: one silent client ahead of us is bearable


async def exchange(port: int, request: bytes) -> bytes:
    """Send one request and return the whole answer."""
    loop = asyncio.get_running_loop()
    with socket.socket() as server:
        server.settimeout(0)  # a timeout of nothing: it never blocks
        await loop.sock_connect(server, (HOST, port))
        await loop.sock_sendall(server, request)
        # TCP carries a stream of bytes, not messages. Closing the sending half is how the
        # server learns that the text is complete; the other half stays open for the answer.
        server.shutdown(socket.SHUT_WR)
        received = bytearray()
        while chunk := await loop.sock_recv(server, 4096):
            received += chunk
    # A server that died ends the stream just like one that is done: only the length tells.
    if len(received) != len(request):
        raise ConnectionError("the server hung up before the whole answer was there")
    return bytes(received)


async def ask(port: int, text: str) -> str | Exception:
    """Return the server's answer to one text, or the reason why there is none."""
    # What can be expected to fail is a value, not an exception: an exception that leaves one
    # task would make the TaskGroup cancel the others, whose texts may already be on their way.
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await exchange(port, text.encode())).decode()
    except (OSError, ValueError) as error:
        return error


async def ask_all(port: int, texts: list[str]) -> list[str | Exception]:
    """Ask for all texts at the same time; the answers come in the order of the texts."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(port, text)) for text in texts]
    return [task.result() for task in tasks]


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
    parser.add_argument(
        "texts",
        metavar="text",
        nargs="+",
        help="what to reverse, all at once (after -- if one begins with a dash)",
    )
    arguments = parser.parse_args()
    try:
        answers = asyncio.run(ask_all(arguments.port, arguments.texts))
    except KeyboardInterrupt:
        return 130
    exit_code = 0
    for answer in answers:
        if isinstance(answer, str):
            print(answer)
        else:
            print(f"async_client: {explain(answer, arguments.port)}", file=sys.stderr)
            exit_code = 1
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
