"""Many streamed completions at once: rows that finish, retries of those that did not.

One thread owns an event loop and all connections, so it works where a loop is running
already (Jupyter). A row counts when the server said that it finished; of a request
that breaks, the rows that had not are asked for again. Closing the iterator, or
`cancel`, closes every connection and ends the thread.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tts_lab.proposers.endpoint import Endpoint
from tts_lab.proposers.endpoint_errors import EndpointError, broken, pause
from tts_lab.proposers.endpoint_limits import LONGEST_ROW

PATH = "/v1/completions"
THREAD_NAME = "tts-lab streams"
TICK_SECONDS = 0.05  # between two looks at `cancel`, and two chunks of rows
_STOPPED = ("stop", "eos_token", "stop_sequence")
_CUT = ("length", "content_filter")


@dataclass(frozen=True, slots=True)
class Ask:
    """Consecutive rows to ask for in one request.

    Attributes
    ----------
    job : int
    rows : sequence of int
        With more than one row, choice i of a request is row `first + i`.
    payload : callable
        (first row, number of rows) -> the JSON to post.
    delimiter : str
        What ends a step; empty if rows go to their end.
    cut : bool
        End a row here at its delimiter, for servers that do not say what stopped it.
    """

    job: int
    rows: Sequence[int]
    payload: Callable[[int, int], dict[str, Any]]
    delimiter: str = ""
    cut: bool = False


class Row(NamedTuple):
    """A finished row; `tokens` is None if the server did not count them."""

    job: int
    row: int
    text: str
    tokens: int | None
    finished: bool
    logprob: float


@dataclass(slots=True)
class Progress:
    """What has been written so far, unfinished rows included; for who watches."""

    tokens: int = 0
    text: str = ""


@dataclass(slots=True)
class _Choice:
    """One row while it is streamed."""

    text: str = ""
    logprob: float = 0.0
    token_ids: int = 0
    logprobs: int = 0
    seen: int = 0  # what it added to the progress
    over: bool = False  # the server, or the delimiter, ended it
    finished: bool = False

    def take(self, piece: dict[str, Any], ask: Ask) -> None:
        self.text += piece.get("text") or ""
        if len(self.text) > LONGEST_ROW:
            raise ValueError(f"a sample of more than {LONGEST_ROW:,} characters")
        self.token_ids += len(piece.get("token_ids") or ())
        for one in (piece.get("logprobs") or {}).get("token_logprobs") or ():
            self.logprobs += 1
            if one is not None and math.isfinite(one):
                self.logprob += one
        reason, end = piece.get("finish_reason"), ask.delimiter
        if ask.cut and end in self.text:
            self.text = self.text[: self.text.index(end) + len(end)]
            self.over = True
        elif reason in _STOPPED:
            by = piece.get("stop_reason", piece.get("matched_stop"))
            at_end = bool(end) and not ask.cut and (
                by == end or (by is None and self.text.endswith(end))
            )  # fmt: skip
            if at_end and not self.text.endswith(end):
                self.text += end
            self.over, self.finished = True, not at_end
        elif reason in _CUT:
            self.over = True
        elif reason is not None:
            raise ValueError(f"finish_reason {reason!r}")

    def row(self, ask: Ask, number: int, counted: int | None) -> Row:
        tokens = self.token_ids or counted or self.logprobs or None
        return Row(ask.job, number, self.text, tokens, self.finished, self.logprob)


@dataclass(slots=True)
class _Writers:
    """What runs in the thread that owns the loop."""

    endpoint: Endpoint
    asks: deque[Ask]
    progress: Progress
    rows: queue.SimpleQueue[Row | None] = field(default_factory=queue.SimpleQueue)
    error: BaseException | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    shown: _Choice | None = None

    async def main(self, concurrency: int) -> None:
        try:
            async with (
                self.endpoint.open_client() as client,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(min(concurrency, len(self.asks))):
                    group.create_task(self.write(client))
        except* Exception as group_of_errors:
            self.error = self.error or group_of_errors.exceptions[0]
        finally:
            self.rows.put(None)

    async def write(self, client: Any) -> None:
        """Answer one ask after the other, until all are or one cannot be."""
        while self.asks and self.error is None:
            ask, failures = self.asks.popleft(), 0
            left = list(ask.rows)
            while left and self.error is None:
                first, count = left[0], 1
                while count < len(left) and left[count] == first + count:
                    count += 1
                before = len(left)
                error = await self.request(client, ask, first, count, left)
                if len(left) < before:
                    failures = 0
                if error is None or not left:
                    continue
                failures += 1
                if not error.transient or failures >= self.endpoint.attempts:
                    self.error = self.error or error
                    self.stopping.set()
                with suppress(TimeoutError):
                    seconds = pause(failures, error)
                    await asyncio.wait_for(self.stopping.wait(), seconds)

    async def request(
        self, client: Any, ask: Ask, first: int, count: int, left: list[int]
    ) -> EndpointError | None:
        """One request; takes rows that finish from `left`, returns what went wrong."""
        choices = [_Choice() for _ in range(count)]
        counted: int | None = None
        failed: EndpointError | None = None

        def deliver(i: int) -> None:
            if choices[i].over and first + i in left:
                left.remove(first + i)
                self.rows.put(choices[i].row(ask, first + i, counted))

        events = self.endpoint.stream(client, PATH, ask.payload(first, count))
        try:
            async with aclosing(events):
                async for event in events:
                    usage = event.get("usage")
                    if usage and count == 1:
                        counted = usage.get("completion_tokens")
                    for piece in event["choices"]:
                        i = piece["index"]
                        choices[i].take(piece, ask)
                        self.look(choices[i])
                        if choices[i].token_ids:  # else a count may follow
                            deliver(i)
                    if ask.cut and choices[0].over:
                        break
        except EndpointError as error:
            failed = error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            said = f"the answer is no completion ({type(error).__name__}: {error})"
            failed = broken(self.endpoint.root + PATH, said)
        for i in range(count):
            deliver(i)
        lost = [one for one in choices if not one.over]
        self.progress.tokens -= sum(one.seen for one in lost)
        if failed is None and len(lost) == count:
            said = "the stream ended and no row had finished"
            failed = broken(self.endpoint.root + PATH, said)
        return failed

    def look(self, choice: _Choice) -> None:
        written = choice.token_ids or choice.logprobs or choice.seen + 1
        self.progress.tokens += written - choice.seen
        choice.seen = written
        if self.shown is None or self.shown.over or self.shown is choice:
            self.shown = choice
            self.progress.text = choice.text


def write(
    endpoint: Endpoint,
    asks: Sequence[Ask],
    *,
    concurrency: int,
    progress: Progress,
    cancel: threading.Event | None = None,
) -> Generator[list[Row], None, None]:
    """Yield each row once, some at a time; an empty list when nothing is new.

    Stops early, without error, on `cancel`.

    Raises
    ------
    EndpointError
        When a request failed for good: after all rows that finished were yielded, and
        after the requests that were being answered then have ended.
    """
    loop = asyncio.new_event_loop()
    writers = _Writers(endpoint, deque(asks), progress)
    main = loop.create_task(writers.main(concurrency))
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
