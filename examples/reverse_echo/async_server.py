"""Answers with the text reversed, many clients at once in one thread."""

import argparse
import asyncio
import errno
import signal
import socket
import sys

HOST = "127.0.0.1"  # loopback only: a toy has no business on a network
CLIENTS_AT_ONCE = 100  # the next ones wait in the kernel's queue: open files are not endless
HIGHEST_PORT = 65535
PATIENCE_SECONDS = 30
LONGEST_TEXT_BYTES = 1024 * 1024


async def receive_text(client: socket.socket) -> str:
    """Read until the client has no more to say."""
    # TCP carries a stream of bytes, not messages: one recv may return half a text, or half a
    # character. The text is complete when the client closes its sending half, which recv
    # reports as b"". Only then is it decoded.
    loop = asyncio.get_running_loop()
    received = bytearray()
    while chunk := await loop.sock_recv(client, 4096):
        received += chunk
        if len(received) > LONGEST_TEXT_BYTES:
            raise ValueError(f"a text of more than {LONGEST_TEXT_BYTES} bytes")
    return received.decode()


async def answer(client: socket.socket) -> None:
    """Serve one client; a client that misbehaves is dropped, and said to be."""
    loop = asyncio.get_running_loop()
    try:
        with client:
            # A silent client keeps nobody out here, but its place is wanted back.
            async with asyncio.timeout(PATIENCE_SECONDS):
                text = await receive_text(client)
                # Characters are reversed, not bytes: reversed bytes would be no UTF-8 any more.
                await loop.sock_sendall(client, text[::-1].encode())
    except (OSError, ValueError) as error:
        # Not left to the TaskGroup: there one client's failure would end all the others.
        reason = str(error) or type(error).__name__
        print(f"async_server: dropped a client: {reason}", file=sys.stderr)


async def accept_clients(server: socket.socket) -> None:
    """Give every client a task of its own, for ever."""
    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(CLIENTS_AT_ONCE)
    async with asyncio.TaskGroup() as clients:
        while True:
            await places.acquire()
            client, _ = await loop.sock_accept(server)
            # Not awaited: while this client is slow, the loop goes on to accept the next one.
            task = clients.create_task(answer(client))
            task.add_done_callback(lambda _: places.release())


async def serve(port: int) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not loop.add_signal_handler, which Windows does not have.
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop.set))
    with socket.create_server((HOST, port)) as server:
        server.settimeout(0)  # a timeout of nothing: it never blocks
        # Flushed, because whoever started us with port 0 waits for this line.
        print(f"listening on {HOST}:{server.getsockname()[1]}", flush=True)
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(accept_clients(server))
            await stop.wait()
            accepting.cancel()  # and with it, through its TaskGroup, every client's task


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
    try:
        asyncio.run(serve(port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "taken already; --port 0 finds a free one" if taken else error.strerror
        print(f"async_server: port {port}: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
