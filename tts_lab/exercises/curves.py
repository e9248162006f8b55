"""One figure for the checks: the learner's curve beside the right one.

Promises: a figure of its own, without pyplot, so nothing else is changed; the curves
differ in dash and marker as well as in colour. Not covered: intervals; what is drawn
here has none, it is the same formula evaluated twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def beside(
    k: npt.ArrayLike,
    yours: Any,
    right: npt.ArrayLike,
    *,
    title: str,
    ylabel: str = "coverage (share of problems)",
) -> Figure | None:
    """Draw two curves over k, in samples per problem on a log scale.

    Parameters
    ----------
    k : (K,) array
    yours : (K,) array
        The learner's; points that are not finite are left out.
    right : (K,) array
    title, ylabel : str

    Returns
    -------
    matplotlib.figure.Figure or None
        None when the learner's curve has another shape or no finite point.

    Examples
    --------
    >>> figure = beside([1, 10], [0.1, 0.2], [0.1, 0.4], title="coverage")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['right', 'yours']
    >>> beside([1, 10], [0.1], [0.1, 0.4], title="coverage") is None
    True
    """
    from matplotlib.figure import Figure

    ks = np.asarray(k, dtype=np.float64)
    mine = np.asarray(yours, dtype=np.float64)
    if mine.shape != ks.shape or not np.isfinite(mine).any():
        return None
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(ks, right, color="#4a97cf", linewidth=5, label="right")
    finite = np.isfinite(mine)
    axes.plot(ks[finite], mine[finite], "o--", color="#c44e00", label="yours")
    axes.set_xscale("log")
    axes.set_xlabel("k (samples per problem)")
    axes.set_ylabel(ylabel)
    axes.set_title(title)
    axes.legend()
    return figure
