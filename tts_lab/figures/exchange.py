"""Figures of pretraining against inference: who wins where, and by how much budget.

Promises and limits are those of `tts_lab.figures`. A published value that two readings
of its figure disagree about is drawn as both, hollow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tts_lab.exchange import Exchange
from tts_lab.exchange_curves import BinCurve
from tts_lab.figures.budget import plain
from tts_lab.figures.exchange_words import (
    SCALES,
    Scale,
    beyond,
    bin_names,
    limits,
    of_scale,
    reading,
    signed,
)
from tts_lab.figures.picture import (
    STYLES,
    Picture,
    caption,
    log_axis,
    share_axis,
    start,
)
from tts_lab.published import PANELS, Improvement

_HATCHES = ("", "///", "...", "xx", "\\\\", "++", "--")


def exchange(
    found: Sequence[Exchange],
    *,
    scale: Scale = "relative",
    published: Sequence[Improvement] = (),
    title: str = "Test-time compute against a larger model, at matched FLOPs",
) -> Picture:
    """Draw the smaller model less the larger one, by R and difficulty.

    Parameters
    ----------
    found : sequence of Exchange
        What `tts_lab.exchange.compare` gives.
    scale : str
        "relative", a share of the larger model's accuracy as in Snell et al. Fig. 1,
        or "absolute", percentage points.
    published : sequence of Improvement
        To lay over bars of the same ratio and bin; they are relative, of 3 bins.
    title : str

    Raises
    ------
    ValueError
        For another scale, nothing to draw, or published values that do not fit.

    References
    ----------
    Snell et al. (2408.03314) Fig. 1.

    Examples
    --------
    >>> from tts_lab.exchange import compare
    >>> found = compare({1: [0, 1], 64: [1, 1]}, [1, 0.5], [0, 0], m=14, ratios=[0.79])
    >>> print(exchange(found).rows[2])
      all: +33% [0%, +100%]
    """
    if scale not in SCALES:
        raise ValueError(f"scale={scale!r}; accepted are {list(SCALES)}")
    if not found:
        raise ValueError("there are no exchanges to draw")
    numbers = sorted({one.bin for one in found})
    if published and (scale != "relative" or len(numbers) != 3):
        raise ValueError(
            f"the published values are relative and of 3 bins; these are {scale} and "
            f"of {len(numbers)}"
        )
    ratios = sorted({one.ratio for one in found})
    names = bin_names(len(numbers))
    figure, (axes,) = start(title)
    low, high = limits(found, scale, published)
    axes.set_ylim(low, high)
    width = 0.8 / len(numbers)
    place = {
        (ratio, b): i + (j - (len(numbers) - 1) / 2) * width
        for i, ratio in enumerate(ratios)
        for j, b in enumerate(numbers)
    }
    for j, number in enumerate(numbers):
        mine = [one for one in found if one.bin == number]
        _bars(axes, mine, scale, place, width, j, names[j], high)
    _overlay(axes, published, {key: x + 0.3 * width for key, x in place.items()})
    for i, ratio in enumerate(ratios):
        mine = [one for one in found if one.ratio == ratio]
        figure.rows.append(f"R = {plain(ratio)}, {plain(mine[0].budget)} x inference")
        for one in mine:
            words = [signed(v, scale) for v in of_scale(one, scale)]
            at = numbers.index(one.bin)
            figure.rows.append(f"  {names[at]}: {words[0]} [{words[1]}, {words[2]}]")
            figure.rows += _said(published, one)
        axes.axvline(i - 0.5, color="0.9", linewidth=0.8)
    axes.axhline(0, color="0.2", linewidth=1.2)
    inference = {one.ratio: one.budget for one in found}
    axes.set_xticks(
        range(len(ratios)),
        [f"R = {plain(r)}\n{plain(inference[r])} ×" for r in ratios],
    )
    axes.set_xlim(-0.5, len(ratios) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(
        "R: inference tokens for each pretraining token; × the inference that matches",
        fontsize=11,
    )
    axes.set_ylabel(SCALES[scale], fontsize=11)
    unit = "%" if scale == "relative" else ""
    axes.yaxis.set_major_formatter(
        lambda value, _: signed(value, "relative").replace("%", unit)
    )
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: "published" in labels[i])
    axes.legend(
        [handles[i] for i in order], [labels[i] for i in order], frameon=False,
        fontsize=9.5, loc="upper center", ncols=5, bbox_to_anchor=(0.5, 1.16),
    )  # fmt: skip
    counts = sorted({one.problems for one in found})
    sizes = plain(counts[0]) + (f" to {plain(counts[-1])}" if counts[1:] else "")
    about = (
        "above 0 the smaller model wins, below 0 the larger\n"
        f"{sizes} problems in each bin; whiskers: 95% interval over problems"
    )
    if published:
        panel = PANELS[published[0].panel]
        about += f"\npublished: Snell et al. (2408.03314) Fig. 1, {panel}"
    caption(figure, about)
    return figure


def matched_budgets(
    curves: Sequence[BinCurve],
    found: Sequence[Exchange],
    *,
    names: tuple[str, str] = ("the smaller model", "the larger one"),
    title: str = "What the smaller model's inference buys",
) -> Picture:
    """Draw accuracy by inference budget in each bin, a star at each matched budget.

    A star is hollow, and joined to the curve by dots, where its budget lies beyond
    what was measured and the last measured value stands in.

    Parameters
    ----------
    curves : sequence of BinCurve
        What `tts_lab.exchange_curves` gives.
    found : sequence of Exchange
        On the same problems; each is a star.
    names : tuple of str
        Of the two models.
    title : str

    Raises
    ------
    ValueError
        If there are no curves, or an exchange is of another bin.
    """
    if not curves:
        raise ValueError("there are no curves to draw")
    bins = [one.bin for one in curves]
    others = sorted({one.bin for one in found} - set(bins))
    if others:
        raise ValueError(f"exchanges of the bins {others}; the curves are of {bins}")
    figure, panels = start(title, columns=len(curves), sharey=True)
    figure.set_size_inches(max(9.6, 2.3 * len(curves)), 4.6)
    least = min(1.0, *(one.budget[0] for one in curves))
    most = max([one.budget[-1] for one in curves] + [one.budget for one in found])
    for axes, one, name in zip(panels, curves, bin_names(len(curves)), strict=True):
        stars = [star for star in found if star.bin == one.bin]
        _panel(axes, one, stars, names, "R " if len(curves) < 4 else "")
        axes.set_title(f"{name}\n{one.problems} problems", fontsize=11)
        axes.set_xlim(0.8 * least, 1.6 * most)
        log_axis(axes, "")
        share_axis(axes, "" if figure.axes[0] is not axes else "right answers")
        axes.set_ylim(0, 1.1)
        _say(figure, one, stars, name, names)
    half = 0.5 * (len(panels) % 2)  # the middle of all panels, in the middle one
    middle = panels[len(panels) // 2]
    middle.xaxis.set_label_coords(half, -0.12)
    room = "\n" * 3  # for the legend, which would push the panels apart
    middle.set_xlabel(f"inference, in multiples of one answer{room}", fontsize=11)
    named = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    middle.legend(
        named.values(), named.keys(), loc="upper center", ncols=2, fontsize=9.5,
        frameon=False, bbox_to_anchor=(half, -0.18),
    ).set_in_layout(False)  # fmt: skip
    caption(figure, "bands: 95% interval over problems")
    return figure


def _bars(
    axes: Axes,
    found: Sequence[Exchange],
    scale: Scale,
    place: dict[tuple[float, int], float],
    width: float,
    index: int,
    name: str,
    high: float,
) -> None:
    """The bars of a bin; what is higher than the axis says its value."""
    x = [place[one.ratio, one.bin] for one in found]
    table = np.array([of_scale(one, scale) for one in found])
    drawn = np.clip(np.nan_to_num(table, nan=0.0), -10, 10)
    error = np.maximum(0.0, np.abs(drawn[:, 1:].T - drawn[:, 0]))
    colour = STYLES[index % len(STYLES)][0]
    axes.bar(
        x, drawn[:, 0], 0.92 * width, yerr=error, capsize=2, color=colour,
        edgecolor="white", hatch=_HATCHES[index % len(_HATCHES)], label=name,
        error_kw={"linewidth": 0.9, "ecolor": "0.2"},
    )  # fmt: skip
    for at, value in zip(x, table[:, 0].tolist(), strict=True):
        if math.isnan(value):
            axes.annotate("the larger\nhas none", (at, 0), (0, 4), fontsize=9,
                          textcoords="offset points", ha="center")  # fmt: skip
        elif value > high:
            axes.annotate(f"{signed(value, scale)} ▲", (at, high), (0, -12),
                          fontsize=9, textcoords="offset points", ha="center",
                          bbox={"facecolor": "white", "pad": 1, "linewidth": 0}
                          )  # fmt: skip


def _overlay(
    axes: Axes,
    published: Sequence[Improvement],
    place: dict[tuple[float, int], float],
) -> None:
    """Filled diamonds where a value is known, hollow pairs where it is not."""
    labels = {True: "published", False: "published, unresolved (?)"}
    for one in published:
        if (one.ratio, one.bin) not in place:
            continue
        x = place[one.ratio, one.bin]
        axes.plot(
            [x] * len(one.readings), one.readings, ":", color="black", linewidth=1.2,
            marker="D", markersize=6.5, markeredgewidth=1.2, zorder=5,
            markerfacecolor="black" if one.resolved else "white",
            markeredgecolor="white" if one.resolved else "black",
            label=labels.pop(one.resolved, "_published"),
        )  # fmt: skip
        if not one.resolved:
            axes.annotate("?", (x, sum(one.readings) / 2), (9, 0), fontsize=11,
                          zorder=6, textcoords="offset points", ha="center",
                          va="center", fontweight="bold",
                          bbox={"facecolor": "white", "pad": 0.6, "linewidth": 0}
                          )  # fmt: skip


def _said(published: Sequence[Improvement], one: Exchange) -> list[str]:
    """The published value of a bar, in words."""
    mine = [p for p in published if (p.ratio, p.bin) == (one.ratio, one.bin)]
    return [f"    published: {reading(p)}" for p in mine]


def _panel(
    axes: Axes,
    one: BinCurve,
    stars: Sequence[Exchange],
    names: tuple[str, str],
    lead: str,
) -> None:
    small, large = STYLES[0], STYLES[1]
    axes.fill_between(one.budget, one.low, one.high, color=small[0], alpha=0.18,
                      linewidth=0)  # fmt: skip
    axes.plot(one.budget, one.mean, small[2], color=small[0], marker=small[1],
              markersize=4, linewidth=1.8, label=f"{names[0]}, by budget")  # fmt: skip
    axes.axhspan(one.large_low, one.large_high, color=large[0], alpha=0.12, linewidth=0)
    axes.axhline(one.large, color=large[0], linestyle=large[2], linewidth=1.8,
                 label=f"{names[1]}, one greedy answer")  # fmt: skip
    labels = {False: "matched FLOPs", True: "matched, beyond what was measured"}
    for star in stars:
        out = beyond(star, one)
        if out:
            end = float(np.clip(star.budget, one.budget[0], one.budget[-1]))
            axes.plot([end, star.budget], [star.small] * 2, ":", color="0.2")
        axes.plot(
            [star.budget], [star.small], "*", markersize=15, zorder=5, color="black",
            markerfacecolor="white" if out else "black",
            label=labels.pop(out, "_matched"), linestyle="", clip_on=False,
        )  # fmt: skip
        axes.annotate(f"{lead}{plain(star.ratio)}", (star.budget, star.small), (0, 9),
                      fontsize=9, textcoords="offset points", ha="center")  # fmt: skip


def _say(
    figure: Picture,
    one: BinCurve,
    stars: Sequence[Exchange],
    name: str,
    names: tuple[str, str],
) -> None:
    figure.rows.append(
        f"{name}, {one.problems} problems: {names[1]} {one.large:.3f} "
        f"[{one.large_low:.3f}, {one.large_high:.3f}]; {names[0]} by inference"
    )
    figure.rows += [
        f"  {plain(b)}: {mean:.3f} [{low:.3f}, {high:.3f}]"
        for b, mean, low, high in zip(
            one.budget.tolist(), one.mean.tolist(), one.low.tolist(),
            one.high.tolist(), strict=True,
        )
    ]  # fmt: skip
    figure.rows += [
        f"  matched at R = {plain(star.ratio)}: {star.small:.3f} at "
        f"{plain(star.budget)}"
        + (", not measured there: the nearest value" if beyond(star, one) else "")
        for star in stars
    ]
