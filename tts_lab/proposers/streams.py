"""Many streamed completions at once: rows that finish, retries of those that did not.

One thread owns an event loop and all connections, so it works where a loop is running
already (Jupyter). A row counts when the server said that it finished and all its
tokens are here (`tts_lab.proposers.choices`); of a request that breaks, the rows that
had not are asked for again, of another server if there is one. Closing the iterator,
or `cancel`, closes every connection and ends the thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from tts_lab.proposers.balance import Balance
from tts_lab.proposers.choices import Ask, Choice, Row, check
from tts_lab.proposers.endpoint_errors import EndpointError, broken
from tts_lab.proposers.replicas import Replicas
from tts_lab.proposers.turns import Replica, Turn

PATH = "/v1/completions"
THREAD_NAME = "tts-lab streams"
TICK_SECONDS = 0.05  # between two looks at `cancel`, and two chunks of rows
#: statuses that are about what was asked; another server would say the same
_OF_THE_REQUEST = (200, 400, 413, 422)


@dataclass(slots=True)
class Progress:
    """What has been written so far, unfinished rows included; for who watches."""

    tokens: int = 0
    text: str = ""


@dataclass(slots=True)
class _Writers:
    """What runs in the thread that owns the loop."""

    replicas: Replicas
    balance: Balance
    asks: deque[Ask]
    progress: Progress
    rows: queue.SimpleQueue[Row | None] = field(default_factory=queue.SimpleQueue)
    error: BaseException | None = None
    shown: Choice | None = None

    async def main(self) -> None:
        number = self.balance.concurrency * len(self.replicas.all)
        try:
            async with self.balance, asyncio.TaskGroup() as minders:
                self.balance.mind(minders)
                async with asyncio.TaskGroup() as writers:
                    for _ in range(min(number, len(self.asks))):
                        writers.create_task(self.write())
                self.balance.leave()
        except* Exception as errors:
            self.error = self.error or _first(errors)
        finally:
            self.rows.put(None)

    async def write(self) -> None:
        """Answer one ask after the other, until all are or one cannot be."""
        turns = self.replicas.turns
        while self.asks and self.error is None:
            ask = self.asks.popleft()
            left = list(ask.rows)
            failed: Counter[Replica] = Counter()
            while left and (turn := await self.balance.turn(failed)) is not None:
                first, count = left[0], 1
                while count < len(left) and left[count] == first + count:
                    count += 1
                before, error, answered = len(left), None, False
                try:
                    error = await self.request(turn, ask, first, count, left)
                    answered = error is None
                finally:
                    self.balance.end(turn, error, answered=answered)
                if len(left) < before:
                    failed.clear()
                if error is None or not left:
                    continue
                failed[turn.replica] += 1
                if self.hopeless(error) or turns.lost(failed):
                    self.give_up(error)
                with suppress(TimeoutError):
                    seconds = turns.wait(failed, error)
                    async with asyncio.timeout(seconds):
                        await self.balance.stopping.wait()
            if left:
                self.give_up(self.replicas.gone())

    def hopeless(self, error: EndpointError) -> bool:
        """Whether asking again is in vain; of several servers one may be at fault."""
        here = len(self.replicas.all) == 1 or error.status in _OF_THE_REQUEST
        return here and not error.transient

    def give_up(self, error: EndpointError) -> None:
        self.error = self.error or error
        self.balance.stop()

    async def request(
        self, turn: Turn, ask: Ask, first: int, count: int, left: list[int]
    ) -> EndpointError | None:
        """One request; takes rows that finish from `left`, returns what went wrong."""
        url = turn.replica.endpoint.root + PATH
        choices = [Choice() for _ in range(count)]
        counted: int | None = None
        failed: EndpointError | None = None
        kept: set[int] = set()

        def deliver(i: int) -> None:
            if choices[i].over and first + i in left:
                left.remove(first + i)
                kept.add(i)
                self.rows.put(choices[i].row(ask, first + i, counted))

        events = self.balance.stream(turn, PATH, ask.payload(first, count))
        try:
            async with aclosing(events):
                async for event in events:
                    self.replicas.turns.answers(turn)
                    pieces, told = event["choices"], (event.get("usage") or {})
                    now = told.get("completion_tokens")
                    if not pieces or count == 1:
                        counted = now if isinstance(now, int) else counted
                    for piece in pieces:
                        i = piece["index"]
                        choices[i].take(piece, ask, now if len(pieces) == 1 else None)
                        self.look(choices[i])
                        if choices[i].sure:  # else a count may follow
                            deliver(i)
                    if ask.cut and choices[0].over:
                        break
                else:
                    if not any(one.sure for one in choices):
                        check(choices, counted)
        except EndpointError as error:
            failed = error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            said = f"the answer is no completion ({type(error).__name__}: {error})"
            failed = broken(url, said)
        if failed is None and not any(one.sure for one in choices):
            for i in range(count):
                deliver(i)
        lost = [one for i, one in enumerate(choices) if i not in kept]
        self.progress.tokens -= sum(one.seen for one in lost)
        if failed is None and len(lost) == count:
            failed = broken(url, "the stream ended and no row had finished")
        return failed

    def look(self, choice: Choice) -> None:
        written = choice.token_ids or choice.logprobs or choice.seen + 1
        self.progress.tokens += written - choice.seen
        choice.seen = written
        if self.shown is None or self.shown.over or self.shown is choice:
            self.shown = choice
            self.progress.text = choice.text


def write(
    replicas: Replicas,
    asks: Sequence[Ask],
    *,
    concurrency: int,
    progress: Progress,
    cancel: threading.Event | None = None,
) -> Generator[list[Row], None, None]:
    """Yield each row once, some at a time; an empty list when nothing is new.

    Of each server so many requests are in flight at most. Stops early, without error,
    on `cancel`.

    Raises
    ------
    EndpointError
        When a request failed for good: after all rows that finished were yielded, and
        after the requests that were being answered then have ended.
    """
    loop = asyncio.new_event_loop()
    balance = Balance(replicas, concurrency)
    writers = _Writers(replicas, balance, deque(asks), progress)
    main = loop.create_task(writers.main())
    thread = threading.Thread(
        target=_own, args=(loop, main), daemon=True, name=THREAD_NAME
    )
    thread.start()
    try:
        running = True
        while running:
            some: list[Row] = []
            until = time.monotonic() + TICK_SECONDS
            with suppress(queue.Empty):
                while (left := until - time.monotonic()) > 0 and running:
                    item = writers.rows.get(timeout=left)
                    running = item is not None
                    if item is not None:
                        some.append(item)
            if cancel is not None and cancel.is_set():
                return
            yield some
        if writers.error is not None:
            raise writers.error
    finally:
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(main.cancel)
        thread.join()


def _own(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    try:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(main)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of the errors in a group, and in the groups in it."""
    one: BaseException = errors
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one
