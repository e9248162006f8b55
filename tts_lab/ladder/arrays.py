"""The compiled kernels' arrays: weights, cache, scratch, rows, slots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Matrix(NamedTuple):
    """A matrix in panels of 16 columns; those of all layers stacked."""

    panels: Floats  # (layers, panels, inputs, 16)
    spans: Integers  # (layers, panels, 2) the inputs that each panel has weights for


class Weights(NamedTuple):
    """A model as the kernels want it."""

    embed: Floats  # (vocabulary, hidden)
    norm1: Floats  # (layers, hidden)
    qkv: Matrix
    out: Matrix
    norm2: Floats  # (layers, hidden)
    gate_up: Matrix
    down: Matrix
    norm: Floats  # (hidden,)
    head: Matrix  # one layer
    cos: Floats  # (context, head_dim / 2)
    sin: Floats  # (context, head_dim / 2)
    epsilon: np.float32


class Cache(NamedTuple):
    """Keys and values of prefixes or slots."""

    keys: Floats  # (entries, layers, heads, length, head_dim)
    values: Floats  # (entries, layers, heads, length, head_dim)


class Buffers(NamedTuple):
    """Scratch of one thread."""

    x: Floats  # (block, hidden) residual stream
    normed: Floats  # (block, hidden)
    qkv: Floats  # (block, 3 * hidden)
    mixed: Floats  # (block, hidden) attention output
    gate_up: Floats  # (block, 2 * intermediate)
    product: Floats  # (block, intermediate)
    logits: Floats  # (block, vocabulary)
    scores: Floats  # (2 * context + 64,)
    token: Integers  # (block,) input token of each row
    place: Integers  # (5, block) position; shared entry, length; own entry, length


class Rows(NamedTuple):
    """What is to be written: one entry per row."""

    key: NDArray[np.uint64]  # random stream
    prefix: Integers  # which prefix the row starts from
    temperature: Floats
    limit: Integers  # most tokens to write
    until_step: NDArray[np.bool_]  # the first stop ends a row of these
    text: NDArray[np.uint8]  # (rows, longest) tokens written
    length: Integers  # tokens written so far
    logprob: NDArray[np.float64]  # their summed log-probability
    reason: NDArray[np.uint8]  # 0 unfinished, 1 end of text, 2 stop, 3 limit
    finished: Integers  # row numbers in the order they finished


class Slots(NamedTuple):
    """Which rows are being written."""

    row: Integers  # (slots,) row of each slot
    active: Integers  # (slots,) the slots in use first, then the free ones
    counts: Integers  # (3,) slots in use, next row to start, rows finished
