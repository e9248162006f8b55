"""Rows, the prefixes they start from, and one step of a model over either.

Each prefix is computed once, several in one step, and only as far as it was not
computed before.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tts_lab.ladder.rows import row_keys
from tts_lab.proposers.torch_cache import Columns, Prefixes, State


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


class Reader:
    """A model, one step at a time.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    layers : int
        Of its cache.
    ends : collection of int
        End-of-text tokens.
    prefixes : Prefixes
        What was computed before; shared by all who write with the model.
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
        asked: dict[tuple[int, ...], list[Prefix]] = {}
        for prefix in prefixes:
            asked.setdefault(prefix.ids, []).append(prefix)
        known: list[tuple[tuple[int, ...], int, State]] = []
        for ids in asked:
            old, state, logits = self.prefixes.find(ids)
            if logits is None:
                known.append((ids, old, state))
            for prefix in asked[ids]:
                prefix.state, prefix.logits = state, logits
        if not known:
            return
        computed = self._compute(known)
        for (ids, old, _), (state, logits) in zip(known, computed, strict=True):
            for prefix in asked[ids]:
                prefix.state, prefix.logits = state, logits
            if old:  # its base has the rest
                state = [(k[:, old:].clone(), v[:, old:].clone()) for k, v in state]
            self.prefixes.keep(ids, old, state, logits)

    def _compute(
        self, known: Sequence[tuple[tuple[int, ...], int, State]]
    ) -> list[tuple[State, Tensor]]:
        """State and logits of token ids of which the first few are known."""
        device = self.model.device
        most = max(old for _, old, _ in known)
        width = max(len(ids) - old for ids, old, _ in known)
        columns = Columns(self.layers, len(known), most + width, most)
        read = np.zeros((len(known), width), np.int64)
        mask = np.zeros((len(known), most + width), np.bool_)
        places = np.zeros((len(known), width), np.int64)
        for i, (ids, old, state) in enumerate(known):
            if old:
                columns.put(slice(i, i + 1), state)
            first = width - (len(ids) - old)
            read[i, first:] = ids[old:]
            mask[i, most - old : most] = mask[i, most + first :] = True
            places[i, first:] = np.arange(old, len(ids))
        logits = self.forward(
            torch.from_numpy(read).to(device),
            columns,
            None if mask.all() else torch.from_numpy(mask).to(device),
            torch.from_numpy(places).to(device),
        )
        return [
            (
                columns.take(
                    i,
                    slice(most - old, most),
                    slice(most + width - (len(ids) - old), most + width),
                ),
                logits[i].clone(),
            )
            for i, (ids, old, _) in enumerate(known)
        ]
