import asyncio
import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.errors import (
    MessageNotModifiedError,
    PeerIdInvalidError,
    RandomIdDuplicateError,
    RPCError,
)
from telethon.tl import functions, types

from broadcast.core.errors import SettingsError
from broadcast.sandbox.faults import (
    Duplicate,
    Faults,
    FaultsFile,
    Late,
    Pause,
    decision,
    parse_faults,
)
from broadcast.sandbox.faults.decision import AS_USUAL, ERROR_DUPLICATE, Action, Decider, Ending
from broadcast.sandbox.journal import Journal
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.memory.arrived import Delivered
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from tests.e2e.child import Cli
from tests.sandbox.test_messages import id_of
from tests.sandbox.test_server import client_of, connect, connected

FOREVER = 100_000.0
TOKEN = f"123456:{'A' * 35}"


def send(random_id, text="hello", user_id=777):
    return functions.messages.SendMessageRequest(
        types.InputPeerUser(user_id, 0), text, random_id=random_id
    )


def actions(faults, count=12):
    decider = Decider(faults)
    return [decider.next(0.0) for _ in range(count)]


def struck(faults, count=12):
    """The requests that something happens to, counted from 1."""
    return [n for n, action in enumerate(actions(faults, count), start=1) if action != AS_USUAL]


# What is decided


@pytest.mark.parametrize(
    ("fault", "is_done", "ending", "code"),
    [
        ("drop_before", False, Ending.DROPPED, None),
        ("error_500", False, Ending.ANSWERED, 500),
        ("drop_after", True, Ending.DROPPED, None),
        ("error_500_after", True, Ending.ANSWERED, 500),
        ("silent", True, Ending.SILENT, None),
    ],
)
def test_a_number_strikes_every_nth_request(fault, is_done, ending, code):
    faults = Faults(**{fault: 5})
    assert struck(faults) == [5, 10]
    action = actions(faults)[4]
    assert (action.is_done, action.ending) == (is_done, ending)
    assert (action.error and action.error[0]) == code


def test_late_strikes_every_nth_request():
    faults = Faults(late=Late(every=4, seconds=2.5))
    assert struck(faults) == [4, 8, 12]
    assert actions(faults)[3] == Action(late=2.5)


def test_a_pause_comes_once():
    faults = Faults(freeze=Pause(after=3, seconds=5))
    assert struck(faults) == [3]
    assert actions(faults)[2] == Action(freeze=5)
    faults = Faults(refuse_connections=Pause(after=3, seconds=5))
    assert struck(faults) == [3]
    assert actions(faults)[2] == Action(ending=Ending.DROPPED, refuse=5)


def test_the_first_of_several_faults_strikes_and_a_freeze_comes_on_top():
    both = Faults(drop_before=2, silent=4, freeze=Pause(4, 5))
    assert [action.ending for action in actions(both, 4)] == [
        Ending.ANSWERED,
        Ending.DROPPED,
        Ending.ANSWERED,
        Ending.DROPPED,
    ]
    assert actions(both, 4)[3].freeze == 5


def test_no_faults_change_nothing():
    assert struck(Faults()) == []
    assert str(Faults()) == "none"


@given(seed=st.integers(), every=st.integers(1, 20))
def test_a_seed_draws_the_same_lots_in_every_run(seed, every):
    faults = Faults(drop_after=every, error_500=every, seed=seed)
    assert actions(faults, 100) == actions(faults, 100)


def test_a_seed_strikes_as_often_as_a_count_and_at_other_times():
    faults = Faults(silent=10, seed=1)
    assert 800 < len(struck(faults, 10_000)) < 1200
    assert struck(faults, 10_000) != struck(Faults(silent=10, seed=2), 10_000)


def first(message_id=1, date=100.0):
    return Delivered(1, 2, "Ana", message_id, 7, "hello", (), date)


