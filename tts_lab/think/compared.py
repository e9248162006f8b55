"""Long thinking beside parallel samples, revisions and search, at equal cost.

All are the 380k rung, or tuned from it, on the same problems of the shipped grid, and
their cost is counted alike: tokens written and read again, and FLOPs with attention
over the context (Brown et al. 2407.21787v3) for the policy and 2 N for every token a
verifier reads. Of a search only totals are kept, so its context is reckoned as the
prompt and half a sample. Not covered: what training took (`training.json` of each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tts_lab.bootstrap import (
    FloatArray,
    IntArray,
    bootstrap_means,
    percentile_interval,
)
from tts_lab.grid import store, tables
from tts_lab.grid.store import Cost
from tts_lab.ladder.rungs import rung
from tts_lab.think.measured import LONGEST, Thoughts, sequence_flops

POLICY, VERIFIER, REVISER = "380k", "prm-a", "reviser-380k"


@dataclass(frozen=True)
class Point:
    """One strategy at one budget; what `tts_lab.figures.race` draws.

    Attributes
    ----------
    strategy : str
    n : int
        Samples, or thinking tokens at most.
    right : (P,) float array
        Per problem, how often the answer is right.
    tokens, flops : (P,) float arrays
    """

    strategy: str
    n: int
    right: FloatArray
    tokens: FloatArray
    flops: FloatArray

    @property
    def problems(self) -> int:
        return len(self.right)

    def cost(self, of: Cost) -> float:
        """The mean over problems."""
        each = {"tokens": self.tokens, "flops": self.flops}
        return float(each[of].mean()) if of in each else float(self.n)

    def accuracy(self) -> tuple[float, float, float]:
        """Mean, and its 95% interval over problems."""
        draws = bootstrap_means(self.right[:, None])[:, 0]
        low, high = percentile_interval(draws, 0.95)
        return float(self.right.mean()), float(low), float(high)


def common_rows(domain: str) -> IntArray:
    """Those of the grid's problems that every strategy was run on.

    >>> len(common_rows("countdown"))
    60
    """
    searched = {
        cell.per_level for cell in store.cells(domain).values() if cell.policy == POLICY
    }
    rows = store.rows(domain, min(searched))
    return np.intersect1d(rows, store.chains(REVISER, domain)[0].rows)


def thinking(
    made: Thoughts,
    limits: Sequence[int],
    *,
    waits: int = 0,
    rows: IntArray | None = None,
) -> list[Point]:
    """Thinking that is cut at each limit, so many ends suppressed.

    Parameters
    ----------
    made : Thoughts
    limits : sequence of int
    waits : int
    rows : int array, optional
        Some of the problems.

    Returns
    -------
    list of Point
    """
    name = "thinking" if not waits else "thinking, every wait forced"
    if 0 < waits < LONGEST:
        name = f"thinking, {waits} forced"
    chosen = slice(None) if rows is None else rows
    return [
        Point(
            name, limit,
            made.accuracy(limit, waits=waits).mean(axis=1)[chosen],
            made.length(limit, waits=waits).mean(axis=1)[chosen],
            made.flops(limit, waits=waits).mean(axis=1)[chosen],
        )
        for limit in limits
    ]  # fmt: skip


def parallel(domain: str, rule: str, *, rows: IntArray | None = None) -> list[Point]:
    """Independent samples and a rule of `tts_lab.subsets.RULES`, at 1, 2, 4, ...

    "coverage" is a verifier that is never wrong.
    """
    pool = store.pools(POLICY, domain)
    judge = "" if rule in ("majority", "coverage") else VERIFIER
    table = tables.pools(POLICY, domain)[rule, judge]
    chosen = np.arange(len(pool.right)) if rows is None else rows
    written = pool.tokens.mean(axis=1)
    prompts = _prompts(domain)[:, None]
    one = sequence_flops(POLICY, prompts, pool.tokens).mean(axis=1)
    read = pool.read[judge].mean(axis=1) if judge else np.zeros(len(written))
    reading = store.flops(POLICY, 0 * written, judge or None, read)
    return [
        Point(
            rule, n, table[chosen, j], ((written + read) * n)[chosen],
            ((one + reading) * n)[chosen],
        )
        for j, n in enumerate(tables.powers(pool.n))
    ]  # fmt: skip


def searches(domain: str, rows: IntArray, *, rule: str = "best-of-n") -> list[Point]:
    """The searches that the grid has of the policy, on problems it has them of."""
    pool, found = store.pools(POLICY, domain), []
    prompts = _prompts(domain)
    half = prompts + pool.tokens.mean(axis=1) / 2
    shape = rung(POLICY)
    for cell in store.cells(domain).values():
        if cell.policy != POLICY or cell.verifier != VERIFIER:
            continue
        mine = store.rows(domain, cell.per_level)
        place = np.searchsorted(mine, rows)
        written = np.array(cell.generated)[place]
        read = np.array(cell.read)[place]
        attention = 4.0 * shape.layers * shape.hidden * half[rows] * written
        flops = store.flops(POLICY, written, VERIFIER, read) + attention
        right = np.array(cell.right[rule])[place]
        found.append(Point(cell.strategy, cell.n, right, written + read, flops))
    return sorted(found, key=lambda point: (point.strategy, point.n))


def revisions(
    domain: str, rows: IntArray, *, rule: str = "majority", chains: int = 4
) -> list[Point]:
    """So many chains of 1, 2, 4, ... revisions each, on problems it has them of."""
    shapes = store.chains(REVISER, domain)
    place = np.searchsorted(shapes[0].rows, rows)
    table = tables.chains(REVISER, domain)
    whole = next(one for one in shapes if one.chains == chains)
    prompts = _prompts(domain)[whole.rows]
    before = prompts[:, None, None] + whole.seen
    cost = sequence_flops(POLICY, before, whole.tokens)
    tokens = (whole.tokens + whole.seen).astype(np.float64)
    found = []
    for steps in (2**i for i in range(whole.steps.bit_length())):
        if (rule, chains, steps) not in table:
            continue
        found.append(Point(
            f"{chains} chains of revisions", chains * steps,
            table[rule, chains, steps][place],
            tokens[:, :, :steps].sum(axis=(1, 2))[place],
            cost[:, :, :steps].sum(axis=(1, 2))[place],
        ))  # fmt: skip
    return found


def at_cost(points: Sequence[Point], budget: FloatArray, of: Cost) -> FloatArray:
    """(P,) accuracy of a strategy at each problem's own budget.

    Interpolated in the log of the cost, problem by problem; beyond the last point it is
    that of the last, below the first that of the first.

    Parameters
    ----------
    points : sequence of Point
        Of one strategy, the same problems.
    budget : (P,) float array
        In tokens or FLOPs.
    of : str

    Raises
    ------
    ValueError
        For samples, which strategies do not share.
    """
    if of not in ("tokens", "flops"):
        raise ValueError(f"of is {of!r}; accepted are 'tokens' and 'flops'")
    cost = np.stack([point.tokens if of == "tokens" else point.flops
                     for point in points], 1)  # fmt: skip
    right = np.stack([point.right for point in points], 1)
    return np.array([
        np.interp(np.log(b), np.log(c), r)
        for b, c, r in zip(budget, cost, right, strict=True)
    ])  # fmt: skip


def _prompts(domain: str) -> IntArray:
    """Tokens of each problem of the grid, BOS included."""
    return np.array([1 + len(one.prompt) for one in store.evaluated(domain)])
