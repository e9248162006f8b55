"""The shipped grid: pools of samples, runs of searches, chains of revisions.

A file per part under `tts_lab/data/grid`, as plain NumPy arrays and JSON, so that it
reads in milliseconds and nothing in it is code. All parts of a domain are about the
same problems, level after level; a part on a share of them holds the first of every
level. Not covered: texts; what is kept of a sample is its answer, whether it is right,
its scores and its tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tts_lab import problems
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.grid.parts import (
    Cell,
    Chains,
    Cost,
    Pools,
    flops,
    parameters,
    policy_folder,
)
from tts_lab.traces import Problem

FOLDER = Path(__file__).parent.parent / "data" / "grid"
LEVELS = {"chains": (4, 5, 6, 7, 8), "countdown": (2, 3, 4, 5)}
PER_LEVEL = {"chains": 50, "countdown": 60}

__all__ = [
    "Cell", "Chains", "Cost", "Pools", "cells", "chains", "evaluated", "flops",
    "levels", "parameters", "policy_folder", "pools", "read_arrays", "rows",
    "write_arrays", "write_cells", "write_chains", "write_pools",
]  # fmt: skip


def evaluated(domain: str, per_level: int | None = None) -> list[Problem]:
    """The grid's problems, level after level, of the frozen evaluation set."""
    each = PER_LEVEL[domain] if per_level is None else per_level
    return [
        problem
        for level in LEVELS[domain]
        for problem in problems.evaluation_set(domain, level, each)
    ]


def levels(domain: str, per_level: int | None = None) -> IntArray:
    """The level of each of them."""
    each = PER_LEVEL[domain] if per_level is None else per_level
    return np.repeat(LEVELS[domain], each)


def rows(
    domain: str,
    per_level: int,
    of: int | None = None,
    *,
    some: Sequence[int] | None = None,
) -> IntArray:
    """Which of the grid's problems a part with fewer of each level is about.

    Parameters
    ----------
    domain : str
    per_level : int
    of : int, optional
        Problems of each level that the grid has, when it is not the shipped one.
    some : sequence of int, optional
        Levels; all of the grid by default.

    >>> rows("countdown", 2).tolist()
    [0, 1, 60, 61, 120, 121, 180, 181]
    """
    each = PER_LEVEL[domain] if of is None else of
    wanted = LEVELS[domain] if some is None else some
    first = np.array([LEVELS[domain].index(one) for one in wanted])[:, None] * each
    return (first + np.arange(per_level)).ravel()


def pools(policy: str, domain: str, *, folder: Path = FOLDER) -> Pools:
    """The samples of a policy on a domain.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.

    >>> pools("105k", "chains").right.shape
    (250, 256)
    """
    stored = read_arrays(folder / f"pools-{policy}-{domain}.npz")
    verifiers = [name.removeprefix("score ") for name in stored
                 if name.startswith("score ")]  # fmt: skip
    return Pools(
        policy, domain,
        stored["answer"].astype(np.int64), stored["right"].astype(np.bool_),
        stored["tokens"].astype(np.int64),
        {v: stored[f"score {v}"].astype(np.float64) for v in verifiers},
        {v: stored[f"read {v}"].astype(np.int64) for v in verifiers},
        stored["greedy"].astype(np.bool_), int(stored["seed"]),
    )  # fmt: skip


def write_pools(made: Pools, *, folder: Path = FOLDER) -> None:
    """Store samples; scores keep three digits."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "answer": made.answer.astype(np.int16), "right": made.right,
        "tokens": made.tokens.astype(np.uint8), "greedy": made.greedy,
        "seed": np.array(made.seed),
    }  # fmt: skip
    for verifier, score in made.scores.items():
        arrays[f"score {verifier}"] = _three_digits(score)
        arrays[f"read {verifier}"] = made.read[verifier].astype(np.uint8)
    write_arrays(folder / f"pools-{made.policy}-{made.domain}.npz", arrays)


def chains(reviser: str, domain: str, *, folder: Path = FOLDER) -> list[Chains]:
    """The revisions of a reviser on a domain, one for each number of chains.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.
    """
    there = sorted(folder.glob(f"chains-{reviser}-{domain}-*.npz"))
    found = []
    for path in there or [folder / f"chains-{reviser}-{domain}.npz"]:
        stored = read_arrays(path)
        found.append(Chains(
            reviser, domain, str(stored["verifier"]), stored["rows"].astype(np.int64),
            stored["answer"].astype(np.int64), stored["right"].astype(np.bool_),
            stored["score"].astype(np.float64), stored["tokens"].astype(np.int64),
            stored["seen"].astype(np.int64), int(stored["seed"]),
        ))  # fmt: skip
    return sorted(found, key=lambda one: one.chains)


def write_chains(made: Chains, *, folder: Path = FOLDER) -> None:
    """Store revisions; scores keep three digits."""
    write_arrays(
        folder / f"chains-{made.reviser}-{made.domain}-{made.chains}.npz",
        {"answer": made.answer.astype(np.int16), "right": made.right,
         "score": _three_digits(made.score), "tokens": made.tokens.astype(np.uint8),
         "seen": made.seen.astype(np.uint8), "seed": np.array(made.seed),
         "verifier": np.array(made.verifier), "rows": made.rows.astype(np.int16)},
    )  # fmt: skip


def cells(domain: str, *, folder: Path = FOLDER) -> dict[
    tuple[str, str, str, str, int], Cell
]:  # fmt: skip
    """All searches on a domain, by (domain, policy, verifier, strategy, n)."""
    return {cell.key: cell for cell in _cells(folder / f"searches-{domain}.json")}


@cache
def _cells(path: Path) -> tuple[Cell, ...]:
    found = []
    for record in json.loads(_existing(path).read_text()):
        record["right"] = {rule: tuple(v) for rule, v in record["right"].items()}
        record |= {key: tuple(record[key]) for key in ("generated", "read")}
        found.append(Cell(**record))
    return tuple(found)


def write_cells(domain: str, made: Iterable[Cell], *, folder: Path = FOLDER) -> None:
    """Store all searches of a domain, in place of those there are."""
    lines = [json.dumps(asdict(cell), separators=(",", ":")) for cell in made]
    path = folder / f"searches-{domain}.json"
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    partial.replace(path)
    _cells.cache_clear()


@cache
def read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """A stored part; an error that lists what there is when it is not there."""
    with np.load(_existing(path), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Store a part, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    read_arrays.cache_clear()


def _three_digits(score: FloatArray) -> npt.NDArray[np.float32]:
    """Rounded to three significant digits, which pack well and keep the order."""
    values = np.asarray(score, np.float64)
    power = np.floor(np.log10(np.maximum(np.abs(values), 1e-30)))
    step = 10.0 ** (power - 2)
    return (np.round(values / step) * step).astype(np.float32)


def _existing(path: Path) -> Path:
    if not path.exists():
        there = sorted(one.stem for one in path.parent.glob("*.*"))
        raise ValueError(f"the grid has no {path.stem!r}; there are {there}")
    return path
