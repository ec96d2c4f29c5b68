"""A sandbox that stays, for other programs: `broadcast sandbox serve`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from broadcast.sandbox.faults import FaultsFile
from broadcast.sandbox.journal import Journal, journal_in
from broadcast.sandbox.people.logins import API_HASH, API_ID, CODE, PHONE
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from broadcast.core.clock import Clock
    from broadcast.core.model import Peer
    from broadcast.sandbox.limits import Limits


async def serve(
    home: Path,
    contacts: Iterable[Peer],
    host: str,
    port: int,
    *,
    stopped: asyncio.Event,
    clock: Clock,
    faults: Path | None = None,
    limits: Limits | None = None,
    told: Callable[[str], None],
) -> None:
    """Run a sandbox that keeps its files in `home`, until `stopped` is set.

    `told` gets the settings to paste, line by line. The file `faults` says what goes wrong in it,
    and is read again whenever it changes. `limits` are Telegram's, as published, unless others are
    given. Raises SettingsError when a file is wrong or the port cannot be had, and LockedError when
    another sandbox keeps its files there.
    """
    world = World(contacts=list(contacts), limits=limits)
    file = FaultsFile(faults) if faults else None
    switched_on = file.news() if file else None
    with Journal(journal_in(home)) as journal:
        server = SandboxServer(
            world, host=host, port=port, journal=journal, faults=switched_on, clock=clock
        )
        async with server, asyncio.TaskGroup() as tasks:
            _tell_how_to_connect(server, home / "server_key.pem", told)
            if file is None:
                await stopped.wait()
                return
            told(f"# faults: {server.faults}; {faults} is read again when it changes")
            switch = partial(setattr, server, "faults")
            following = tasks.create_task(file.follow(switch, told))
            await stopped.wait()
            following.cancel()


def _tell_how_to_connect(server: SandboxServer, key: Path, told: Callable[[str], None]) -> None:
    key.write_text(server.key.public_pem(), encoding="ascii")
    told(f"# the sandbox listens on {server.address}; put this into .env:")
    told(f"TELEGRAM_SERVER={server.address}")
    told(f"TELEGRAM_SERVER_KEY={key}")
    told(f"TELEGRAM_API_ID={API_ID}")
    told(f"TELEGRAM_API_HASH={API_HASH}")
    told(f"TELEGRAM_PHONE={PHONE}")
    told(f"# the code of every login is {CODE}; Ctrl-C ends the sandbox")