def test_a_repeat_is_a_duplicate_a_number_of_times_each():
    decider = Decider(Faults(duplicate=Duplicate("error", times=2)))
    assert decider.wants_repeats
    duplicate = Action(is_done=False, error=ERROR_DUPLICATE)
    assert decider.next(100.0) == AS_USUAL
    assert [decider.next(100.0, first(1)) for _ in range(3)] == [duplicate, duplicate, AS_USUAL]
    assert decider.next(100.0, first(2)) == duplicate


def test_a_repeat_is_a_duplicate_for_some_seconds_from_the_first_message_on():
    decider = Decider(Faults(duplicate=Duplicate("error", seconds=2)))
    assert decider.next(101.9, first(date=100.0)).error == ERROR_DUPLICATE
    assert decider.next(102.0, first(date=100.0)) == AS_USUAL


def test_a_duplicate_may_come_late_as_well():
    decider = Decider(Faults(late=Late(1, 3), duplicate=Duplicate("error", times=1)))
    assert decider.next(0.0, first()) == Action(is_done=False, error=ERROR_DUPLICATE, late=3)


def test_the_first_message_is_the_answer_when_that_is_asked_for():
    assert Decider(Faults(duplicate=Duplicate("first"))).next(100.0, first()) == AS_USUAL


# The file

counts = st.none() | st.integers(1, 10**9)
seconds = st.floats(0.001, 10**6, allow_nan=False) | st.integers(1, 1000)
pauses = st.none() | st.builds(Pause, st.integers(1, 10**9), seconds)
duplicates = st.one_of(
    st.none(),
    st.just(Duplicate("first")),
    st.builds(Duplicate, st.just("error"), seconds=seconds),
    st.builds(Duplicate, st.just("error"), times=st.integers(1, 100)),
)
any_faults = st.builds(
    Faults,
    **dict.fromkeys(("drop_before", "drop_after", "silent", "error_500"), counts),
    late=st.none() | st.builds(Late, st.integers(1, 10**9), seconds),
    duplicate=duplicates,
    freeze=pauses,
    refuse_connections=pauses,
    seed=st.none() | st.integers(),
)


@given(any_faults)
def test_faults_are_read_as_they_are_shown(faults):
    text = "{}" if faults == Faults() else f"{{{faults}}}"
    assert parse_faults(text.encode(), "faults.yaml") == faults


def test_faults_may_be_yaml_or_json():
    expected = Faults(drop_after=7, late=Late(5, 0.5), duplicate=Duplicate("error", times=3))
    yaml = "drop_after: 7\nlate: {every: 5, seconds: 0.5}\nduplicate:\n  answer: error\n  times: 3"
    assert parse_faults(yaml.encode(), "faults.yaml") == expected
    data = {
        "drop_after": 7,
        "late": {"every": 5, "seconds": 0.5},
        "duplicate": {"answer": "error", "times": 3},
    }
    assert parse_faults(json.dumps(data, indent=2).encode(), "faults.json") == expected


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "''", "{}"])
def test_an_empty_file_switches_everything_off(text):
    assert parse_faults(text.encode(), "faults.yaml") == Faults()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("drop_aftr: 7", "1: the faults: unknown key 'drop_aftr': did you mean drop_after?"),
        ("\nxyz: 7", "2: the faults: unknown key 'xyz': there are drop_before, "),
        ("silent: 2\n\ndrop_after: x", "3: drop_after must be a whole number, not 'x'"),
        ("drop_after: 1.5", "1: drop_after must be a whole number, not '1.5'"),
        ("drop_after: [7]", "1: drop_after must be a whole number, not a structure"),
        ("silent: 2\ndrop_after: 0", "2: drop_after must be 1 or more, not 0"),
        ("silent: 2\nsilent: 3", "2: silent is given twice"),
        ("late: 5", "1: late: expected `key: value` of every, seconds"),
        ("late:\n  every: 5", "2: late: seconds is missing"),
        ("late:\n  every: 5\n  second: 1", "3: late: unknown key 'second': did you mean seconds?"),
        ("late: {every: 0, seconds: 1}", "1: late: every must be 1 or more, not 0"),
        ("late: {every: 1, seconds: nan}", "1: late: seconds must be more than 0, not nan"),
        ("late: {every: 1, seconds: soon}", "1: seconds must be a number, not 'soon'"),
        ("freeze: {after: 1, seconds: 0}", "1: freeze: seconds must be more than 0, not 0.0"),
        ("duplicate: {answer: no}", "1: duplicate: answer must be first or error, not 'no'"),
        ("duplicate: {answer: error}", "1: duplicate: the answer error needs its end: "),
        ("duplicate: {answer: first, times: 1}", "1: duplicate: the answer first lasts for ever"),
        ("- drop_after", "1: the faults: expected `key: value` of drop_before, "),
        ("drop_after", "1: the faults: expected `key: value` of drop_before, "),
        ("\nlate: [}", "2: not YAML: a bracket is not closed "),
        ("[" * 10_000, "1: lists within lists within lists: "),
        ("\x00", "1: a NUL byte: "),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(text, complaint):
    with pytest.raises(SettingsError, match=rf"^faults\.yaml:{re.escape(complaint)}"):
        parse_faults(text.encode(), "faults.yaml")


