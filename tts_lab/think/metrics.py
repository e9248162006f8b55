"""How well a way of setting the length of thinking works: s1's three measures.

Of Muennighoff et al. (2501.19393, sec. 3.2): Control, how often the length is where it
was wanted; Scaling, how steeply accuracy rises with it; Performance, the most it
reaches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def control(tokens: npt.ArrayLike, least: npt.ArrayLike, most: npt.ArrayLike) -> float:
    """The share of runs whose thinking is as long as was asked for.

    Parameters
    ----------
    tokens : float array
        Thinking tokens of each run.
    least, most : float arrays that broadcast against it
        The limits that were asked for.

    Raises
    ------
    ValueError
        If there is no run.

    References
    ----------
    Eq. 1: ``1/|A| sum over a in A of I(a_min <= a <= a_max)``.

    Examples
    --------
    >>> control([90, 100, 130], 80, 120)
    0.6666666666666666
    """
    values = np.asarray(tokens, np.float64)
    if values.size == 0:
        raise ValueError("tokens is empty; accepted is one run or more")
    inside = (np.asarray(least) <= values) & (values <= np.asarray(most))
    return float(inside.mean())


def scaling(tokens: npt.ArrayLike, accuracy: npt.ArrayLike) -> float:
    """The average slope of accuracy between all pairs of lengths, per token.

    Parameters
    ----------
    tokens : (K,) float array
        Different lengths, K of 2 or more.
    accuracy : (K,) float array

    Raises
    ------
    ValueError
        For fewer than two lengths, equal ones, or arrays that do not match.

    References
    ----------
    Eq. 2: the mean over pairs a < b of (f(b) - f(a)) / (b - a).

    Examples
    --------
    >>> round(scaling([100, 200, 400], [0.2, 0.4, 0.4]), 6)
    0.000889
    """
    x, y = _curve(tokens, accuracy)
    first, second = np.triu_indices(len(x), 1)
    return float(np.mean((y[second] - y[first]) / (x[second] - x[first])))


def performance(accuracy: npt.ArrayLike) -> float:
    """The highest accuracy at any length (Eq. 3).

    Raises
    ------
    ValueError
        If there is none.

    >>> performance([0.2, 0.4, 0.3])
    0.4
    """
    values = np.asarray(accuracy, np.float64)
    if values.size == 0:
        raise ValueError("accuracy is empty; accepted is one value or more")
    return float(values.max())


def log_slope(tokens: npt.ArrayLike, accuracy: npt.ArrayLike) -> float:
    """Accuracy gained for each doubling of tokens: least squares over log2 tokens.

    Parameters
    ----------
    tokens : (K,) float array
        Different and above 0, K of 2 or more.
    accuracy : (K,) float array

    Raises
    ------
    ValueError
        As `scaling`, and for lengths that are not above 0.

    Examples
    --------
    >>> round(log_slope([1, 2, 4], [0.1, 0.3, 0.5]), 6)
    0.2
    """
    x, y = _curve(tokens, accuracy)
    if x.min() <= 0:
        raise ValueError(f"tokens has {x.min()!r}; accepted is above 0")
    slope, _ = np.polyfit(np.log2(x), y, 1)
    return float(slope)


def bend(tokens: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[float, float, float]:
    """Where a curve that is a line in log tokens bends: (tokens, slope before, after).

    The two lines meet in one of the inner points, the one with the least squares.

    Parameters
    ----------
    tokens : (K,) float array
        Different and above 0, K of 4 or more.
    accuracy : (K,) float array

    Raises
    ------
    ValueError
        As `log_slope`, and for fewer than four points.

    Examples
    --------
    >>> tokens, before, after = bend([1, 2, 4, 8, 16], [0.1, 0.3, 0.5, 0.5, 0.5])
    >>> round(tokens, 6), round(before, 6), round(abs(after), 6)
    (4.0, 0.2, 0.0)
    """
    x, y = _curve(tokens, accuracy)
    if len(x) < 4:
        raise ValueError(f"{len(x)} points; accepted are 4 or more")
    if x.min() <= 0:
        raise ValueError(f"tokens has {x.min()!r}; accepted is above 0")
    logs = np.log2(x)
    best = (np.inf, 0.0, 0.0, 0.0)
    for knot in logs[1:-1]:
        columns = np.stack(
            [np.ones(len(x)), np.minimum(logs - knot, 0), np.maximum(logs - knot, 0)], 1
        )
        found = np.linalg.lstsq(columns, y, rcond=None)[0]
        error = float(np.sum((columns @ found - y) ** 2))
        if error < best[0] - 1e-15:
            best = (error, float(2**knot), float(found[1]), float(found[2]))
    return best[1:]


def _curve(
    tokens: npt.ArrayLike, accuracy: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(tokens, np.float64), np.asarray(accuracy, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(
            f"tokens of shape {x.shape} and accuracy of {y.shape}; accepted are two "
            "of one length, 2 or more"
        )
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if not (np.diff(x) > 0).all():
        raise ValueError(f"tokens {x.tolist()!r} repeat; accepted are different ones")
    return x, y
