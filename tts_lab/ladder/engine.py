"""The engine: rows of a ladder model, on all cores, without torch.

Rows are cut into units; each unit is written by one thread in compiled code that
holds no lock, a few milliseconds at a time, so cancelling takes effect at once and
finished rows stream out. Memory is bounded by the block of slots and the unit, not by
the number of rows. Every row draws from its own counter-based random stream: results
depend neither on the batch, nor on block size, nor on the number of threads.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from tts_lab.ladder import tokenizer
from tts_lab.ladder.arrays import Buffers, Cache, Floats, Slots
from tts_lab.ladder.cores import cores
from tts_lab.ladder.decode import advance, prefill
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.packed import new_buffers, new_cache, prepare
from tts_lab.ladder.rows import Request, Unit, Written, collect, of_unit, stop_table

UNIT_ROWS = 1024
PREFIX_BYTES = 32 << 20  # key-value cache of one unit's prefixes, at most (or one)
PREFILL_TOKENS = 256  # of prompts read between two looks at `cancel`
SLICE_SECONDS = 0.015  # of compiled code between two looks at `cancel`


class Engine:
    """A model ready to write.

    Parameters
    ----------
    model
        What `model_folder.read` gives.
    threads
        Compiled loops at a time; all cores by default.
    slots
        Rows that one thread writes side by side.
    stops
        Texts that end a row, beside the end of text; kept in the row.
    """

    def __init__(
        self,
        model: Model,
        *,
        threads: int | None = None,
        slots: int = 64,
        stops: Sequence[str] = (),
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads!r}; accepted is 1 or more, or None")
        if slots < 1:
            raise ValueError(f"slots is {slots!r}; accepted is 1 or more")
        self.model = model
        self.weights = prepare(model)
        self.threads = threads or cores()
        self.slots = slots
        self._stops = stop_table(["\n", *stops])
        self._caches: list[Cache] = []  # of threads that are done, for the next

    def write(
        self, requests: Sequence[Request], *, cancel: threading.Event | None = None
    ) -> Iterator[Written]:
        """Yield every row of every request once, as rows finish.

        Stops early, without error, when `cancel` is set. Closing the iterator
        stops the threads too.
        """
        units = self._units(requests)
        stop = threading.Event()

        def stopped() -> bool:
            return stop.is_set() or (cancel is not None and cancel.is_set())

        if min(self.threads, len(units)) <= 1:
            for unit in units:
                if stopped():
                    return
                yield from self._run(requests, unit, stopped)
            return
        results: queue.Queue[Written | BaseException | None] = queue.Queue(64)
        work = iter(units)
        lock = threading.Lock()

        def hand_over(item: Written | BaseException | None) -> None:
            while not stop.is_set():  # a reader that went away reads no more
                with suppress(queue.Full):
                    return results.put(item, timeout=0.02)

        def worker() -> None:
            try:
                while not stopped():
                    with lock:
                        unit = next(work, None)
                    if unit is None:
                        break
                    for written in self._run(requests, unit, stopped):
                        hand_over(written)
            except BaseException as error:  # handed to the caller's thread
                hand_over(error)
            finally:
                hand_over(None)

        threads = [
            threading.Thread(target=worker, daemon=True)
            for _ in range(min(self.threads, len(units)))
        ]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                item = results.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def logits(self, prefixes: Sequence[bytes]) -> Floats:
        """Logits of the token after each prefix: (prefixes, vocabulary)."""
        self._check(prefixes)
        if not prefixes:
            return np.empty((0, len(tokenizer.VOCABULARY)), np.float32)
        return self._prefill(prefixes, new_buffers(self.model, 64), lambda: False)[2]

    def _units(self, requests: Sequence[Request]) -> list[Unit]:
        """Cut the requests' rows into units of even size, small enough to share."""
        self._check([request.prefix for request in requests])
        for request in requests:
            if request.max_tokens < 1:
                raise ValueError(
                    f"max_tokens is {request.max_tokens!r}; accepted is 1 or more"
                )
            if not (math.isfinite(request.temperature) and request.temperature >= 0):
                raise ValueError(
                    f"temperature is {request.temperature!r}; accepted is 0 (greedy) "
                    "or more"
                )
        total = sum(len(request.keys) for request in requests)
        # a unit's last rows leave slots empty: few units, but some to balance threads
        shares = 1 if self.threads == 1 else 3 * self.threads
        goal = min(UNIT_ROWS, max(self.slots, -(-total // shares)))
        if total <= self.slots:  # too few to fill a block: share them all the same
            goal = max(1, -(-total // self.threads))
        units: list[Unit] = []
        parts: list[tuple[int, int, int]] = []
        rows = prefix_bytes = 0
        for i, request in enumerate(requests):
            first = 0
            size = self._prefix_bytes(len(request.prefix))
            while first < len(request.keys):
                if parts and (rows >= goal or prefix_bytes + size > PREFIX_BYTES):
                    units.append(Unit(parts, rows))
                    parts, rows, prefix_bytes = [], 0, 0
                last = min(len(request.keys), first + goal - rows)
                parts.append((i, first, last))
                rows += last - first
                prefix_bytes += size
                first = last
        if parts:
            units.append(Unit(parts, rows))
        return units

    def _prefix_bytes(self, length: int) -> int:
        return 8 * self.model.layers * self.model.hidden * length

    def _check(self, prefixes: Sequence[bytes]) -> None:
        for prefix in prefixes:
            if not 0 < len(prefix) < self.model.context:
                text = tokenizer.decode(prefix[1:60])
                raise ValueError(
                    f"a prefix of {len(prefix)} tokens ({text!r}...): {self.model.name}"
                    f" reads 1 to {self.model.context - 1}"
                )

    def _slot_cache(self, entries: int, length: int) -> Cache:
        """A cache for slots: the one that another unit left, if it is large enough."""
        with suppress(IndexError):
            cache = self._caches.pop()
            if cache.keys.shape[0] >= entries and cache.keys.shape[3] >= length:
                return cache
        return new_cache(self.model, entries, length)

    def _prefill(
        self,
        prefixes: Sequence[bytes],
        memory: Buffers,
        stopped: Callable[[], bool],
    ) -> tuple[Cache, NDArray[np.int64], Floats]:
        lengths = np.array([len(p) for p in prefixes], np.int64)
        shared = new_cache(self.model, len(prefixes), int(lengths.max()))
        tokens = np.frombuffer(b"".join(prefixes), np.uint8).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        logits = np.empty((len(prefixes), len(tokenizer.VOCABULARY)), np.float32)
        no_states = np.empty((0, self.model.hidden), np.float32)
        first = 0
        while first < len(prefixes) and not stopped():
            within = starts[first] + PREFILL_TOKENS
            last = max(first + 1, int(np.searchsorted(starts, within, "right")) - 1)
            prefill(
                self.weights,
                memory,
                Cache(shared.keys[first:last], shared.values[first:last]),
                tokens[starts[first] : starts[last]],
                starts[first : last + 1] - starts[first],
                np.zeros(last - first, np.int64),
                logits[first:last],
                no_states,
            )
            first = last
        return shared, lengths, logits

    def _run(
        self,
        requests: Sequence[Request],
        unit: Unit,
        stopped: Callable[[], bool],
    ) -> Iterator[Written]:
        count = min(self.slots, unit.rows)
        memory = new_buffers(self.model, max(count, 16))
        prefixes = [requests[i].prefix for i, _, _ in unit.parts]
        shared, lengths, first = self._prefill(prefixes, memory, stopped)
        rows, owner, number = of_unit(requests, unit, self.model.context)
        own = self._slot_cache(count, int(rows.limit.max()))
        slots = Slots(
            row=np.zeros(count, np.int64),
            active=np.arange(count),
            counts=np.zeros(3, np.int64),
        )
        steps, given, more = 4, 0, True
        while more and not stopped():
            began = time.perf_counter()
            more = advance(
                self.weights, memory, shared, lengths, first, own, rows, slots,
                self._stops, tokenizer.EOS, steps,
            )  # fmt: skip
            spent = time.perf_counter() - began
            steps = max(1, min(512, int(steps * SLICE_SECONDS / max(spent, 1e-6))))
            done = rows.finished[given : slots.counts[2]]
            given = int(slots.counts[2])
            if len(done):
                yield collect(rows, done, owner, number)
        self._caches.append(own)
