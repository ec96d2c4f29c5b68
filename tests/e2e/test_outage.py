"""A server that accepts connections and hangs up: Telethon alone would go on for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.sandbox.faults import Faults, Pause

if TYPE_CHECKING:
    from tests.e2e.child import Cli
    from tests.e2e.telegram import Telegram

TEXT = "I bought a car!"
PEOPLE = [str(100_010_000 + number) for number in range(10)]


def test_patience_ends_an_outage_in_which_every_connection_is_cut(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*PEOPLE)
    assert bot.run("first", "--yes").code == 0
    faults = Faults(refuse_connections=Pause(after=3, seconds=600))
    telegram.inside(lambda: setattr(telegram.server, "faults", faults))
    ended = bot.run(TEXT, "--yes", "--patience", "3s", "--max-wait", "1s")
    assert ended.code == 3, ended.err
    assert "OFFLINE" in ended.err
    assert "since" in ended.err
    telegram.inside(lambda: setattr(telegram.server, "faults", Faults()))
    assert bot.run("resume").code == 0
    received = [str(message.peer) for message in telegram.received() if message.text == TEXT]
    assert sorted(received) == PEOPLE
