"""A client that calls the pretend Telegram directly: no socket; only the round trip takes time.

It takes the place of Telethon's client: a request goes in, and the answer or Telethon's own
exception comes out. Connections do not exist here, and so nothing goes wrong with them.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from telethon.errors import rpc_message_to_error
from telethon.tl import functions, types

from broadcast.sandbox.people.logins import API_HASH, API_ID, BOT_TOKEN, CODE, PHONE
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from telethon.tl import TLRequest

    from broadcast.core.clock import Clock
    from broadcast.sandbox.world.pretend_telegram import World

ROUND_TRIP = 0.1
"""Seconds from a request to its answer; benchmarks/simulation.py takes 50 to 150 ms."""

_KEY_ID = 1  # of the only login there is


class DirectClient:
    """Signed in to `world`, as a bot or as a person. `clock` tells the time there."""

    def __init__(self, world: World, clock: Clock, *, is_bot: bool) -> None:
        self._world, self._clock = world, clock
        self.me = self._sign_in(is_bot=is_bot)

    async def call(self, request: TLRequest) -> Any:
        """The answer to `request`, a round trip later. Raises Telethon's RPCError."""
        await asyncio.sleep(ROUND_TRIP)
        try:
            return self._answer(request)
        except RpcError as error:
            raise rpc_message_to_error(types.RpcError(error.code, error.name), request) from None
        finally:
            self._world.discard()

    takes_serialised = False
    """There is no faster way here than `call`."""

    def post_serialised(self, data: bytes, random_id: int) -> NoReturn:
        """See `takes_serialised`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, request: TLRequest) -> Any:
        return self._world.call(_KEY_ID, request, self._clock.utc().timestamp())

    def _sign_in(self, *, is_bot: bool) -> types.User:
        if is_bot:
            token = functions.auth.ImportBotAuthorizationRequest(0, API_ID, API_HASH, BOT_TOKEN)
            return self._answer(token).user
        code = functions.auth.SendCodeRequest(PHONE, API_ID, API_HASH, types.CodeSettings())
        code_hash = self._answer(code).phone_code_hash
        return self._answer(functions.auth.SignInRequest(PHONE, code_hash, CODE)).user
