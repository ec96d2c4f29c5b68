"""The real command line and the real Telethon client, against the sandbox, over TCP."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcast import Settings, load_settings, open_telegram
from broadcast.core.asker import Asker, Question
from tests.e2e.child import Cli
from tests.e2e.telegram import CODE, PASSWORD, PHONE, Telegram


class Answers:
    """Signs in where a person would."""

    async def confirm(self, question: Question) -> bool:
        raise AssertionError(question)

    async def phone(self) -> str:
        return PHONE

    async def code(self, where: str) -> str:
        return CODE

    async def password(self) -> str:
        return PASSWORD

    async def wrong(self, message: str) -> None:
        raise AssertionError(message)


async def sign_in(settings: Settings, asker: Asker | None = None) -> None:
    """Leave a session behind, as `broadcast login` does."""
    async with open_telegram(settings, asker):
        pass


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command line in an empty directory, which sees nothing of this process's environment."""
    with Cli(tmp_path) as starter:
        yield starter


@pytest.fixture
def telegram(tmp_path: Path) -> Iterator[Telegram]:
    """A sandbox that can be looked into and broken."""
    with Telegram(tmp_path) as sandbox:
        yield sandbox


@pytest.fixture
def bot(cli: Cli, telegram: Telegram) -> Cli:
    """The command line, set up to send as a bot to `telegram`."""
    cli.env |= telegram.bot_env
    return cli


@pytest.fixture
def person(cli: Cli, telegram: Telegram) -> Cli:
    """The command line of somebody who has signed in to `telegram` before, as `PHONE`."""
    cli.env |= telegram.server_env
    asyncio.run(sign_in(load_settings(cli.env), Answers()))
    return cli
