"""Figures of curves over a budget: coverage, its power law, its shift.

Promises and limits are those of `tts_lab.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tts_lab.coverage import Curve, FloatArray
from tts_lab.figures.budget import BUDGETS, Budget, plain, scaled
from tts_lab.figures.picture import (
    GREY,
    STYLES,
    Picture,
    caption,
    counted,
    curve_line,
    line,
    log_axis,
    name_lines,
    rows,
    share_axis,
    start,
)
from tts_lab.laws import PowerLaw, ShiftResult


def coverage(
    curves: Mapping[str, Curve],
    *,
    budget: Budget = "samples",
    cost: Mapping[str, npt.ArrayLike] | None = None,
    title: str = "Coverage",
    y_label: str = "coverage",
) -> Picture:
    """Draw coverage (or another share) against a budget, with intervals.

    Parameters
    ----------
    curves : mapping of label to Curve
    budget : "samples", "tokens" or "flops"
        Unit of the horizontal axis.
    cost : mapping of label to (K,) array, optional
        What `spent` gives at each curve's k; needed unless the budget is samples.
    title, y_label : str

    Returns
    -------
    Picture

    Raises
    ------
    ValueError
        If there is no curve, or a curve without its costs.

    Examples
    --------
    >>> from tts_lab.coverage import coverage as measure
    >>> coverage({"105k": measure(100, [0, 5, 90], [1, 10, 100])}).axes[0].get_xlabel()
    'samples per problem'
    """
    xs = _costs(curves, budget, cost)
    unit, label = scaled(budget, max(float(x[-1]) for x in xs.values()))
    figure, (axes,) = start(title)
    for i, (name, curve) in enumerate(curves.items()):
        curve_line(axes, name, xs[name] / unit, curve, i)
        rows(figure, name, xs[name] / unit, label, curve)
    share_axis(axes, y_label)
    log_axis(axes, label)
    name_lines(axes)
    caption(figure, counted(list(curves.values())))
    return figure


def power_law(
    measured: Curve,
    law: PowerLaw,
    *,
    fit_up_to: int | None = None,
    title: str = "Coverage and the law exp(a kᵇ)",
) -> Picture:
    """Draw a measured curve and its fitted power law, plain and as a straight line.

    Parameters
    ----------
    measured : Curve
    law : PowerLaw
    fit_up_to : int, optional
        Largest k that the fit saw; beyond it the law is dashed, on a grey ground.
    title : str

    Returns
    -------
    Picture
        Two axes: coverage, and -log coverage on two log axes, where the law is a
        straight line of slope b. Points with coverage 0 or 1 have no place there.

    References
    ----------
    Brown et al. (2407.21787) sec. 3.1, Figure 5; Schaeffer et al. (2502.17578).

    Examples
    --------
    >>> from tts_lab.coverage import coverage as measure, log_ks
    >>> from tts_lab.laws import fit_power_law
    >>> curve = measure(1000, [1, 3, 10, 40, 200, 900], log_ks(1000))
    >>> len(power_law(curve, fit_power_law(curve.k, curve.mean), fit_up_to=100).axes)
    2
    """
    end = int(measured.k[-1])
    seen = end if fit_up_to is None else min(fit_up_to, end)
    figure, (left, right) = start(title, columns=2)
    k = np.geomspace(measured.k[0], end, 200)
    for axes, turn in ((left, _same), (right, _minus_log)):
        mean = turn(measured.mean)
        bars = np.abs(np.stack([turn(measured.low), turn(measured.high)]) - mean)
        bars = np.where(np.isfinite(bars), bars, mean)  # to the end of the axis
        inside = np.isfinite(mean)
        axes.errorbar(
            measured.k[inside],
            mean[inside],
            bars[:, inside],
            label="measured",
            color=STYLES[0][0],
            fmt="o",
            ms=4,
            elinewidth=1,
        )
        low, high = law.predict_interval(k)
        colour = STYLES[1][0]
        axes.fill_between(k, turn(low), turn(high), color=colour, alpha=0.15, lw=0)
        for part, dash, name in (
            (k <= seen, "-", "fitted law"),
            (k >= seen, "--", "extrapolated"),
        ):
            if part.sum() > 1:
                law_at = turn(law.predict(k[part]))
                axes.plot(k[part], law_at, dash, color=colour, label=name)
        if seen < end:
            axes.axvspan(seen, end * 1.15, color="0.5", alpha=0.12, lw=0)
            axes.annotate(
                "held out",
                (np.sqrt(seen * end), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, -4),
                textcoords="offset points",
                ha="center",
                va="top",
                color=GREY,
            )
        log_axis(axes, BUDGETS["samples"])
        axes.set_xlim(0.87 * measured.k[0], end * 1.15)
    share_axis(left, "coverage")
    log_axis(right, "−log(coverage)", which="y")
    left.legend(frameon=False, loc="lower right")
    for name, value, interval in (
        ("a", law.a, law.a_interval),
        ("b", law.b, law.b_interval),
    ):
        figure.rows.append(
            f"{name} = {value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
        )
    rows(figure, "measured", measured.k, BUDGETS["samples"], measured)
    figure.rows.append(f"law, by samples per problem, fitted up to {plain(seen)}")
    for at, value in zip(measured.k, law.predict(measured.k), strict=True):
        figure.rows.append(f"  {plain(at)}: {value:.3f}")
    fit = f"fit: a = {law.a:.2f}, b = {law.b:.3f}, mean error {law.mean_error:.3f}"
    words = f"{fit.replace('-', '−')} on k ≤ {plain(seen)}"
    caption(figure, f"{counted([measured], what='bars')}\n{words}")
    return figure


def curve_shift(
    curves: Mapping[str, Curve],
    shift: ShiftResult,
    *,
    title: str = "One curve, shifted?",
) -> Picture:
    """Draw coverage curves before and after the shift that lays them over each other.

    Parameters
    ----------
    curves : mapping of label to Curve
        Those that `laws.curve_shift` was given.
    shift : ShiftResult
    title : str

    Returns
    -------
    Picture
        Two axes with one vertical scale.

    References
    ----------
    Brown et al. (2407.21787v1) sec. 3.2, Figure 6.

    Examples
    --------
    >>> from tts_lab.coverage import coverage as measure, log_ks
    >>> from tts_lab.laws import curve_shift as lay_over
    >>> curves = {
    ...     name: measure(1000, counts, log_ks(1000))
    ...     for name, counts in (("a", [1, 3, 9, 90]), ("b", [9, 30, 90, 400]))
    ... }
    >>> figure = curve_shift(curves, lay_over(curves, resamples=10))
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['samples per problem', 'samples ÷ samples needed for the anchor']
    """
    figure, (before, after) = start(title, columns=2, sharey=True)
    anchors = dict(zip(shift.names, shift.k_anchor, strict=True))
    for i, (name, curve) in enumerate(curves.items()):
        curve_line(before, name, curve.k, curve, i)
        rows(figure, name, curve.k, BUDGETS["samples"], curve)
        x = curve.k / anchors[name]
        on = x >= 1
        line(after, name, x[on], curve.mean[on], i)
        figure.rows.append(f"{name}: shifted by {plain(anchors[name])} samples")
    share_axis(before, "coverage")
    log_axis(before, BUDGETS["samples"])
    log_axis(after, "samples ÷ samples needed for the anchor")
    for axes, what, spread in (
        (before, "as measured", shift.spread_before),
        (after, "shifted", shift.spread_after),
    ):
        words = f"{what}: spread {spread.value:.2f} decades"
        if np.isfinite(spread.low):
            words += f" [{spread.low:.2f}, {spread.high:.2f}]"
        axes.set_title(words, fontsize=11)
        axes.axhline(shift.anchor, color=GREY, lw=0.8, ls=(0, (4, 4)))
        figure.rows.append(words)
    after.legend(frameon=False, loc="lower right")
    anchor = f"dashed: anchor, coverage {shift.anchor:.3f}"
    caption(figure, f"{counted(list(curves.values()))}\n{anchor}")
    return figure


def _costs(
    curves: Mapping[str, Curve],
    budget: Budget,
    cost: Mapping[str, npt.ArrayLike] | None,
) -> dict[str, FloatArray]:
    """The horizontal place of every point, checked."""
    if not curves:
        raise ValueError("curves must hold at least one curve, got none")
    if budget not in BUDGETS:
        raise ValueError(f"budget must be one of {list(BUDGETS)}, got {budget!r}")
    if budget == "samples":
        return {name: curve.k.astype(np.float64) for name, curve in curves.items()}
    given = cost or {}
    found = {
        name: np.asarray(given[name], np.float64) for name in curves if name in given
    }
    for name, curve in curves.items():
        if name not in found or found[name].shape != curve.k.shape:
            got = f"shape {found[name].shape}" if name in found else "nothing"
            raise ValueError(
                f"cost must have {curve.k.size} values for {name!r}, got {got}; "
                "figures.spent computes them"
            )
    return found


def _same(values: FloatArray) -> FloatArray:
    return values


def _minus_log(values: FloatArray) -> FloatArray:
    """-log of a coverage; inf or nan where it has no place on a log axis."""
    with np.errstate(divide="ignore"):
        turned: FloatArray = -np.log(values)
    return np.where(turned > 0, turned, np.nan)
