"""What the grid's samples and revisions are worth at each budget, problem by problem.

Made once from the pools by the recipe, since it takes a minute, and shipped beside
them. Not covered: searches, which are run at each budget of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.grid.store import FOLDER, Chains, Pools, read_arrays, write_arrays
from tts_lab.subsets import (
    RULES,
    Pool,
    accuracy,
    best_of_n,
    hierarchical_vote,
    majority,
    weighted_vote,
)

SUBSETS = 100
REALISATIONS = 16  # of chains, at most


def powers(n: int) -> list[int]:
    """1, 2, 4, ... up to n.

    >>> powers(6)
    [1, 2, 4]
    """
    return [2**i for i in range(n.bit_length()) if 2**i <= n]


def of_pools(made: Pools) -> dict[tuple[str, str], FloatArray]:
    """(rule, verifier) to (P, K) accuracy at 1, 2, 4, ... samples.

    The expectation over random subsets of the pool. A majority and coverage have no
    verifier; their second name is empty.
    """
    found = {}
    for rule in RULES:
        free = rule in ("majority", "coverage")
        for verifier in [""] if free else list(made.scores):
            curve = accuracy(
                made.of(verifier or None), rule, powers(made.n), subsets=SUBSETS,
                seed=made.seed,
            )  # fmt: skip
            assert curve.per_problem is not None
            found[rule, verifier] = curve.per_problem
    return found


#: how the answer is chosen among all attempts of all chains
REVISION_RULES = ("hierarchical", "weighted vote", "best-of-n", "majority")


def of_chains(shapes: list[Chains]) -> dict[tuple[str, int, int], FloatArray]:
    """(rule, chains, steps) to (P,) accuracy, for powers of two of both.

    Each is averaged over the groups of chains that the run with the most of them
    allows; a shorter chain is the beginning of a longer one.
    """
    found: dict[tuple[str, int, int], FloatArray] = {}
    most = max(one.chains * one.steps for one in shapes)
    for chains in powers(max(one.chains for one in shapes)):
        for steps in powers(most // chains):
            fitting = [s for s in shapes if s.chains >= chains and s.steps >= steps]
            if not fitting:
                continue
            whole = max(fitting, key=lambda one: one.chains)
            groups = min(whole.chains // chains, REALISATIONS)
            sums = {rule: np.zeros(len(whole.right)) for rule in REVISION_RULES}
            for p in range(len(whole.right)):
                pool = Pool(whole.answer[p].ravel(), whole.right[p].ravel(),
                            whole.score[p].ravel())  # fmt: skip
                for g in range(groups):
                    first = g * chains + np.arange(chains)
                    mine = first[:, None] * whole.steps + np.arange(steps)
                    _add(sums, p, pool, mine)
            for rule, total in sums.items():
                found[rule, chains, steps] = total / groups
    return found


def _add(sums: Mapping[str, FloatArray], p: int, pool: Pool, mine: IntArray) -> None:
    flat = mine.T.ravel()[None]  # in the order written: step by step
    sums["hierarchical"][p] += hierarchical_vote(pool, mine)
    sums["weighted vote"][p] += weighted_vote(pool, flat)[0]
    sums["best-of-n"][p] += best_of_n(pool, flat)[0]
    sums["majority"][p] += majority(pool, flat)[0]


def write(name: str, made: Mapping[Any, FloatArray], *, folder: Path = FOLDER) -> None:
    """Store a table under a name; shares keep three digits."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "|".join(map(str, key)): np.round(values, 3).astype(np.float32)
        for key, values in made.items()
    }
    write_arrays(folder / f"{name}.npz", arrays)


def pools(policy: str, domain: str, *, folder: Path = FOLDER) -> dict[
    tuple[str, str], FloatArray
]:  # fmt: skip
    """The shipped table of a policy's pools; see `of_pools`.

    >>> pools("105k", "chains")["majority", ""].shape
    (250, 9)
    """
    stored = read_arrays(folder / f"table-pools-{policy}-{domain}.npz")
    return {_pair(key): values.astype(float) for key, values in stored.items()}


def chains(reviser: str, domain: str, *, folder: Path = FOLDER) -> dict[
    tuple[str, int, int], FloatArray
]:  # fmt: skip
    """The shipped table of a reviser's chains; see `of_chains`."""
    stored = read_arrays(folder / f"table-chains-{reviser}-{domain}.npz")
    found = {}
    for key, values in stored.items():
        rule, width, steps = key.split("|")
        found[rule, int(width), int(steps)] = values.astype(float)
    return found


def _pair(key: str) -> tuple[str, str]:
    rule, verifier = key.split("|")
    return rule, verifier
