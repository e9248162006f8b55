"""The key-value cache of a block of rows, in transformers' own cache interface.

Rows of unlike length stand side by side, padded on the left: all write their next
token at the same column. Promises: no copy of what is cached at each step; a row can
leave or enter between any two steps; what a prefix computed is shared and kept, within
a limit of bytes. Covers layers of full and of sliding-window attention (the model's
mask does the sliding); not recurrent states.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

#: per layer the keys and values of one row: (heads, tokens, head size) each
State = list[tuple[Tensor, Tensor]]

GROWTH = 32  # columns; buffers grow by a quarter, but by no less


class _Layer(CacheLayerMixin):  # type: ignore[misc, unused-ignore]
    """One layer's buffers: (rows, heads, columns, head size)."""

    is_sliding = False  # full length is kept, so masks must not count on less
    is_compileable = False
    keys: Tensor
    values: Tensor

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self.columns = columns

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        at = self.columns
        self.dtype, self.device = key_states.dtype, key_states.device

        def buffer(like: Tensor) -> Tensor:
            shape = (at.rows, like.shape[1], at.capacity, like.shape[3])
            return like.new_zeros(shape)

        self.keys, self.values = buffer(key_states), buffer(value_states)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new columns of the rows in use; returns all of theirs."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        at, rows = self.columns, key_states.shape[0]
        end = at.end + key_states.shape[2]
        self.keys[:rows, :, at.end : end] = key_states
        self.values[:rows, :, at.end : end] = value_states
        return (
            self.keys[:rows, :, at.first : end],
            self.values[:rows, :, at.first : end],
        )

    def grow(self) -> None:
        if self.is_initialized:
            more = self.columns.capacity - self.keys.shape[2]
            self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, more))
            self.values = torch.nn.functional.pad(self.values, (0, 0, 0, more))

    def get_seq_length(self, *args: Any) -> int:
        return self.columns.end - self.columns.first

    def get_mask_sizes(self, query: Any) -> tuple[int, int]:
        length = query if isinstance(query, int) else len(query)  # a tensor before v5
        return self.get_seq_length() + length, 0

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length


class Columns:
    """Which columns of the buffers are in use.

    Attributes
    ----------
    cache : transformers.Cache
        What to give the model.
    rows, capacity : int
        Size of the buffers.
    first, end : int
        Columns `first` to `end - 1` are shown to the model; new ones begin at `end`.
    """

    def __init__(self, layers: int, rows: int, capacity: int, end: int) -> None:
        self.rows, self.capacity = rows, capacity
        self.first, self.end = 0, end
        self.layers = [_Layer(self) for _ in range(layers)]
        self.cache = Cache(layers=[*self.layers])

    def reserve(self, columns: int, longest: int) -> int:
        """Make room for so many more columns; returns how far all moved left.

        Only the last `longest` columns are needed any more.
        """
        if self.end + columns <= self.capacity:
            return 0
        moved = self.end - longest
        if moved >= self.capacity // 2:  # enough to be worth the copy
            for layer in self.layers:
                for buffer in (layer.keys, layer.values):
                    kept = buffer[:, :, moved : self.end].clone()
                    buffer[:, :, :longest] = kept
            self.end -= moved
            self.first = max(0, self.first - moved)
            return moved
        needed = self.end + columns
        self.capacity = max(needed, self.capacity + max(GROWTH, self.capacity // 4))
        for layer in self.layers:
            layer.grow()
        return 0

    def put(self, rows: slice, state: State) -> None:
        """Give rows the same prefix, so that it ends at the last column."""
        for layer, (keys, values) in zip(self.layers, state, strict=True):
            if not layer.is_initialized:
                layer.lazy_initialization(keys[None], values[None])
            begin = self.end - keys.shape[1]
            layer.keys[rows, :, begin : self.end] = keys
            layer.values[rows, :, begin : self.end] = values

    def take(self, row: int, *parts: slice) -> State:
        """A copy of parts of a row, joined."""
        return [
            (
                torch.cat([layer.keys[row, :, part] for part in parts], 1),
                torch.cat([layer.values[row, :, part] for part in parts], 1),
            )
            for layer in self.layers
        ]

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Copy rows over others."""
        first, end = self.first, self.end
        for layer in self.layers:
            for buffer in (layer.keys, layer.values):
                at = torch.tensor([list(sources), list(targets)], device=buffer.device)
                buffer[at[1], :, first:end] = buffer[at[0], :, first:end]


@dataclass(frozen=True, slots=True)
class _Kept:
    base: int  # tokens that stand in another entry
    state: State  # of the tokens after them
    logits: Tensor | None

    @property
    def bytes(self) -> int:
        size = sum(keys.nbytes + values.nbytes for keys, values in self.state)
        return size + (0 if self.logits is None else self.logits.nbytes)


class Prefixes:
    """What prefixes computed, as a tree; the least recently used dropped first.

    Each entry holds the tokens that it adds to its base, so siblings share what they
    have in common. Safe to use from several threads.

    Parameters
    ----------
    limit : int
        Bytes to keep, at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._kept: OrderedDict[tuple[int, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def keep(
        self,
        ids: tuple[int, ...],
        base: int,
        state: State,
        logits: Tensor | None = None,
    ) -> None:
        """Keep what the tokens after the first `base` computed, and their last logits.

        Nothing is kept if the base is not, or if it alone is more than the limit.
        """
        one = _Kept(base, state, logits)
        if one.bytes > self.limit:
            return
        with self._lock:
            if base and self._chain(ids[:base]) is None:
                return
            if ids in self._kept:
                if logits is None or self._kept[ids].logits is not None:
                    return
                self.bytes -= self._kept.pop(ids).bytes
            self._kept[ids] = one
            self.bytes += one.bytes
            self._touch(ids)
            while self.bytes > self.limit:
                self.bytes -= self._kept.popitem(last=False)[1].bytes

    def find(self, ids: tuple[int, ...]) -> tuple[int, State, Tensor | None]:
        """The most tokens of `ids` that are kept, their state, and logits if all are.

        Without the logits one token is left to compute.
        """
        with self._lock:
            for length in sorted({len(one) for one in self._kept}, reverse=True):
                chain = self._chain(ids[:length]) if length <= len(ids) else None
                if chain is None:
                    continue
                self._touch(ids[:length])
                logits = self._kept[ids].logits if length == len(ids) else None
                used = min(length, len(ids) - (logits is None))
                layers = zip(*chain, strict=True)
                return used, [_joined(parts, used) for parts in layers], logits
        return 0, [], None

    def _chain(self, ids: tuple[int, ...]) -> list[State] | None:
        """The states whose tokens make up `ids`, or None if one is missing."""
        found: list[State] = []
        while ids:
            if ids not in self._kept:
                return None
            found.insert(0, self._kept[ids].state)
            ids = ids[: self._kept[ids].base]
        return found

    def _touch(self, ids: tuple[int, ...]) -> None:
        """Mark an entry used and then its bases, so that it is dropped before them."""
        while ids:
            self._kept.move_to_end(ids)
            ids = ids[: self._kept[ids].base]


def _joined(parts: Sequence[tuple[Tensor, Tensor]], used: int) -> tuple[Tensor, Tensor]:
    keys, values = zip(*parts, strict=True)
    return torch.cat(keys, 1)[:, :used], torch.cat(values, 1)[:, :used]
