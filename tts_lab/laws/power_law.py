"""The exponentiated power law of coverage, c = exp(a k^b), and its fit.

Promises and signs are those of `tts_lab.laws`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from tts_lab.bootstrap import (
    FloatArray,
    Interval,
    bootstrap_means,
    percentile_interval,
    whole_numbers,
)


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """An exponentiated power law c = exp(a k^b) and how well it fitted.

    Parameters
    ----------
    a, b : float
        Both negative (b is 0 for a curve that does not rise).
    a_interval, b_interval : (low, high) floats
    level : float
    interval_from : "problems" or "covariance"
        Bootstrap over problems, or the covariance of the fit (see `fit_power_law`).
    mean_error, error_std, max_error : float
        Mean, standard deviation and maximum of ``|fit - coverage|`` over the points.
    n_points : int
    draws : (R, 2) float array
        Plausible (a, b) pairs behind the intervals.
    """

    a: float
    b: float
    a_interval: Interval
    b_interval: Interval
    level: float
    interval_from: Literal["problems", "covariance"]
    mean_error: float
    error_std: float
    max_error: float
    n_points: int
    draws: FloatArray = field(repr=False)

    def predict(self, k: npt.ArrayLike) -> FloatArray:
        """Return the law's coverage at k samples (float array in the shape of k)."""
        return law_at(np.array([self.a, self.b]), np.asarray(k, dtype=np.float64))[()]

    def predict_interval(self, k: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the law's interval at k samples, each in k's shape."""
        ks = np.asarray(k, dtype=np.float64)
        curves = law_at(self.draws.T[:, :, None], ks.reshape(1, -1))
        low, high = percentile_interval(curves, self.level)
        return low.reshape(ks.shape)[()], high.reshape(ks.shape)[()]


def fit_power_law(
    k: npt.ArrayLike,
    coverage: npt.ArrayLike,
    *,
    per_problem: FloatArray | None = None,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> PowerLaw:
    """Fit c = exp(a k^b) to a coverage curve by least squares in coverage.

    The start comes from a straight line through log(-log c) against log k. Points
    with coverage 0 or 1 have no log(-log c): they are left out of the start only
    and take full part in the least squares.

    Parameters
    ----------
    k : (K,) array, in samples per problem
        Brown et al. use 40 values spaced evenly on a log scale (`log_ks`).
    coverage : (K,) array, between 0 and 1
    per_problem : (P, K) float array or None
        pass@k of every problem (``Curve.per_problem``), whose mean is `coverage`.
        The intervals are then a bootstrap over problems. Without it they come from
        the covariance of the fit, which takes the points for independent; points of
        one coverage curve are not, so those intervals are too narrow.
    level : float
    resamples : int
        Bootstrap resamples, or draws from the covariance.
    seed : int

    Returns
    -------
    PowerLaw

    Raises
    ------
    ValueError
        If shapes disagree, a k is below 1, a coverage is outside [0, 1], fewer than 3
        points are given, fewer than 2 of them lie strictly between 0 and 1, or
        coverage falls with k.

    References
    ----------
    Brown et al. (2407.21787) sec. 3.1, eq. 3 and App. C.1 (SciPy's ``curve_fit`` in
    coverage); Figure 5 reports the mean and standard deviation of the error.

    Examples
    --------
    >>> from tts_lab.coverage import log_ks
    >>> k = log_ks(10_000)
    >>> law = fit_power_law(k, np.exp(-4.0 * k**-0.3))
    >>> round(law.a, 6), round(law.b, 6), round(float(law.predict(100_000)), 4)
    (-4.0, -0.3, 0.8812)
    """
    ks, curve = _points(k, coverage)
    theta = best_law(ks, curve)
    if theta[1] > 1e-9:
        raise ValueError(
            f"coverage must not fall with k, got {curve[0]:.4f} at k = {ks[0]:g} and "
            f"{curve[-1]:.4f} at k = {ks[-1]:g}"
        )
    whole_numbers("resamples", resamples, low=1)
    if per_problem is not None:
        table = np.asarray(per_problem, dtype=np.float64)
        if table.ndim != 2 or not np.allclose(
            table.mean(axis=0) if table.shape[1:] == ks.shape else np.nan, curve
        ):
            raise ValueError(
                "per_problem must be (P, K) with the given coverage as its mean over "
                f"problems, got shape {table.shape} for {ks.size} values of k"
            )
        draws = np.array(
            [
                best_law(ks, one, start=theta)
                for one in bootstrap_means(table, resamples=resamples, seed=seed)
            ]
        )
    else:
        rng = np.random.default_rng(seed)
        draws = rng.multivariate_normal(
            theta, _covariance(ks, curve, theta), resamples, check_valid="ignore"
        )
    draws[:, 0] = -np.exp(draws[:, 0])
    low, high = percentile_interval(draws, level)
    error = np.abs(law_at(np.array([-np.exp(theta[0]), theta[1]]), ks) - curve)
    return PowerLaw(
        a=-float(np.exp(theta[0])),
        b=min(float(theta[1]), 0.0),
        a_interval=(float(low[0]), float(high[0])),
        b_interval=(float(low[1]), float(high[1])),
        level=level,
        interval_from="covariance" if per_problem is None else "problems",
        mean_error=float(error.mean()),
        error_std=float(error.std()),
        max_error=float(error.max()),
        n_points=int(ks.size),
        draws=draws,
    )


def law_at(parameters: FloatArray, k: npt.NDArray[np.generic]) -> FloatArray:
    """Return exp(a k^b) for parameters (a, b)."""
    a, b = parameters
    curve: FloatArray = np.exp(a * np.asarray(k, dtype=np.float64) ** b)
    return curve


def _points(k: npt.ArrayLike, coverage: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    ks, curve = np.asarray(k, dtype=np.float64), np.asarray(coverage, dtype=np.float64)
    if ks.ndim != 1 or ks.shape != curve.shape:
        raise ValueError(
            f"k and coverage must be two lists of one length, got shapes {ks.shape} "
            f"and {curve.shape}"
        )
    if np.any(~(ks >= 1)):
        raise ValueError(f"k must be at least 1, got {ks[~(ks >= 1)].tolist()}")
    if np.any(~((curve >= 0) & (curve <= 1))):
        bad = curve[~((curve >= 0) & (curve <= 1))].tolist()
        raise ValueError(f"coverage must lie between 0 and 1, got {bad}")
    if np.unique(ks).size < 3:
        raise ValueError(
            f"need at least 3 different values of k to fit two parameters and see an "
            f"error, got {np.unique(ks).tolist()}"
        )
    return ks, curve


def best_law(
    k: FloatArray, curve: FloatArray, start: FloatArray | None = None
) -> FloatArray:
    """Return (log(-a), b) of the best law in coverage (Brown App. C.1).

    `start` saves the straight line; resamples start from the fit to all problems.
    """
    if start is None:
        inside = (curve > 0) & (curve < 1)
        if np.unique(k[inside]).size < 2:
            raise ValueError(
                "need coverage strictly between 0 and 1 at 2 values of k or more, got "
                f"{curve.tolist()}"
            )
        y = np.log(-np.log(curve[inside]))
        slope, level = np.polyfit(np.log(k[inside]), y, 1)
        start = np.array([level, min(slope, 0.0)])
    log_k = np.log(k)

    def miss(theta: FloatArray) -> FloatArray:
        log_cost = np.clip(theta[0] + theta[1] * log_k, -700, 700)
        missed: FloatArray = np.exp(-np.exp(log_cost)) - curve
        return missed

    def slopes(theta: FloatArray) -> FloatArray:
        log_cost = np.clip(theta[0] + theta[1] * log_k, -700, 700)
        down = -np.exp(log_cost - np.exp(log_cost))
        return np.stack([down, down * log_k], axis=1)

    found = least_squares(miss, start, jac=slopes, method="lm")
    return np.asarray(found.x, dtype=np.float64)


def _covariance(k: FloatArray, curve: FloatArray, theta: FloatArray) -> FloatArray:
    """Return the covariance of (log(-a), b), points taken for independent."""
    log_cost = theta[0] + theta[1] * np.log(k)
    down = np.exp(log_cost - np.exp(log_cost))
    jacobian = np.stack([down, down * np.log(k)], axis=1)
    residual = np.exp(-np.exp(log_cost)) - curve
    noise = float(residual @ residual) / (k.size - 2)
    return np.asarray(np.linalg.pinv(jacobian.T @ jacobian) * noise)