def test_faults_made_by_a_program_are_checked_too():
    for wrong in ({"drop_after": 0}, {"silent": -1}):
        with pytest.raises(ValueError, match="must be 1 or more"):
            Faults(**wrong)


def test_a_file_is_read_when_it_has_changed(tmp_path):
    path = tmp_path / "faults.yaml"
    file = FaultsFile(path)
    assert file.news() == Faults()
    assert file.news() is None
    path.write_text("drop_after: 7")
    assert file.news() == Faults(drop_after=7)
    assert file.news() is None
    path.write_text("drop_after: 17")
    assert file.news() == Faults(drop_after=17)
    path.unlink()
    assert file.news() == Faults()
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=f"^{path}:1: not UTF-8"):
        file.news()
    assert file.news() is None
    with pytest.raises(SettingsError, match="cannot be read"):
        FaultsFile(tmp_path).news()
    beneath = FaultsFile(path / "faults.yaml")
    with pytest.raises(SettingsError, match="cannot be read"):
        beneath.news()
    assert beneath.news() is None


# The server, with the real client


class Watched(World):
    """Counts what reaches it; `reached` is set when something does."""

    def __init__(self, **options):
        super().__init__(limits=Limits.none(), **options)
        self.calls = 0
        self.asked = []
        self.reached = asyncio.Event()

    def call(self, key_id, request, now):
        self.asked.append(type(request))
        answer = super().call(key_id, request, now)
        if isinstance(request, functions.messages.SendMessageRequest):
            self.calls += 1
            self.reached.set()
        return answer

    def random_ids(self):
        return [message.random_id for message in self.inbox()]


