"""Figures of search and of verifiers: races, AUC within and across, bars by bin.

Promises and limits are those of `tts_lab.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tts_lab.figures.budget import plain, scaled
from tts_lab.figures.picture import (
    STYLES,
    Picture,
    caption,
    log_axis,
    share_axis,
    start,
)
from tts_lab.race import Cost

_COSTS = {
    "samples": "samples per problem",
    "tokens": "tokens written and read per problem",
    "flops": "FLOPs per problem",
}
Share = tuple[float, float, float]


class Judged(Protocol):
    """What is known of a verifier on one level (`tts_lab.prm.report.Row`)."""

    @property
    def verifier(self) -> str: ...
    @property
    def within(self) -> Share: ...
    @property
    def across(self) -> Share: ...


class Raced(Protocol):
    """A strategy at one n (`tts_lab.race.Point`, `tts_lab.searches.Searched`)."""

    @property
    def strategy(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def problems(self) -> int: ...
    def cost(self, of: Cost) -> float: ...
    def accuracy(self) -> Share: ...


def race(
    points: Sequence[Raced],
    *,
    cost: Cost = "flops",
    title: str = "Accuracy against cost",
) -> Picture:
    """Draw the accuracy of each strategy against what it cost.

    Parameters
    ----------
    points : sequence of Point or Searched
        What `tts_lab.race.race` gives, or `tts_lab.searches.shipped`.
    cost : str
        "samples", "tokens" or "flops".
    title : str

    Raises
    ------
    ValueError
        For another cost, or no points.

    Examples
    --------
    >>> from tts_lab.proposers import Size
    >>> from tts_lab.race import Point
    >>> size = Size(100, 1, 8)
    >>> points = [Point("beam", n, 2, size, None, {0: True, 1: n > 4}, 2 * n, 40 * n)
    ...           for n in (4, 16)]
    >>> print(race(points, cost="samples").rows[2])
      4: 0.500 [0.000, 1.000]
    """
    if cost not in _COSTS:
        raise ValueError(f"cost={cost!r}; accepted are {list(_COSTS)}")
    if not points:
        raise ValueError("there are no points to draw")
    figure, (axes,) = start(title)
    unit, label = 1.0, _COSTS[cost]
    if cost == "flops":
        unit, words = scaled("flops", max(point.cost(cost) for point in points))
        label = f"{words}, verifier included"
    for i, name in enumerate(dict.fromkeys(point.strategy for point in points)):
        mine = [point for point in points if point.strategy == name]
        x = [point.cost(cost) / unit for point in mine]
        shares = np.array([point.accuracy() for point in mine])
        colour, marker, dash = STYLES[i % len(STYLES)]
        axes.errorbar(
            x, shares[:, 0], yerr=np.abs(shares[:, 1:].T - shares[:, 0]),
            color=colour, marker=marker, linestyle=dash, markersize=5, linewidth=1.8,
            elinewidth=0.9, capsize=3, label=name,
        )  # fmt: skip
        figure.rows.append(f"{name}, by {label}")
        figure.rows += [
            f"  {plain(at)}: {mean:.3f} [{low:.3f}, {high:.3f}]"
            for at, (mean, low, high) in zip(x, shares.tolist(), strict=True)
        ]
    log_axis(axes, label)
    share_axis(axes, "share of problems answered right")
    if len(axes.containers) > 4:  # they would lie on the lines
        axes.legend(
            frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4,
            fontsize=9.5,
        )  # fmt: skip
    else:
        axes.legend(frameon=False, loc="lower right", ncols=2)
    different = list(dict.fromkeys(point.n for point in points))
    budgets = f"n = {', '.join(map(str, different))}; " if len(different) < 9 else ""
    caption(figure, f"{points[0].problems} problems; {budgets}bars: 95% interval")
    return figure


def verifiers(rows: Sequence[Judged], *, title: str) -> Picture:
    """Draw each verifier's AUC within a problem beside that across problems.

    Parameters
    ----------
    rows : sequence of Row
        Of one level, one per verifier.
    title : str
    """
    if not rows:
        raise ValueError("there are no verifiers to draw")
    figure, (axes,) = start(title)
    height = np.arange(len(rows))[::-1]
    for i, (name, shift) in enumerate((("within", 0.12), ("across", -0.12))):
        found = np.array([getattr(row, name) for row in rows])
        colour, marker, _ = STYLES[i]
        axes.errorbar(
            found[:, 0], height + shift, xerr=np.abs(found[:, 1:].T - found[:, 0]),
            color=colour, marker=marker, linestyle="", capsize=3,
            label=f"{name} problems" if name == "across" else "within a problem",
        )  # fmt: skip
    axes.axvline(0.5, color="0.5", linestyle=":", linewidth=1.2)
    axes.set_yticks(height, [row.verifier for row in rows])
    axes.set_xlim(0.45, 1.01)
    axes.set_xlabel("AUC (0.5 is a coin)")
    axes.legend(frameon=False, loc="lower left")
    for row in rows:
        (a, b, c), (d, e, f) = row.within, row.across
        figure.rows.append(
            f"{row.verifier}: within {a:.3f} [{b:.3f}, {c:.3f}], "
            f"across {d:.3f} [{e:.3f}, {f:.3f}]"
        )
    caption(figure, "bars: 95% interval over problems")
    return figure


def bins(
    shares: Mapping[str, Sequence[Share]],
    names: Sequence[str],
    *,
    title: str,
    label: str = "share of problems answered right",
) -> Picture:
    """Draw one group of bars for each bin, one bar for each strategy.

    Parameters
    ----------
    shares : mapping of strategy to sequence of (value, low, high)
        One for each bin.
    names : sequence of str
        Of the bins.
    title, label : str

    Raises
    ------
    ValueError
        If a strategy has not one share for each bin.
    """
    for strategy, found in shares.items():
        if len(found) != len(names):
            raise ValueError(
                f"{strategy!r} has {len(found)} shares for {len(names)} bins"
            )
    figure, (axes,) = start(title)
    width = 0.8 / len(shares)
    place = np.arange(len(names))
    hatches = ("", "///", "...", "xx", "\\\\", "++", "--")
    for i, (strategy, found) in enumerate(shares.items()):
        table = np.array(found)
        axes.bar(
            place + (i - (len(shares) - 1) / 2) * width, table[:, 0], width,
            yerr=np.abs(table[:, 1:].T - table[:, 0]), capsize=2,
            color=STYLES[i % len(STYLES)][0], edgecolor="white",
            hatch=hatches[i % len(hatches)], label=strategy,
            error_kw={"linewidth": 0.9, "ecolor": "0.2"},
        )  # fmt: skip
        figure.rows.append(strategy)
        figure.rows += [
            f"  {name}: {mean:.3f} [{low:.3f}, {high:.3f}]"
            for name, (mean, low, high) in zip(names, table.tolist(), strict=True)
        ]
    axes.set_xticks(place, names)
    share_axis(axes, label)
    axes.legend(frameon=False, loc="upper right")
    caption(figure, "bars: 95% interval over problems")
    return figure
