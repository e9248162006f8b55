"""The decoding loop of the transformers proposer: rows through any causal model.

Promises: a row's random numbers are those of the ladder's engine (a hash of its
stream, its number and the place in the row), so its text depends on neither batch nor
order but for rounding; at most `batch` rows are in memory; each prefix is computed
once; finished rows leave the batch at once; `cancel` is looked at before every step of
the model. Not covered: text (the caller says when a step has ended).
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tts_lab.ladder.rows import row_keys
from tts_lab.proposers.torch_cache import Columns, Prefixes, State

#: tokens, padding included, that one step reads of prefixes (or one prefix)
PREFILL_TOKENS = {"cpu": 2048}
PREFILL_TOKENS_ELSEWHERE = 8192


@dataclass(slots=True)
class Row:
    """One row: what it is drawn with and what it has written."""

    prefix: Prefix
    number: int
    key: np.uint64
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    ended: bool = False  # by an end-of-text token


@dataclass(slots=True)
class Prefix:
    """What the rows of a job start from, and those rows."""

    job: int
    ids: tuple[int, ...]
    stream: int
    rows: range
    temperature: float
    limit: int  # tokens that a row may write
    keep: bool  # whether what its rows compute may be wanted again
    state: State | None = None
    logits: Tensor | None = None  # (vocabulary,)
    begun: int = 0
    open: dict[int, Row] = field(default_factory=dict)  # begun, not delivered
    again: list[Row] = field(default_factory=list)  # to begin anew

    @property
    def waiting(self) -> int:
        """Rows that have not begun."""
        return len(self.again) + len(self.rows) - self.begun

    def begin(self, most: int) -> list[Row]:
        """The next rows, `most` of them or as many as there are."""
        rows, self.again = self.again[:most], self.again[most:]
        numbers = self.rows[self.begun : self.begun + most - len(rows)]
        keys = row_keys(self.stream, numbers)
        rows += [Row(self, n, key) for n, key in zip(numbers, keys, strict=True)]
        self.begun += len(numbers)
        self.open |= {row.number: row for row in rows}
        return rows

    def rewind(self) -> None:
        """All rows that were not delivered wait again, with nothing written."""
        self.again += [Row(self, row.number, row.key) for row in self.open.values()]
        self.open.clear()
        self.state = self.logits = None


def uniform(keys: NDArray[np.uint64], t: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Random number `t` of each row's stream; see `reference.uniform`."""
    z = keys + (t + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    found: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


def draw(
    logits: Tensor, temperature: NDArray[np.float64], u: NDArray[np.float64]
) -> tuple[list[int], list[float]]:
    """Where each row's random number falls in its distribution.

    Parameters
    ----------
    logits : (rows, vocabulary) tensor
    temperature, u : (rows,) float64
        Below 1e-6, where float32 cannot tell exponentials apart, the likeliest token.

    Returns
    -------
    tokens : list of int
    logprobs : list of float
        At that temperature; at 1 for the likeliest.
    """
    greedy = temperature < 1e-6
    z = logits.float()
    z = z - z.amax(-1, keepdim=True)
    if (temperature != 1).any():
        scale = np.where(greedy, 1.0, 1.0 / np.where(greedy, 1.0, temperature))
        z = z * torch.from_numpy(scale.astype(np.float32)).to(z.device)[:, None]
    p = z.exp()
    # a sum over 150,000 tokens wants float64, which MPS has not
    exact = torch.float32 if z.device.type == "mps" else torch.float64
    reached = p.cumsum(-1, dtype=exact)
    total = reached[:, -1:]
    if greedy.all():
        tokens = z.argmax(-1, keepdim=True)
    else:
        goal = torch.from_numpy(u).to(z.device, exact)[:, None] * total
        goal = torch.minimum(goal, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(reached, goal, right=True)
        if greedy.any():
            chosen = torch.from_numpy(greedy).to(z.device)[:, None]
            tokens = torch.where(chosen, z.argmax(-1, keepdim=True), tokens)
    logprobs = z.gather(-1, tokens) - total.log().to(z.dtype)
    found = torch.cat([tokens.to(exact), logprobs.to(exact)], -1).tolist()
    return [int(token) for token, _ in found], [logprob for _, logprob in found]


class Writer:
    """Writes rows with one model, `batch` side by side.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    layers : int
        Of its cache.
    ends : collection of int
        End-of-text tokens.
    prefixes : Prefixes
        What was computed before; shared by all writers of a model.
    """

    def __init__(
        self, model: Any, *, layers: int, ends: Sequence[int], prefixes: Prefixes
    ) -> None:
        self.model = model
        self.layers = layers
        self.ends = frozenset(ends)
        self.prefixes = prefixes
        known = inspect.signature(model.forward).parameters
        self._places = "position_ids" in known
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    def write(
        self,
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
        block = _Block(self, prefixes, batch, stops)
        while not stopped():
            done = block.fill(stopped)
            if done:
                yield done, block.active
            if not block.active:
                return
            if stopped():
                return
            yield block.step(), block.active

    @torch.inference_mode()
    def forward(
        self, ids: Tensor, columns: Columns, mask: Tensor | None, places: Tensor
    ) -> Tensor:
        """Logits of the last column: (rows, vocabulary)."""
        more = {"position_ids": places} if self._places else {}
        found = self.model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=columns.cache,
            use_cache=True,
            **more,
            **self._last_only,
        )
        columns.end += ids.shape[1]
        logits: Tensor = found.logits[:, -1]
        return logits

    @torch.inference_mode()
    def read(self, prefixes: Sequence[Prefix]) -> None:
        """Compute what is not kept of some prefixes, in one step of the model."""
        device = self.model.device
        found = [self.prefixes.find(prefix.ids) for prefix in prefixes]
        known = max(length for length, _ in found)
        counts = [len(prefix.ids) for prefix in prefixes]
        width = max(n - old for n, (old, _) in zip(counts, found, strict=True))
        columns = Columns(self.layers, len(prefixes), known + width, known)
        ids = np.zeros((len(prefixes), width), np.int64)
        mask = np.zeros((len(prefixes), known + width), np.int64)
        places = np.zeros((len(prefixes), width), np.int64)
        for i, (prefix, (length, state)) in enumerate(
            zip(prefixes, found, strict=True)
        ):
            if state is not None:
                columns.put(slice(i, i + 1), state)
            new = prefix.ids[length:]
            ids[i, width - len(new) :] = new
            mask[i, known - length : known] = 1
            mask[i, known + width - len(new) :] = 1
            places[i, width - len(new) :] = np.arange(length, len(prefix.ids))
        logits = self.forward(
            torch.from_numpy(ids).to(device),
            columns,
            None if mask.all() else torch.from_numpy(mask).to(device),
            torch.from_numpy(places).to(device),
        )
        for i, (prefix, (length, _)) in enumerate(zip(prefixes, found, strict=True)):
            old = slice(known - length, known)
            new_columns = slice(known + width - (len(prefix.ids) - length), None)
            prefix.state = columns.take(i, old, new_columns)
            prefix.logits = logits[i].clone()
            self.prefixes.keep(prefix.ids, prefix.state)


class _Block:
    """The rows being written, side by side."""

    def __init__(
        self,
        writer: Writer,
        prefixes: Sequence[Prefix],
        batch: int,
        stops: Callable[[Row], bool],
    ) -> None:
        self.writer = writer
        self.device = writer.model.device
        self.stops = stops
        self.waiting = deque(prefix for prefix in prefixes if prefix.waiting)
        self.rows = sum(prefix.waiting for prefix in self.waiting)
        self.size = size = min(batch, self.rows)
        self.longest = max((len(prefix.ids) for prefix in self.waiting), default=0)
        most = max((prefix.limit for prefix in self.waiting), default=0)
        self.columns = Columns(
            writer.layers, size, self.longest + min(most, 64) + 1, self.longest
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
                self.writer.read(self._next(free))
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
        row.ended = token in self.writer.ends
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
        logits = self.writer.forward(
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
                ids = row.prefix.ids + tuple(row.tokens[:-1])
                part = slice(int(self.first[i]), self.columns.end)
                self.writer.prefixes.keep(ids, self.columns.take(i, part))
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
