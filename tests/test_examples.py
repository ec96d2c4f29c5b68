"""Runs the example scripts as a user would, as processes, and holds docs/asyncio.md to its code."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "reverse_echo"
PAGE = ROOT / "docs" / "asyncio.md"

HOST = "127.0.0.1"
# Every wait of this file ends here: no test can hang. Generous, for a busy machine.
BOUND_SECONDS = 30
# With warnings as errors a socket left open shows on stderr, which every test wants to see empty.
# Not -X dev: asyncio's debug mode also complains about a machine that is merely slow.
PYTHON = [sys.executable, "-W", "error"]

SERVERS = ["sync_server.py", "async_server.py"]
CLIENTS = ["sync_client.py", "async_client.py"]
FENCES = re.findall(
    r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
SHOWN = [(code, output) for code, output in FENCES if output]
TEXTS = {
    "ascii": "I bought a car!",
    "multi-byte": "Grüße, 世界 🚗",
    "empty": "",
    "lines": "one\ntwo\n",
    "100 kB": "x" * 100_000,
    # Three bytes each: characters lie across the borders of what one recv returns.
    "100 kB multi-byte": "車" * 33_333 + "!",
}


TELETHON_STAND_IN = """
class TelegramClient:
    def __init__(self, session, api_id, api_hash):
        pass

    async def __aenter__(self):
        print("connect")
        return self

    async def __aexit__(self, *_):
        print("disconnect")

    async def send_message(self, entity, message):
        print(f"{entity}: {message}")
"""


@contextmanager
def start(script: str | Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PYTHON, str(EXAMPLES / script), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # Buffered as usual: the server's first line has to get out by its own flush.
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": ""},
        cwd=ROOT.anchor,  # the scripts must not depend on where they are started
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(script: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running server and its port, known from its first line and not from a guess or a sleep."""
    with start(script, "--port", "0") as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], BOUND_SECONDS)
        assert readable, f"{script} did not say where it listens"
        line = process.stdout.readline()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        assert found, f"{script} said {line!r}"
        yield process, int(found[1])


def run(script: str | Path, *arguments: str) -> tuple[int, str, str]:
    with start(script, *arguments) as process:
        out, err = process.communicate(timeout=BOUND_SECONDS)
    return process.returncode, out, err


def stop(server: subprocess.Popen[str], signal_number: int = signal.SIGTERM) -> tuple[int, str]:
    server.send_signal(signal_number)
    _, err = server.communicate(timeout=BOUND_SECONDS)
    return server.returncode, err


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=BOUND_SECONDS)


def receive_all(connection: socket.socket) -> bytes:
    connection.settimeout(BOUND_SECONDS)
    return b"".join(iter(lambda: connection.recv(65536), b""))


def bound_socket() -> socket.socket:
    """A port that is ours: nobody answers there unless the test does."""
    own = socket.socket()
    own.settimeout(BOUND_SECONDS)
    own.bind((HOST, 0))
    return own


def port_of(own: socket.socket) -> str:
    return str(own.getsockname()[1])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", SERVERS)
def test_a_text_comes_back_reversed(server: str, client: str, text: str) -> None:
    with serving(server) as (process, port):
        assert run(client, "--port", str(port), text) == (0, text[::-1] + "\n", "")
        assert stop(process) == (0, "")


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_serves_one_client_after_the_other(server: str) -> None:
    with serving(server) as (process, port):
        for client in CLIENTS:
            assert run(client, "--port", str(port), "--", "-abc") == (0, "cba-\n", "")
        assert stop(process) == (0, "")


def test_the_async_server_answers_one_client_while_another_is_in_mid_text() -> None:
    with serving("async_server.py") as (process, port):
        with connect(port) as slow:
            slow.sendall("Grü".encode()[:-1])  # not even the last character is whole
            assert run("sync_client.py", "--port", str(port), "quick") == (0, "kciuq\n", "")
            slow.sendall("ü".encode()[1:] + b"n")
            slow.shutdown(socket.SHUT_WR)
            assert receive_all(slow).decode() == "nürG"
        assert stop(process) == (0, "")


def test_the_async_client_sends_all_its_texts_before_it_has_any_answer() -> None:
    texts = ["one", "two", "three"]
    with bound_socket() as listener:
        listener.listen()
        with start("async_client.py", "--port", port_of(listener), *texts) as process:
            # One that sent the second text after the first answer would not come here again.
            connections = [listener.accept()[0] for _ in texts]
            for connection in connections:
                with closing(connection):
                    connection.sendall(receive_all(connection)[::-1])
            out, err = process.communicate(timeout=BOUND_SECONDS)
    assert (process.returncode, out, err) == (0, "eno\nowt\neerht\n", "")


