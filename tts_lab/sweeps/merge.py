"""A sweep's samples into a bank, row by row as they were drawn.

Promises: a run with that bank finds every row that the sweep drew of the same policy,
problem, request and seed, and gives the same outcome as one that draws them; merging
again adds nothing. Not covered: results, which any run computes from the samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tts_lab.bank import Bank
from tts_lab.proposers import Samples
from tts_lab.sweeps.foreign import check, named, refuse_large
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.tables import texts

_ROWS = 50_000  # in one transaction


class Merged(NamedTuple):
    """What was read, and what was new to the bank."""

    files: int
    rows: int
    new: int


def into_bank(
    out: str | os.PathLike[str],
    bank: Bank,
    *,
    say: Callable[[int, int], object] = lambda done, files: None,
) -> Merged:
    """Store every sample of a sweep in a bank.

    Parameters
    ----------
    out : str or path
        The sweep's folder or URL; it may be unfinished.
    bank : Bank
    say : callable
        Told how many files of how many are done.

    Raises
    ------
    SweepError
        If there is no sweep, or one of its files is damaged.
    BankError
        If the bank cannot be written.
    """
    store = Store(out)
    if store.header() is None:
        raise SweepError(f"{store.title!r} is no sweep: it has no plan.json")
    before, rows = bank.stats().rows, 0
    files = store.files("samples")
    for done, file in enumerate(files, start=1):
        with named(file), store.fs.open(file, "rb") as opened:
            refuse_large(opened)
        table, _ = store.read(file)
        with named(file):
            check(table)
            exact = texts(table)
        for start in range(0, table.num_rows, _ROWS):
            some = table.slice(start, _ROWS)
            part = some.drop_columns(["prefix", "score", "right"]).to_pydict()
            number = {key: i for i, key in enumerate(dict.fromkeys(part["key"]))}
            samples = Samples(
                np.array([number[key] for key in part["key"]], np.int32),
                np.array(part["row"], np.int64),
                exact[start : start + _ROWS],
                np.array(part["tokens"], np.int32),
                np.array(part["finished"], np.bool_),
                np.array(part["logprob"], np.float32),
            )
            bank.put_many(list(number), samples)
        rows += table.num_rows
        say(done, len(files))
    return Merged(len(files), rows, bank.stats().rows - before)
