"""What a smaller model's inference buys in each difficulty bin, beside a larger model.

The curves behind `tts_lab.exchange`: accuracy by budget, in multiples of the inference
of one answer, and the larger model's one greedy answer on the same problems. Promises:
only budgets that were measured. Not covered: which budget is the matched one
(`tts_lab.exchange.multiplier`), and drawing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, bootstrap_means, percentile_interval
from tts_lab.grid import matched, options, store


@dataclass(frozen=True)
class BinCurve:
    """The smaller model by its budget in a bin, and the larger one.

    Attributes
    ----------
    bin : int
        0 is the easiest.
    problems : int
    budget : (K,) float array
        Ascending, as multiples of the inference of one answer.
    mean, low, high : (K,) float array
        Accuracy of the smaller model, with its 95% interval over problems.
    large, large_low, large_high : float
        Accuracy of the larger model's greedy answer, with the same.
    """

    bin: int
    problems: int
    budget: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    large: float
    large_low: float
    large_high: float


def curves(
    small: Mapping[float, npt.ArrayLike],
    large: npt.ArrayLike,
    bins: npt.ArrayLike,
    *,
    seed: int = 0,
) -> list[BinCurve]:
    """One curve per bin; the arguments are those of `tts_lab.exchange.compare`.

    Parameters
    ----------
    small : mapping of budget to (P,) array
        Per problem, how often the smaller model's answer is right.
    large : (P,) array
        The larger model, greedy.
    bins : (P,) int array
    seed : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        If lengths differ, or there is no budget.

    Examples
    --------
    >>> [easy, hard] = curves({1: [1, 0], 4: [1, 1]}, [1, 1], [0, 1])
    >>> hard.budget, hard.mean, hard.large
    (array([1., 4.]), array([0., 1.]), 1.0)
    """
    if not small:
        raise ValueError("there are no budgets; accepted is one or more")
    budget = np.array(sorted(small), np.float64)
    number = np.asarray(bins, np.int64)
    columns = [np.asarray(small[b], np.float64) for b in sorted(small)]
    columns.append(np.asarray(large, np.float64))
    for values in columns:
        if values.shape != number.shape:
            raise ValueError(f"{values.shape} beside {number.shape}: one per problem")
    table = np.stack(columns, axis=1)
    found = []
    for one in np.unique(number).tolist():
        mine = table[number == one]
        low, high = percentile_interval(bootstrap_means(mine, seed=seed), 0.95)
        mean = mine.mean(axis=0)
        found.append(
            BinCurve(one, len(mine), budget, mean[:-1], low[:-1], high[:-1],
                     float(mean[-1]), float(low[-1]), float(high[-1]))
        )  # fmt: skip
    return found


def of_pair(
    pair: str, domain: str, *, rule: str = "weighted vote", bins: int = 3,
    counted: bool = False, verifier: str = matched.VERIFIER, seed: int = 0,
) -> list[BinCurve]:  # fmt: skip
    """The curves of a pair of the grid; see `tts_lab.grid.matched.compared`.

    Parameters
    ----------
    pair : str
        Of `tts_lab.grid.matched.PAIRS`.
    domain, rule, verifier : str
    bins : int
    counted : bool
        Whether the verifier's FLOPs are.
    seed : int

    Raises
    ------
    ValueError
        For a pair, domain, rule or verifier that the grid does not have.
    """
    if pair not in matched.PAIRS:
        raise ValueError(f"pair {pair!r} is unknown; there are {list(matched.PAIRS)}")
    small, large = matched.PAIRS[pair]
    return curves(
        matched.spent(small, domain, rule, verifier=verifier, counted=counted),
        store.pools(large, domain).greedy,
        options.difficulty(domain, policy=small, bins=bins).bin,
        seed=seed,
    )
