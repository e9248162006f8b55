"""How good a verifier is: AUC within and across problems, calibration, step labels.

Selection and search only ever compare traces of one problem, so the figure that counts
is the AUC *within* a problem. Across problems a verifier also gets credit for knowing
which problems are hard, which helps nobody choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from tts_lab.bootstrap import (
    FloatArray,
    Interval,
    bootstrap_means,
    bootstrap_weights,
    percentile_interval,
)
from tts_lab.prm import labels
from tts_lab.traces import Trace


def auc(scores: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """The chance that a right trace scores above a wrong one; ties count half.

    Parameters
    ----------
    scores : (N,) float
    right : (N,) bool

    Returns
    -------
    float
        NaN when all are right or all are wrong.

    Raises
    ------
    ValueError
        If the lengths differ or a score is NaN.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    0.75
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    if values.shape != truth.shape:
        raise ValueError(f"{len(values)} scores but {len(truth)} outcomes")
    if np.isnan(values).any():
        raise ValueError(f"score {int(np.argmax(np.isnan(values)))} is NaN")
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not (positive and negative):
        return float("nan")
    ranks = float(rankdata(values)[truth].sum())
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% bootstrap interval over problems."""

    value: float
    low: float
    high: float
    problems: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc_within(
    scores: npt.ArrayLike,
    right: npt.ArrayLike,
    problem: npt.ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """The mean over problems of the AUC among the problem's own traces.

    Problems whose traces are all right or all wrong say nothing and are left out.

    Raises
    ------
    ValueError
        If no problem has both, or as `auc` does.

    Examples
    --------
    >>> scores, right = [0.9, 0.1, 0.2, 0.3], [True, False, True, False]
    >>> auc_within(scores, right, [0, 0, 1, 1]).value
    0.5
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    groups = np.asarray(problem)
    each = np.array([auc(values[groups == g], truth[groups == g])
                     for g in np.unique(groups)])  # fmt: skip
    return _mean(each[~np.isnan(each)], resamples, seed)


def auc_across(
    scores: npt.ArrayLike,
    right: npt.ArrayLike,
    problem: npt.ArrayLike,
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """The AUC among all traces together, with an interval over problems."""
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    _, groups = np.unique(np.asarray(problem), return_inverse=True)
    count = int(groups.max()) + 1
    ranks = rankdata(values)
    draws = []
    for block in bootstrap_weights(count, resamples=resamples, seed=seed):
        draws += [_weighted_auc(ranks, truth, weights[groups]) for weights in block]
    low, high = percentile_interval(np.array(draws), 0.95)
    return Estimate(auc(values, truth), float(low), float(high), count)


def _weighted_auc(ranks: FloatArray, truth: npt.NDArray[np.bool_], weight: FloatArray
                  ) -> float:  # fmt: skip
    order = np.argsort(ranks, kind="stable")
    negatives = np.where(truth, 0, weight)[order].cumsum()
    _, first, inverse = np.unique(ranks[order], return_index=True, return_inverse=True)
    last = np.append(first[1:], len(order)) - 1
    below = np.concatenate([[0.0], negatives])[first][inverse]
    tied = negatives[last][inverse] - below
    positive = np.where(truth, weight, 0)[order]
    total = positive.sum() * negatives[-1]
    return float((positive * (below + tied / 2)).sum() / total) if total else np.nan


@dataclass(frozen=True)
class Calibration:
    """Scores in ten equal bins beside how often their traces are right.

    `error` is the expected calibration error: the mean distance between the two,
    weighted by the traces of each bin.
    """

    score: FloatArray
    right: FloatArray
    count: npt.NDArray[np.int64]

    @property
    def error(self) -> float:
        gap = np.abs(self.score - self.right) * self.count
        return float(np.nansum(gap) / self.count.sum())


def calibration(scores: npt.ArrayLike, right: npt.ArrayLike) -> Calibration:
    """Compare probabilities with frequencies (Naeini et al. 2015).

    Raises
    ------
    ValueError
        If a score is not a probability.

    Examples
    --------
    >>> round(calibration([0.9, 0.9, 0.1, 0.1], [True, True, False, True]).error, 3)
    0.25
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"scores from {values.min()!r} to {values.max()!r}: calibration is for "
            "probabilities, 0 to 1"
        )
    bins = np.minimum((values * 10).astype(np.int64), 9)
    count = np.bincount(bins, minlength=10)
    with np.errstate(invalid="ignore"):
        return Calibration(
            np.bincount(bins, values, 10) / count,
            np.bincount(bins, truth, 10) / count,
            count,
        )


def share(
    part: npt.ArrayLike,
    whole: npt.ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """A share of traces, with an interval over the problems that they come from.

    With the wrong traces that pass of each problem and all its wrong traces, it is
    the false-positive rate.

    Parameters
    ----------
    part, whole : (P,) array_like
        Traces per problem.

    Raises
    ------
    ValueError
        If there is no trace at all, or a part is larger than its whole.

    Examples
    --------
    >>> print(share([1, 0, 3], [4, 4, 4]))
    0.333 [0.000, 0.750]
    """
    some, every = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    if some.shape != every.shape or (some > every).any() or not every.sum():
        raise ValueError(f"part {part!r} is no part of whole {whole!r}")
    draws = []
    for weights in bootstrap_weights(len(every), resamples=resamples, seed=seed):
        with np.errstate(invalid="ignore"):
            draws.append(weights @ some / (weights @ every))
    low, high = np.nanquantile(np.concatenate(draws), [0.025, 0.975])
    value = some.sum() / every.sum()
    return Estimate(float(value), float(low), float(high), len(every))


def step_accuracy(
    traces: Sequence[Trace], scores: Sequence[npt.ArrayLike], *, threshold: float = 0.5
) -> float:
    """The share of steps whose score is on the right side of the exact truth."""
    truth = np.concatenate(labels.exact(traces)) > 0.5
    found = np.concatenate([np.asarray(one) for one in scores]) > threshold
    return float((truth == found).mean())


def _mean(values: FloatArray, resamples: int, seed: int) -> Estimate:
    if not len(values):
        raise ValueError("no problem has both right and wrong traces")
    draws = bootstrap_means(values[:, None], resamples=resamples, seed=seed)[:, 0]
    interval: Interval = tuple(map(float, percentile_interval(draws, 0.95)))  # type: ignore[assignment]
    return Estimate(float(values.mean()), *interval, len(values))
