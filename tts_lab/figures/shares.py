"""A share of problems against anything on a log axis: steps, chains, parameters.

Promises and limits are those of `tts_lab.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.figures.budget import plain
from tts_lab.figures.picture import (
    STYLES,
    Picture,
    caption,
    line,
    log_axis,
    share_axis,
    start,
)


def shares(
    tables: Mapping[str, npt.ArrayLike],
    x: Sequence[float],
    *,
    label: str,
    title: str,
    ticks: Sequence[str] | None = None,
    share: str = "share of answers that are right",
) -> Picture:
    """Draw the mean over problems of each table's columns, with its interval.

    Parameters
    ----------
    tables : mapping of str to (P, X) array
        Per problem, the share at each x.
    x : sequence of float
        Above 0, ascending.
    label, title : str
    ticks : sequence of str, optional
        Written at each x in place of the number.
    share : str
        What the vertical axis is.

    Raises
    ------
    ValueError
        If there is no table, or one has not a column for each x.

    Examples
    --------
    >>> made = shares({"a": [[0, 1], [1, 1]]}, [1, 2], label="attempt", title="Two")
    >>> made.rows[1:4]
    ['a, by attempt', '  1: 0.500 [0.000, 1.000]', '  2: 1.000 [1.000, 1.000]']
    """
    if not tables:
        raise ValueError("there are no tables to draw")
    figure, (axes,) = start(title)
    counts = set()
    for i, (name, values) in enumerate(tables.items()):
        table = np.asarray(values, np.float64)
        if table.ndim != 2 or table.shape[1] != len(x):
            raise ValueError(
                f"{name!r} has shape {table.shape}; accepted is (P, {len(x)})"
            )
        counts.add(len(table))
        mean = table.mean(axis=0)
        low, high = percentile_interval(bootstrap_means(table), 0.95)
        line(axes, name, x, mean, i)
        axes.fill_between(
            x, low, high, color=STYLES[i % len(STYLES)][0], alpha=0.15, linewidth=0
        )
        figure.rows.append(f"{name}, by {label}")
        words = ticks or [plain(at) for at in x]
        figure.rows += [
            f"  {word}: {m:.3f} [{a:.3f}, {b:.3f}]"
            for word, m, a, b in zip(words, mean, low, high, strict=True)
        ]
    log_axis(axes, label)
    if ticks is not None:
        axes.set_xticks(list(x), list(ticks))
    share_axis(axes, share)
    axes.legend(frameon=False, fontsize=10)
    problems = " and ".join(map(str, sorted(counts)))
    caption(figure, f"{problems} problems each; band: 95% interval over problems")
    return figure
