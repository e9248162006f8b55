"""The decoding loop of the transformers proposer: rows through any causal model.

Promises: at most `batch` rows are in memory; finished rows leave the batch at once and
others take their places; `stopped` is asked before every step of the model. Not
covered: text (the caller says when a step has ended).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from tts_lab.proposers.torch_cache import Columns
from tts_lab.proposers.torch_draw import draw, uniform
from tts_lab.proposers.torch_rows import Prefix, Reader, Row

#: tokens, padding included, that one step reads of prefixes (or one prefix)
PREFILL_TOKENS = {"cpu": 2048}
PREFILL_TOKENS_ELSEWHERE = 8192


def write(
    reader: Reader,
    prefixes: Sequence[Prefix],
    *,
    batch: int,
    stopped: Callable[[], bool],
    stops: Callable[[Row], bool],
) -> Iterator[tuple[list[Row], list[Row]]]:
    """After each step of the model, the rows it finished and those being written.

    `stops` is asked after each token whether the row ends there. The second
    list changes with the next step. Whoever takes a finished row deletes it from
    its prefix's `open`, or `Prefix.rewind` lets it be written again.
    """
    block = _Block(reader, prefixes, batch, stops)
    while not stopped():
        done = block.fill(stopped)
        if done:
            yield done, block.active
        if not block.active:
            return
        if stopped():
            return
        yield block.step(), block.active


class _Block:
    """The rows being written, side by side."""

    def __init__(
        self,
        reader: Reader,
        prefixes: Sequence[Prefix],
        batch: int,
        stops: Callable[[Row], bool],
    ) -> None:
        self.reader = reader
        self.device = reader.model.device
        self.stops = stops
        self.waiting = deque(prefix for prefix in prefixes if prefix.waiting)
        self.rows = sum(prefix.waiting for prefix in self.waiting)
        self.size = size = min(batch, self.rows)
        self.longest = max((len(prefix.ids) for prefix in self.waiting), default=0)
        most = max((prefix.limit for prefix in self.waiting), default=0)
        self.columns = Columns(
            reader.layers, size, self.longest + min(most, 64) + 1, self.longest
        )
        self.active: list[Row] = []
        self.key = np.zeros(size, np.uint64)
        self.temperature = np.zeros(size, np.float64)
        self.first = np.zeros(size, np.int64)  # column of the row's first token
        self.last = np.zeros(size, np.int64)  # token

    def fill(self, stopped: Callable[[], bool]) -> list[Row]:
        """Begin rows while there is room; returns those finished by a first token."""
        done: list[Row] = []
        while self.waiting and len(self.active) < self.size and not stopped():
            if self.waiting[0].logits is None:
                # a few places at a time, so that prefixes are not read one by one
                free = self.size - len(self.active)
                if self.active and free < min(self.rows, self.size // 8):
                    break
                self.reader.read(self._next(free))
            done += self._begin(self.waiting[0])
        return done

    def _next(self, free: int) -> list[Prefix]:
        """The prefixes of the next rows, as many as one step should read."""
        most = PREFILL_TOKENS.get(self.device.type, PREFILL_TOKENS_ELSEWHERE)
        found: list[Prefix] = []
        longest = 0
        for prefix in self.waiting:
            longest = max(longest, len(prefix.ids))
            if found and (free < 1 or (len(found) + 1) * longest > most):
                break
            found.append(prefix)
            free -= prefix.waiting
        return found

    @torch.inference_mode()
    def _begin(self, prefix: Prefix) -> list[Row]:
        """First tokens of the prefix's next rows; the unfinished get places."""
        assert prefix.logits is not None and prefix.state is not None
        rows = prefix.begin(self.size - len(self.active))
        self.rows -= len(rows)
        key = np.array([row.key for row in rows], np.uint64)
        tokens, logprobs = draw(
            prefix.logits.expand(len(rows), -1),
            np.full(len(rows), prefix.temperature),
            uniform(key, np.zeros(len(rows), np.uint64)),
        )
        done: list[Row] = []
        going: list[Row] = []
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            (done if self._note(row, token, logprob) else going).append(row)
        if going:
            places = slice(len(self.active), len(self.active) + len(going))
            self.columns.put(places, prefix.state)
            self.key[places] = [row.key for row in going]
            self.temperature[places] = prefix.temperature
            self.first[places] = self.columns.end - len(prefix.ids)
            self.last[places] = [row.tokens[-1] for row in going]
            self.active += going
        if not prefix.waiting:
            prefix.state = prefix.logits = None
            self.waiting.popleft()
        return done

    def _note(self, row: Row, token: int, logprob: float) -> bool:
        """Add a token; whether the row is finished."""
        row.tokens.append(token)
        row.logprob += logprob
        row.ended = token in self.reader.ends
        return row.ended or len(row.tokens) >= row.prefix.limit or self.stops(row)

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """One token of every row; returns the finished ones, which leave."""
        count, columns = len(self.active), self.columns
        first = self.first[:count]
        moved = columns.reserve(1, max(self.longest, columns.end - int(first.min())))
        self.first -= moved
        columns.first = int(first.min())
        places = columns.end - first
        mask = None
        if (first != columns.first).any():
            numbers = np.arange(columns.first, columns.end + 1)
            mask = torch.from_numpy(numbers >= first[:, None]).to(self.device)
        logits = self.reader.forward(
            torch.from_numpy(self.last[:count, None]).to(self.device),
            columns,
            mask,
            torch.from_numpy(places[:, None]).to(self.device),
        )
        written = np.array([len(row.tokens) for row in self.active], np.uint64)
        u = uniform(self.key[:count], written)
        tokens, logprobs = draw(logits, self.temperature[:count], u)
        self.last[:count] = tokens
        left = [
            i
            for i, row in enumerate(self.active)
            if self._note(row, tokens[i], logprobs[i])
        ]
        done = [self.active[i] for i in left]
        self._leave(left)
        return done

    def _leave(self, places: list[int]) -> None:
        """Take rows out; the last ones move into their places."""
        if not places:
            return
        for i in places:
            row = self.active[i]
            if row.prefix.keep and not row.ended:
                # the last token has not been read yet
                base = len(row.prefix.ids)
                ids = row.prefix.ids + tuple(row.tokens[:-1])
                part = slice(int(self.first[i]) + base, self.columns.end)
                self.reader.prefixes.keep(ids, base, self.columns.take(i, part))
        left = set(places)
        count = len(self.active) - len(left)
        targets = [i for i in places if i < count]
        sources = [i for i in range(count, len(self.active)) if i not in left]
        if targets:
            self.columns.move(sources, targets)
        for source, target in zip(sources, targets, strict=True):
            self.active[target] = self.active[source]
            for array in (self.key, self.temperature, self.first, self.last):
                array[target] = array[source]
        del self.active[count:]