class Signed:
    """A server and a bot that is connected to it."""

    def __init__(self, faults, *, world=None, journal=None, **options):
        self.world = world or Watched()
        self.server = SandboxServer(self.world, journal=journal)
        self.faults = faults
        self.options = options

    async def __aenter__(self):
        await self.server.__aenter__()
        options = {"connection_retries": 1000, "request_retries": 1} | self.options
        self.client = client_of(self.server, **options)
        await connect(self.client)
        await self.client(functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", TOKEN))
        self.server.faults = self.faults
        return self

    async def __aexit__(self, *error):
        await self.client.disconnect()
        if self.client.disconnected.done():  # with an error, perhaps, that the test has made
            self.client.disconnected.exception()
        await self.server.__aexit__(*error)

    def start(self, request):
        """The future of the answer, past all the retries of `client(...)`."""
        return self.client._sender.send(request)

    async def ids(self, count):
        return [id_of(await self.start(send(number))) for number in range(1, count + 1)]


async def close(writer):
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def elapsed_since(start):
    return asyncio.get_running_loop().time() - start


@pytest.mark.parametrize(("fault", "arrived"), [("drop_before", [1]), ("drop_after", [1, 2])])
async def test_a_dropped_request_is_done_or_not(fault, arrived):
    async with Signed(Faults(**{fault: 2}), auto_reconnect=False) as signed:
        assert (await signed.start(send(1))).id == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await signed.start(send(2))
        assert signed.world.random_ids() == arrived


@pytest.mark.parametrize(("fault", "calls"), [("drop_before", 9), ("drop_after", 13)])
async def test_a_client_that_connects_again_sends_each_exactly_once(fault, calls):
    async with Signed(Faults(**{fault: 3})) as signed:
        assert await signed.ids(9) == list(range(1, 10))
        assert signed.world.random_ids() == list(range(1, 10))
        assert signed.world.calls == calls


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_what_was_answered_before_a_drop_arrives_although_it_shares_a_container(fault):
    async with Signed(Faults(**{fault: 7})) as signed:
        futures = signed.client._sender.send([send(number) for number in range(1, 101)])
        assert [id_of(await future) for future in futures] == list(range(1, 101))
        assert signed.world.random_ids() == list(range(1, 101))


@pytest.mark.parametrize(("fault", "arrived"), [("error_500", [1]), ("error_500_after", [1, 2])])
async def test_a_500_is_answered_and_the_request_done_or_not(fault, arrived):
    async with Signed(Faults(**{fault: 2})) as signed:
        assert (await signed.start(send(1))).id == 1
        with pytest.raises(RPCError) as error:
            await signed.start(send(2))
        assert error.value.code == 500
        assert signed.world.random_ids() == arrived
        assert id_of(await signed.start(send(2))) == 2


async def test_a_silent_request_is_done_and_never_answered():
    async with Signed(Faults(silent=2)) as signed:
        await signed.start(send(1))
        unanswered = signed.start(send(2))
        assert (await signed.start(send(3))).id == 3
        assert not unanswered.done()
        assert signed.world.random_ids() == [1, 2, 3]
        unanswered.cancel()


async def test_a_late_answer_lets_the_others_overtake():
    async with Signed(Faults(late=Late(2, 0.05))) as signed:
        await signed.start(send(1))
        start = asyncio.get_running_loop().time()
        late = signed.start(send(2))
        assert (await signed.start(send(3))).id == 3
        assert not late.done()
        assert (await late).id == 2
        assert elapsed_since(start) >= 0.049


async def test_a_late_answer_finds_nobody_when_the_client_is_gone():
    async with Signed(Faults(late=Late(2, 0.05)), auto_reconnect=False) as signed:
        await signed.start(send(1))
        signed.world.reached.clear()
        late = signed.start(send(2))
        await signed.world.reached.wait()
        signed.server.drop_connections()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await late
        while signed.server._late:
            await asyncio.wait(signed.server._late)
        assert signed.world.random_ids() == [1, 2]


async def test_the_server_does_not_wait_for_its_late_answers():
    async with Signed(Faults(late=Late(1, FOREVER))) as signed:
        late = signed.start(send(1))
        await signed.world.reached.wait()
    assert late.cancelled() or late.done()


async def test_a_repeat_is_answered_either_way():
    async with Signed(Faults(duplicate=Duplicate("error", times=2))) as signed:
        assert (await signed.start(send(1))).id == 1
        for _ in range(2):
            with pytest.raises(RandomIdDuplicateError):
                await signed.start(send(1))
        assert id_of(await signed.start(send(1))) == 1
        signed.server.faults = Faults(duplicate=Duplicate("error", seconds=FOREVER))
        with pytest.raises(RandomIdDuplicateError):
            await signed.start(send(1))
        assert (await signed.start(send(1, user_id=778))).id == 2  # another peer, no repeat
        signed.server.faults = Faults(duplicate=Duplicate("first"))
        assert id_of(await signed.start(send(1))) == 1


async def test_whom_the_world_refuses_it_refuses_with_faults_as_well():
    async with Signed(Faults(duplicate=Duplicate("error", times=2))) as signed:
        with pytest.raises(PeerIdInvalidError):
            await signed.start(send(1, user_id=0))
        await signed.client(functions.auth.LogOutRequest())
        with pytest.raises(RPCError, match="not registered"):
            await signed.start(send(1))


async def test_a_freeze_holds_everybody_until_it_ends():
    async with (
        Signed(Faults(freeze=Pause(2, FOREVER))) as signed,
        connected(signed.server) as other,
    ):
        await signed.start(send(1))
        signed.world.reached.clear()
        frozen = signed.start(send(2))
        await signed.world.reached.wait()
        after = [signed.start(send(3)), other._sender.send(functions.help.GetNearestDcRequest())]
        _, writer = await asyncio.open_connection(signed.server.host, signed.server.port)
        writer.write(b"\xef")
        await writer.drain()
        for _ in range(100):  # a server that is not frozen would have read everything by now
            await asyncio.sleep(0)
        assert signed.world.random_ids() == [1, 2]
        assert functions.help.GetNearestDcRequest not in signed.world.asked
        assert not any(future.done() for future in (frozen, *after))
        signed.server.faults = Faults()  # which thaws
        assert (await frozen).id == 2
        assert (await after[0]).id == 3
        await after[1]
        await close(writer)
        assert signed.world.random_ids() == [1, 2, 3]


async def test_a_freeze_ends_by_itself():
    async with Signed(Faults(freeze=Pause(1, 0.05))) as signed:
        start = asyncio.get_running_loop().time()
        assert await signed.ids(2) == [1, 2]
        assert elapsed_since(start) >= 0.049


async def test_a_freeze_stops_in_the_middle_of_a_container():
    async with Signed(Faults(freeze=Pause(2, FOREVER))) as signed:
        signed.client._sender.send([send(number) for number in range(1, 6)])
        while signed.world.calls < 2:
            signed.world.reached.clear()
            await signed.world.reached.wait()
        assert signed.world.random_ids() == [1, 2]


async def test_a_frozen_server_can_be_closed():
    async with Signed(Faults(freeze=Pause(1, FOREVER), late=Late(1, 0.001))) as signed:
        signed.start(send(1))
        await signed.world.reached.wait()


async def test_connections_are_refused_for_a_while():
    faults = Faults(refuse_connections=Pause(2, FOREVER))
    async with Signed(faults, retry_delay=0.01) as signed:
        await signed.start(send(1))
        bystander, its_writer = await asyncio.open_connection("127.0.0.1", signed.server.port)
        signed.world.reached.clear()
        unanswered = signed.start(send(2))
        await signed.world.reached.wait()
        async with asyncio.timeout(20):
            assert await bystander.read() == b""
        await close(its_writer)
        for _ in range(2):
            reader, writer = await asyncio.open_connection(signed.server.host, signed.server.port)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            await close(writer)
        assert not unanswered.done()
        signed.server.faults = Faults()
        async with asyncio.timeout(20):
            assert id_of(await unanswered) == 2
    async with Signed(Faults(refuse_connections=Pause(2, 0.05)), retry_delay=0.01) as signed:
        start = asyncio.get_running_loop().time()
        assert await signed.ids(2) == [1, 2]
        assert elapsed_since(start) >= 0.049


async def test_edits_and_deletions_are_struck_and_the_rest_is_not():
    ana = types.InputPeerUser(777, 0)
    async with Signed(Faults(error_500=2)) as signed:
        await signed.start(send(1))
        for request in (
            functions.messages.EditMessageRequest(ana, 1, message="changed"),
            functions.messages.DeleteMessagesRequest([1], revoke=True),
            functions.channels.DeleteMessagesRequest(types.InputChannel(5, 0), [1]),
        ):
            await signed.start(functions.updates.GetStateRequest())
            with pytest.raises(RPCError):
                await signed.start(request)
            await signed.start(request)
        assert signed.world.random_ids() == []
    assert len(decision.COUNTED) == 11


async def test_who_asks_again_after_a_lost_answer_hears_that_it_is_done():
    async with Signed(Faults()) as signed:
        await signed.start(send(1))
        edit = functions.messages.EditMessageRequest(types.InputPeerUser(777, 0), 1, message="new")
        signed.server.faults = Faults(error_500_after=1)
        with pytest.raises(RPCError):
            await signed.start(edit)
        signed.server.faults = Faults()
        with pytest.raises(MessageNotModifiedError):
            await signed.start(edit)
        delete = functions.messages.DeleteMessagesRequest([1], revoke=True)
        signed.server.faults = Faults(error_500_after=1)
        with pytest.raises(RPCError):
            await signed.start(delete)
        signed.server.faults = Faults()
        assert (await signed.start(delete)).pts_count == 0


async def test_setting_the_faults_counts_anew():
    async with Signed(Faults(error_500=2)) as signed:
        await signed.start(send(1))
        signed.server.faults = Faults(error_500=2)
        await signed.start(send(2))
        with pytest.raises(RPCError):
            await signed.start(send(3))
        assert signed.server.faults == Faults(error_500=2)
        signed.server.faults = Faults()
        assert signed.server.faults == Faults()


async def test_what_was_done_and_not_answered_is_in_the_journal(tmp_path):
    path = tmp_path / "journal"
    with Journal(path) as journal:
        async with Signed(Faults(drop_after=1), journal=journal, auto_reconnect=False) as signed:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await signed.start(send(5))
    assert '"random_id":5' in path.read_text()


async def test_the_clients_own_words_edit_and_delete():
    """Also with updates, whose pts Telethon checks."""
    async with Signed(Faults(), receive_updates=True) as signed:
        client, channel = signed.client, "some_channel"
        for peer in ("ana", channel):
            message = await client.send_message(peer, "I bought a car!")
            other = await client.send_message(peer, "It is red")
            edited = await client.edit_message(peer, message.id, "I bought a **bike**!")
            assert edited.message == "I bought a bike!"
            (affected,) = await client.delete_messages(peer, [other.id])
            assert affected.pts_count == 1
            shown = await client.get_messages(peer, ids=[message.id, other.id])
            assert shown[0].text == "I bought a **bike**!"
            assert shown[1] is None
        assert [message.text for message in signed.world.inbox()] == ["I bought a bike!"] * 2


# The command line


def test_faults_can_be_switched_while_the_sandbox_runs(tmp_path):
    path = tmp_path / "faults.yaml"
    with Cli(tmp_path) as cli:
        child = cli.start("sandbox", "serve", "--port", "0", "--faults", "faults.yaml")
        child.out.until(r"# faults: none; faults\.yaml is read again when it changes\n")
        path.write_text("drop_after: 7\n")
        child.out.until(r"# faults: drop_after: 7\n")
        path.write_text("drop_after: never\n")
        child.out.until(
            r"# faults\.yaml:1: drop_after must be a whole number, not 'never'; "
            r"the faults stay as they were\n"
        )
        path.unlink()
        child.out.until(r"# faults: none\n")


def test_a_wrong_file_of_faults_is_refused_at_the_start(tmp_path):
    (tmp_path / "faults.json").write_text('{"freeze": 5}')
    with Cli(tmp_path) as cli:
        ended = cli.run("sandbox", "serve", "--port", "0", "--faults", "faults.json")
    assert ended.code == 2
    assert "faults.json:1: freeze: expected `key: value` of after, seconds" in ended.err
