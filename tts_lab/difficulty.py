"""How hard a problem is for a policy: bins from samples, with or without answers.

Promises: bin 0 is the easiest; every problem is in exactly one bin; equal values keep
the problems' order. What estimating costs is the caller's to charge
(`tts_lab.allocate`): the samples it took are counted in `Difficulty.samples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, IntArray

Kind = Literal["oracle", "predicted"]


@dataclass(frozen=True)
class Difficulty:
    """Problems in bins.

    Attributes
    ----------
    bin : (P,) int array
        0 is the easiest.
    bins : int
    kind : str
        "oracle" needs the answers, "predicted" a verifier only.
    samples : int
        Samples of each problem that the estimate took.
    value : (P,) float array
        What the bins were made of: pass@1, or the mean score.
    """

    bin: IntArray
    bins: int
    kind: Kind
    samples: int
    value: FloatArray

    def rows(self, number: int) -> IntArray:
        """The problems of a bin."""
        return np.flatnonzero(self.bin == number)

    def agreement(self, other: Difficulty) -> float:
        """The share of problems that are in the same bin of both.

        >>> easy = quantiles([0.9, 0.5, 0.1], bins=3)
        >>> easy.agreement(quantiles([0.9, 0.1, 0.5], bins=3))
        0.3333333333333333
        """
        if len(self.bin) != len(other.bin):
            raise ValueError(f"{len(self.bin)} problems here, {len(other.bin)} there")
        return float((self.bin == other.bin).mean())


def quantiles(
    value: npt.ArrayLike, *, bins: int = 5, kind: Kind = "oracle", samples: int = 0
) -> Difficulty:
    """Bins of equal size, by falling value (Snell et al. 2408.03314, sec. 3.2).

    Parameters
    ----------
    value : (P,) float array
        Higher is easier: the share of right samples (oracle), or a verifier's mean
        score of the finished traces (predicted).
    bins : int
    kind : str
    samples : int

    Raises
    ------
    ValueError
        If there are fewer problems than bins, or a value is NaN.

    Examples
    --------
    >>> quantiles([0.1, 0.9, 0.5, 0.7], bins=2).bin
    array([1, 0, 1, 0])
    """
    values = _checked(value)
    if not 1 <= bins <= len(values):
        raise ValueError(f"bins is {bins!r}; accepted is 1 to {len(values)} problems")
    order = np.argsort(-values, kind="stable")
    number = np.empty(len(values), np.int64)
    for i, part in enumerate(np.array_split(order, bins)):
        number[part] = i
    return Difficulty(number, bins, kind, samples, values)


def thresholds(
    value: npt.ArrayLike,
    *,
    at: Sequence[float] = (0.5, 0.1),
    kind: Kind = "oracle",
    samples: int = 0,
) -> Difficulty:
    """Bins by absolute values: easy above the first, hard below the last.

    The 50% and 10% of pass@1 are those of Liu et al. (2502.06703, sec. 3.3). A value
    on a threshold belongs to the easier bin; a bin may be empty.

    Raises
    ------
    ValueError
        If the thresholds do not fall, or a value is NaN.

    Examples
    --------
    >>> thresholds([0.9, 0.5, 0.3, 0.02]).bin
    array([0, 0, 1, 2])
    """
    values = _checked(value)
    limits = np.asarray(at, np.float64)
    if limits.ndim != 1 or not len(limits) or (np.diff(limits) >= 0).any():
        raise ValueError(f"at is {list(at)}; accepted are falling thresholds")
    number = (values[:, None] < limits).sum(axis=1)
    return Difficulty(number, len(limits) + 1, kind, samples, values)


def stability(
    table: npt.ArrayLike,
    samples: Sequence[int],
    *,
    bins: int = 5,
    draws: int = 20,
    seed: int = 0,
) -> FloatArray:
    """How often so many samples put a problem into the bin that all samples do.

    Parameters
    ----------
    table : (P, N) float array
        Of each problem and sample, whether it is right, or its score.
    samples : sequence of int
        Numbers of samples, at most N.
    bins, draws, seed : int
        Random subsets of each number.

    Returns
    -------
    (len(samples),) float array
        Mean share of problems in the same bin.

    Examples
    --------
    >>> stability([[1, 1, 1], [0, 0, 0]], [1, 3], bins=2)
    array([1., 1.])
    """
    values = np.asarray(table, np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a table of shape {values.shape}; accepted is (P, N)")
    wrong = [k for k in samples if not 1 <= k <= values.shape[1]]
    if wrong:
        raise ValueError(f"samples {wrong}; accepted are 1 to {values.shape[1]}")
    whole = quantiles(values.mean(axis=1), bins=bins)
    rng = np.random.default_rng(seed)
    found = np.zeros(len(samples))
    for j, k in enumerate(samples):
        for _ in range(draws):
            chosen = rng.permuted(np.tile(np.arange(values.shape[1]),
                                          (len(values), 1)), axis=1)[:, :k]  # fmt: skip
            mean = np.take_along_axis(values, chosen, axis=1).mean(axis=1)
            found[j] += whole.agreement(quantiles(mean, bins=bins)) / draws
    return found


def _checked(value: npt.ArrayLike) -> FloatArray:
    values = np.asarray(value, np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values of shape {values.shape}; accepted is one per problem")
    if np.isnan(values).any():
        raise ValueError(f"value {int(np.argmax(np.isnan(values)))} is NaN")
    return values
