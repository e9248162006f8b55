"""Requests of one event loop spread over several servers; those that are down tried.

A `Balance` is made and used in the loop that makes the requests. What it learns of the
servers stays with `Replicas`, for the next loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

from tts_lab.proposers import replica_identity as identity
from tts_lab.proposers.endpoint_errors import EndpointError, broken
from tts_lab.proposers.replicas import Replicas
from tts_lab.proposers.turns import Replica, Turn

TRY_SECONDS = 10.0  # for a server to say who it is
POLL_SECONDS = 0.2  # other threads may find a server up, or down


class Balance:
    """Whose turn it is, waited for.

    Parameters
    ----------
    replicas : Replicas
    concurrency : int
        Requests in flight at each server.
    """

    def __init__(self, replicas: Replicas, concurrency: int) -> None:
        self.replicas = replicas
        self.concurrency = concurrency
        self.stopping = asyncio.Event()
        self._clients: dict[Replica, Any] = {}
        self._own: Counter[Replica] = Counter()
        self._changed = asyncio.Event()
        self._minders: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Balance:
        for one in self.replicas.all:
            client = one.endpoint.open_client()
            self._clients[one] = await self._stack.enter_async_context(client)
        self.replicas.turns.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def mind(self, group: asyncio.TaskGroup) -> None:
        """Try the servers that are down, until `leave`."""
        if len(self.replicas.all) > 1:
            self._minders = [
                group.create_task(self._mind(one)) for one in self.replicas.all
            ]

    def leave(self) -> None:
        """Let those be that are down."""
        for one in self._minders:
            one.cancel()

    async def turn(self, failed: Counter[Replica]) -> Turn | None:
        """A server to ask, once one is free; None when none is left, or to stop."""
        turns = self.replicas.turns
        while not self.stopping.is_set():
            turn = turns.take(failed, self._own, self.concurrency)
            if turn is not None:
                self._own[turn.replica] += 1
                return turn
            if turns.lost(failed):
                return None
            await self._change()
        return None

    def stream(self, turn: Turn, path: str, payload: Any) -> Any:
        """As of `Endpoint.stream`."""
        one = turn.replica
        return one.endpoint.stream(self._clients[one], path, payload)

    def end(
        self, turn: Turn, error: EndpointError | None = None, *, answered: bool = False
    ) -> None:
        """A request has ended, in whichever way."""
        self._own[turn.replica] -= 1
        self.replicas.turns.end(turn, error, answered=answered)
        self._wake()

    def stop(self) -> None:
        """Give nobody a turn any more."""
        self.stopping.set()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        with suppress(TimeoutError):  # `wait_for` of 3.11 can lose a cancel
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()

    async def _mind(self, one: Replica) -> None:
        while True:
            if one.state != "down":
                await self._change()
            elif (left := one.due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            else:
                self.replicas.turns.tried(one, await self._try(one))
                self._wake()

    async def _try(self, one: Replica) -> EndpointError | None:
        """What is wrong with a server that was down; None if nothing is any more."""
        root, before = one.endpoint.root, self.replicas.identity
        try:
            async with asyncio.timeout(TRY_SECONDS):
                met = await self._meet(one)
                if identity.changed(before, met) is None:
                    return None
                for other in self.replicas.all:  # templates may have the date in them
                    if other.state == "up":
                        before = (await self._meet(other)).identity
                        break
                return identity.changed(before, met)
        except EndpointError as error:
            return error
        except ValueError as error:  # it has no such model
            return EndpointError(str(error), url=root, transient=True)
        except TimeoutError:
            return broken(root, f"no answer in {TRY_SECONDS:g} seconds")

    async def _meet(self, one: Replica) -> identity.Met:
        asking = identity.questions(one.endpoint.root, self.replicas.model)
        question = next(asking)
        while True:
            try:
                answer: Any = await self._asked(one, *question)
            except EndpointError as error:
                answer = error
            try:
                question = asking.send(answer)
            except StopIteration as end:
                met: identity.Met = end.value
                return met

    async def _asked(self, one: Replica, path: str, payload: Any) -> Any:
        events = one.endpoint.stream(self._clients[one], path, payload)
        async with aclosing(events):
            async for answer in events:
                return answer
        raise broken(one.endpoint.root + path, "an empty answer")