def test_one_failed_text_does_not_take_the_others_along() -> None:
    with bound_socket() as listener:
        listener.listen()
        with start("async_client.py", "--port", port_of(listener), "one", "lost", "two") as process:
            connections = [listener.accept()[0] for _ in range(3)]
            # The failure comes first: it must not cancel what is still under way.
            texts = {receive_all(connection): connection for connection in connections}
            texts.pop(b"lost").close()
            for text, connection in texts.items():
                with closing(connection):
                    connection.sendall(text[::-1])
            out, err = process.communicate(timeout=BOUND_SECONDS)
    assert (process.returncode, out) == (1, "eno\nowt\n")
    assert err.count("\n") == 1
    assert "hung up" in err


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("server", SERVERS)
def test_a_signal_ends_an_idle_server_cleanly(server: str, signal_number: int) -> None:
    with serving(server) as (process, port):
        assert stop(process, signal_number) == (0, "")
        with pytest.raises(ConnectionRefusedError):
            connect(port)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_async_server_in_the_middle_of_a_text(signal_number: int) -> None:
    with serving("async_server.py") as (process, port), connect(port) as slow:
        slow.sendall(b"half a te")
        # Clients are accepted in order: an answer here means that the slow one is in.
        assert run("async_client.py", "--port", str(port), "ab") == (0, "ba\n", "")
        assert stop(process, signal_number) == (0, "")
        with suppress(ConnectionResetError):
            assert receive_all(slow) == b""


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [(b"\xff\xfe", "can't decode"), (b"x" * 2_000_000, "more than 1048576 bytes")],
    ids=["no UTF-8", "too long"],
)
@pytest.mark.parametrize("server", SERVERS)
def test_a_bad_client_is_dropped_and_the_next_one_served(
    server: str, sent: bytes, complaint: str
) -> None:
    with serving(server) as (process, port):
        with connect(port) as bad:
            # The server may hang up before it has read everything, and each call may be the one
            # that notices. A timeout is not among what is expected.
            with suppress(ConnectionError):
                bad.sendall(sent)
            with suppress(OSError):
                bad.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                assert receive_all(bad) == b""
        assert run("sync_client.py", "--port", str(port), "good") == (0, "doog\n", "")
        code, err = stop(process)
    assert code == 0
    assert re.fullmatch(rf"a?sync_server: dropped a client: .*{complaint}.*\n", err)


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_server_the_client_says_so_in_one_line(client: str) -> None:
    with bound_socket() as nobody:
        code, out, err = run(client, "--port", port_of(nobody), "hello")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"a?sync_client: no server on 127\.0\.0\.1:\d+: start .+ first\n", err)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_cut_short_is_not_taken_for_the_answer(client: str) -> None:
    with bound_socket() as listener:
        listener.listen()
        with start(client, "--port", port_of(listener), "hello") as process:
            connection, _ = listener.accept()
            with closing(connection):
                assert receive_all(connection) == b"hello"
                connection.sendall(b"oll")
            out, err = process.communicate(timeout=BOUND_SECONDS)
    assert (process.returncode, out) == (1, "")
    assert re.fullmatch(r"a?sync_client: .+ hung up before the whole answer was there\n", err)


@pytest.mark.parametrize("server", SERVERS)
def test_a_taken_port_is_reported_in_one_line(server: str) -> None:
    with bound_socket() as listener:
        listener.listen()
        port = port_of(listener)
        code, out, err = run(server, "--port", port)
    assert (code, out) == (1, "")
    name = server.removesuffix(".py")
    assert err == f"{name}: port {port}: taken already; --port 0 finds a free one\n"


@pytest.mark.parametrize(
    ("script", "arguments", "complaint"),
    [
        *((script, ["--port", "http"], "not 'http'") for script in SERVERS),
        *((script, ["--port", "65536"], "not '65536'") for script in SERVERS),
        *((script, ["extra"], "unrecognized arguments: extra") for script in SERVERS),
        *((script, [], "arguments are required: text") for script in CLIENTS),
        *((script, ["--port", "0", "hello"], "not '0'") for script in CLIENTS),
    ],
)
def test_a_wrong_command_line_is_explained(
    script: str, arguments: list[str], complaint: str
) -> None:
    code, out, err = run(script, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: ")
    assert complaint in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("code", "output"), FENCES, ids=range(1, len(FENCES) + 1))
def test_the_code_of_the_page_compiles(code: str, output: str) -> None:
    compile(code, PAGE, "exec")


@pytest.mark.parametrize(("code", "output"), SHOWN, ids=range(1, len(SHOWN) + 1))
def test_the_code_of_the_page_prints_what_the_page_shows(
    code: str, output: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    exit_code, out, err = run(script)
    assert (exit_code, out) == (0, output)
    # The one that shows how asyncio.wait swallows an error leaves this line and nothing else.
    assert ("Task exception was never retrieved" in err) == ("asyncio.wait(" in code)


def test_the_page_shows_its_claims_by_code_that_runs() -> None:
    assert len(SHOWN) == 3
    assert len([code for code, _ in FENCES if "telethon" in code]) == 1


def test_the_ten_lines_of_the_page_tell_every_friend(tmp_path: Path) -> None:
    (code,) = (code for code, _ in FENCES if "telethon" in code)
    (tmp_path / "broadcast.py").write_text(code, encoding="utf-8")
    # Found before the real one, because it lies beside the script.
    (tmp_path / "telethon.py").write_text(TELETHON_STAND_IN, encoding="utf-8")
    code_lines = [line for line in code.splitlines() if line]
    assert len(code_lines) == 10
    exit_code, out, err = run(tmp_path / "broadcast.py", "I bought a car!")
    assert (exit_code, err) == (0, "")
    assert out.splitlines() == [
        "connect",
        "@a_friend: I bought a car!",
        "@another_friend: I bought a car!",
        "@the_best_friend: I bought a car!",
        "disconnect",
    ]
