"""Figures of compute-optimal allocation: accuracy against budget, stable bins.

Promises and limits are those of `tts_lab.figures`. Who wins in which bin:
`tts_lab.figures.winners`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tts_lab.allocate import Allocation
from tts_lab.figures.budget import BUDGETS, Budget, plain, scaled
from tts_lab.figures.picture import (
    STYLES,
    Picture,
    caption,
    line,
    log_axis,
    name_lines,
    share_axis,
    start,
)


def allocation_curves(
    curves: Mapping[str, Sequence[Allocation]],
    *,
    budget: Budget = "flops",
    title: str = "Accuracy against budget",
) -> Picture:
    """Draw what allocations get right at each budget, with intervals.

    Parameters
    ----------
    curves : mapping of label to sequence of Allocation
        What `tts_lab.allocate.compute_optimal` and `best_of` give.
    budget : "samples", "tokens" or "flops"
        The unit of the budgets.
    title : str

    Raises
    ------
    ValueError
        If there are no curves, one is empty, or the unit is another.

    References
    ----------
    Snell et al. (2408.03314), Figures 4 and 8.

    Examples
    --------
    >>> from tts_lab.allocate import Option, best_of
    >>> votes = [Option.of(f"majority, n = {n}", [1, n > 1], n) for n in (1, 4)]
    >>> figure = allocation_curves({"majority": best_of(votes, [1, 4])},
    ...                            budget="samples")
    >>> print("\\n".join(figure.rows[1:4]))
    majority, by samples per problem
      1: 0.500 [0.000, 1.000], spends 1
      4: 1.000 [1.000, 1.000], spends 4
    """
    checked(curves.values(), budget)
    figure, (axes,) = start(title)
    largest = max(one.budget for curve in curves.values() for one in curve)
    unit, label = scaled(budget, largest)
    for i, (name, curve) in enumerate(curves.items()):
        x = [one.budget / unit for one in curve]
        line(axes, name, x, [one.accuracy for one in curve], i)
        axes.fill_between(
            x, [one.low for one in curve], [one.high for one in curve],
            color=STYLES[i % len(STYLES)][0], alpha=0.16, linewidth=0,
        )  # fmt: skip
        figure.rows.append(f"{name}, by {label}")
        figure.rows += [
            f"  {plain(at)}: {one.accuracy:.3f} [{one.low:.3f}, {one.high:.3f}], "
            f"spends {plain(one.cost.mean() / unit)}"
            for at, one in zip(x, curve, strict=True)
        ]
    share_axis(axes, "share of problems answered right")
    log_axis(axes, label)
    name_lines(axes)
    first = next(iter(curves.values()))[0]
    caption(figure, f"{len(first.right)} problems; band: 95% interval over problems")
    return figure


def bin_stability(
    samples: Sequence[int],
    agreement: Mapping[str, npt.ArrayLike],
    *,
    bins: int,
    problems: int,
    title: str = "How many samples settle the bins",
) -> Picture:
    """Draw how often so many samples put a problem into its final bin.

    Parameters
    ----------
    samples : (K,) sequence of int
    agreement : mapping of label to (K,) float array
        What `tts_lab.difficulty.stability` gives at each number of samples.
    bins, problems : int
        How many; 1 / bins is chance.
    title : str

    Raises
    ------
    ValueError
        If a label has not one share for each number of samples.

    Examples
    --------
    >>> bin_stability([1, 4], {"oracle": [0.4, 0.7]}, bins=5, problems=50).rows[1:3]
    ['oracle, by samples of each problem', '  1: 0.400']
    """
    figure, (axes,) = start(title)
    for i, (name, found) in enumerate(agreement.items()):
        share = np.asarray(found, np.float64)
        if share.shape != (len(samples),):
            raise ValueError(
                f"{name!r} has shape {share.shape} for {len(samples)} numbers of "
                "samples"
            )
        line(axes, name, samples, share, i)
        figure.rows.append(f"{name}, by samples of each problem")
        figure.rows += [
            f"  {plain(k)}: {value:.3f}"
            for k, value in zip(samples, share.tolist(), strict=True)
        ]
    axes.axhline(1 / bins, color="0.4", linestyle=":", linewidth=1.2, label="_chance")
    axes.annotate("chance", (samples[-1], 1 / bins), (0, 4), fontsize=10, ha="right",
                  color="0.35", textcoords="offset points")  # fmt: skip
    share_axis(axes, "problems in their final bin")
    log_axis(axes, "samples of each problem")
    name_lines(axes)
    caption(
        figure, f"{problems} problems in {bins} bins; the final bin is that of all "
        f"samples; chance is {1 / bins:.3f}",
    )  # fmt: skip
    return figure


def checked(curves: Iterable[Sequence[Allocation]], budget: str) -> None:
    """Refuse an unknown unit, and curves without a point."""
    if budget not in BUDGETS:
        raise ValueError(f"budget must be one of {list(BUDGETS)}, got {budget!r}")
    some = list(curves)
    if not some or not all(some):
        raise ValueError("there are no allocations to draw")
