"""Accuracy against thinking tokens, ours and published; bars of an ablation.

Promises and limits are those of `tts_lab.figures`; what is published is grey, and is
drawn as printed: without intervals, since none are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import PercentFormatter

from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.figures.budget import plain
from tts_lab.figures.picture import (
    GREY,
    STYLES,
    Picture,
    caption,
    log_axis,
    name_lines,
    share_axis,
    start,
)
from tts_lab.figures.searches import Raced

_MARKS = ("o", "s", "^", "D")


def token_scaling(
    points: Sequence[Raced],
    published: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str = "Accuracy against thinking tokens",
) -> Picture:
    """Draw accuracy against tokens beside what others printed.

    Parameters
    ----------
    points : sequence of Point
        See `tts_lab.figures.race`.
    published : mapping of name to sequence of (tokens, share)
        The name says the source.
    title : str

    Raises
    ------
    ValueError
        If there are no points.

    Examples
    --------
    >>> from tts_lab.think.compared import Point
    >>> ones = np.ones(2)
    >>> points = [Point("ours", n, ones / 2, n * ones, ones) for n in (40, 80)]
    >>> print(token_scaling(points, {"theirs": [(500, 0.6)]}).rows[-2])
      500: 0.600
    """
    if not points:
        raise ValueError("there are no points to draw")
    figure, (axes,) = start(title)
    for i, name in enumerate(dict.fromkeys(point.strategy for point in points)):
        mine = [point for point in points if point.strategy == name]
        x = [point.cost("tokens") for point in mine]
        shares = np.array([point.accuracy() for point in mine])
        colour, marker, dash = STYLES[i % len(STYLES)]
        axes.plot(
            x, shares[:, 0], dash, color=colour, marker=marker, markersize=5,
            linewidth=1.8, label=name,
        )  # fmt: skip
        axes.fill_between(
            x, shares[:, 1], shares[:, 2], color=colour, alpha=0.18, linewidth=0
        )
        figure.rows.append(f"{name}, by tokens")
        figure.rows += [
            f"  {plain(round(at, 1))}: {mean:.3f} [{low:.3f}, {high:.3f}]"
            for at, (mean, low, high) in zip(x, shares.tolist(), strict=True)
        ]
    for i, (name, pairs) in enumerate(published.items()):
        at, share = zip(*pairs, strict=True)
        axes.plot(
            at, share, ":", color=GREY, marker=_MARKS[i % len(_MARKS)], markersize=5,
            markerfacecolor="white", linewidth=1.2, label=name,
        )  # fmt: skip
        figure.rows.append(f"{name}, as published, by tokens")
        figure.rows += [
            f"  {plain(a)}: {s:.3f}" for a, s in zip(at, share, strict=True)
        ]
    log_axis(axes, "thinking tokens")
    share_axis(axes, "share answered right")
    name_lines(axes)
    counts = " and ".join(map(str, sorted({point.problems for point in points})))
    caption(figure, f"ours: {counts} problems; band: 95% interval")
    return figure


def ablation(
    variants: Mapping[str, npt.ArrayLike],
    published: Mapping[str, float],
    *,
    title: str,
    share: str = "share of tasks solved",
) -> Picture:
    """Draw a bar for each variant, and what was published of it.

    Parameters
    ----------
    variants : mapping of name to (P,) array
        Per task, whether it was solved.
    published : mapping of name to float
        Shares, for those of the variants that were printed.
    title, share : str

    Raises
    ------
    ValueError
        If there is no variant.

    Examples
    --------
    >>> made = ablation({"full": [1, 1], "no voting": [0, 1]}, {"full": 0.4}, title="T")
    >>> made.rows[1:3]
    ['full: 1.000 [1.000, 1.000]; published 0.400', 'no voting: 0.500 [0.000, 1.000]']
    """
    if not variants:
        raise ValueError("there is no variant to draw")
    figure, (axes,) = start(title)
    colour = STYLES[0][0]
    for place, (name, solved) in enumerate(variants.items()):
        values = np.asarray(solved, np.float64)
        low, high = percentile_interval(bootstrap_means(values[:, None])[:, 0], 0.95)
        mean = float(values.mean())
        axes.barh(place, mean, height=0.55, color=colour)
        axes.plot([low, high], [place, place], color="black", linewidth=1.6)
        row = f"{name}: {mean:.3f} [{low:.3f}, {high:.3f}]"
        said = published.get(name)
        if said is not None:
            axes.plot(said, place, "D", color="white", markeredgecolor="black")
            row += f"; published {said:.3f}"
        axes.annotate(
            f"{mean:.0%}", (max(mean, float(high)), place), (6, 0), va="center",
            textcoords="offset points", fontsize=10.5,
        )  # fmt: skip
        figure.rows.append(row)
    axes.set_yticks(range(len(variants)), list(variants))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(share, fontsize=11)
    count = len(np.asarray(next(iter(variants.values()))))
    words = f"{count} tasks; line: 95% interval over tasks"
    caption(figure, words + ("; diamond: as published" if published else ""))
    return figure
