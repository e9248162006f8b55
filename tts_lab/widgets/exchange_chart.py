"""The exchange explorer's charts as SVG: bars by R and bin, curves with stars.

Promises: as those of `tts_lab.widgets.chart`; the two models are told by colour and by
sign, dash or mark. Each bar and star can have the focus and says its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.exchange import Exchange
from tts_lab.exchange_curves import BinCurve
from tts_lab.figures.budget import log_ticks, plain
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
from tts_lab.published import Improvement
from tts_lab.widgets.chart import points, svg, text
from tts_lab.widgets.exchange_settings import Exchanged

WIDTH, LEFT, RIGHT = 960, 78, 950
TOP, BARS_BOTTOM, BARS_HEIGHT = 12, 226, 304
CURVES_TOP, CURVES_BOTTOM, CURVES_HEIGHT = 42, 214, 266


def bars(result: Exchanged, scale: Scale, published: Sequence[Improvement]) -> str:
    """The smaller model less the larger one: a group for each R, a bar for each bin.

    Parameters
    ----------
    result : Exchanged
    scale : "relative" or "absolute"
    published : sequence of Improvement
        Diamonds; hollow pairs where two readings disagree.
    """
    found, own = result.found, result.settings.r
    low, high = limits(found, scale, published)
    ratios = list(dict.fromkeys(one.ratio for one in found))
    names = bin_names(len(result.curves))
    group = (RIGHT - LEFT) / len(ratios)
    slot = 0.9 * group / len(names)

    def y(value: float) -> float:
        part = (min(max(value, low), high) - low) / (high - low)
        return BARS_BOTTOM - (BARS_BOTTOM - TOP) * part

    parts = []
    for i, ratio in enumerate(ratios):
        left, yours = LEFT + i * group, ratio == own
        if yours:
            parts.append(
                f'<rect class="tts-yours" x="{left:.1f}" y="{TOP}" rx="4" '
                f'width="{group:.1f}" height="{BARS_HEIGHT - 26 - TOP}"/>'
            )
        budget = next(one.budget for one in found if one.ratio == ratio)
        words = f"R = {plain(ratio)}{' (yours)' if yours else ''}: {plain(budget)} ×"
        parts.append(text(left + group / 2, BARS_BOTTOM + 48, words, "tts-group",
                          "middle"))  # fmt: skip
    for tick in _ticks(low, high):
        name = "tts-grid" if tick else "tts-base"
        parts.append(f'<path class="{name}" d="M{LEFT} {y(tick):.1f}H{RIGHT}"/>')
        label = signed(tick, "relative")
        label = label if scale == "relative" else label.removesuffix("%")
        parts.append(text(LEFT - 8, y(tick) + 4, label, "tts-tick", "end"))
    known = {(one.ratio, one.bin): one for one in published}
    for j, one in enumerate(found):
        i, at = divmod(j, len(names))
        x = LEFT + i * group + 0.05 * group + (at + 0.5) * slot
        mine = known.get((one.ratio, one.bin))
        short = names[at] if len(names) < 4 else str(at + 1)
        parts.append(
            f"{_bar(result, one, scale, names[at], mine, x, slot, y)}"
            f"{text(x, BARS_BOTTOM + 15, short, 'tts-tick', 'middle')}"
        )
        if mine:
            parts.append(_diamonds(mine, x + 0.3 * slot, y))
    middle = (LEFT + RIGHT) / 2
    label = "R: inference tokens for each pretraining token, and the inference it buys"
    if len(names) > 3:
        label += f"; bins from 1, the easiest, to {len(names)}"
    parts.append(text(middle, BARS_HEIGHT - 6, label, "", "middle"))
    parts.append(_turned(SCALES[scale], (TOP + BARS_BOTTOM) / 2))
    told = ", ".join(
        f"{names[one.bin]} {signed(of_scale(one, scale)[0], scale)}"
        for one in found
        if one.ratio == own
    )
    words = (
        f"{SCALES[scale]} by R and difficulty, {len(found)} bars; at your R: {told}."
    )
    return svg(BARS_HEIGHT, words, "".join(parts), width=WIDTH)


def curves(result: Exchanged) -> str:
    """A panel for each bin: accuracy by inference, the larger model, the stars."""
    many = len(result.curves)
    names = bin_names(many)
    step = (RIGHT - LEFT + 14) / many
    least = min(1.0, *(one.budget[0] for one in result.curves), result.budget)
    most = max(*(one.budget[-1] for one in result.curves), result.budget)
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        height = float(_y(share)) + 4
        parts.append(text(LEFT - 8, height, f"{share:.0%}", "tts-tick", "end"))
    for i, (one, name) in enumerate(zip(result.curves, names, strict=True)):
        left = LEFT + i * step
        panel = _Panel(left, left + step - 14, 0.85 * least, 1.5 * most)
        parts.append(_panel(panel, result, one, name, many))
    label = "inference, in multiples of one answer"
    parts.append(text((LEFT + RIGHT) / 2, CURVES_HEIGHT - 8, label, "", "middle"))
    parts.append(_turned("right answers", (CURVES_TOP + CURVES_BOTTOM) / 2))
    small, large = result.settings.names
    said = "; ".join(
        f"{name}: {small} {one.small:.0%} at your R, {large} {one.large:.0%}"
        for one, name in zip(result.own, names, strict=True)
    )
    words = f"Accuracy by inference in each bin. {said}."
    return svg(CURVES_HEIGHT, words, "".join(parts), width=WIDTH)


class _Panel:
    """From a budget to pixels, on a log axis between two edges."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        self.left, self.right, self.low, self.high = left, right, low, high

    def x(self, value: float | FloatArray) -> FloatArray:
        part = np.log(np.asarray(value, np.float64) / self.low)
        per = (self.right - self.left) / np.log(self.high / self.low)
        place: FloatArray = self.left + per * part
        return place

    def one(self, value: float) -> float:
        return float(self.x(value))


def _y(share: float | FloatArray) -> FloatArray:
    high = (CURVES_BOTTOM - CURVES_TOP) * np.asarray(share, np.float64)
    place: FloatArray = CURVES_BOTTOM - high
    return place


def _bar(
    result: Exchanged,
    one: Exchange,
    scale: Scale,
    name: str,
    published: Improvement | None,
    x: float,
    slot: float,
    y: Callable[[float], float],
) -> str:
    """A bar with its whisker, its value below, and its numbers for the focus."""
    small, large = result.settings.names
    value, low, high = of_scale(one, scale)
    words = (
        f"R = {plain(one.ratio)}, {name}: {small} {one.small:.1%}, {large} "
        f"{one.large:.1%}, difference {signed(value, scale)} [{signed(low, scale)}, "
        f"{signed(high, scale)}], {one.problems} problems"
    )
    if beyond(one, result.curve(one)):
        words += ", the matched budget was not measured"
    if published:
        words += f"; published {reading(published)}"
    kind = "tts-of-small" if one.difference > 0 else "tts-of-large"
    if one.low <= 0 <= one.high:
        kind += " tts-pale"
    words = escape(words)
    parts = [f'<g class="tts-bar {kind}" tabindex="0" role="img" aria-label="{words}">'
             f"<title>{words}</title>"]  # fmt: skip
    if not math.isnan(value):
        top, bottom = sorted((y(value), y(0.0)))
        parts.append(
            f'<rect x="{x - 0.4 * slot:.1f}" y="{top:.1f}" width="{0.8 * slot:.1f}" '
            f'height="{max(bottom - top, 0.5):.1f}"/>'
            f'<path class="tts-whisker" d="M{x:.1f} {y(low):.1f}V{y(high):.1f}"/>'
        )
        if y(value) <= TOP:
            parts.append(text(x - 0.25 * slot, TOP + 14, "▲", "tts-cut", "middle"))
    kind = "tts-value" if slot > 50 else "tts-value tts-narrow"
    parts.append(text(x, BARS_BOTTOM + 30, signed(value, scale), kind, "middle"))
    return "".join([*parts, "</g>"])


def _diamonds(one: Improvement, x: float, y: Callable[[float], float]) -> str:
    """One filled where the value is known; two hollow ones and a ? where it is not."""
    heights = [y(value) for value in one.readings]
    words = escape(f"published: {reading(one)}")
    marks = "".join(
        f'<polygon points="{x:.1f},{h - 6:.1f} {x + 6:.1f},{h:.1f} {x:.1f},{h + 6:.1f} '
        f'{x - 6:.1f},{h:.1f}"/>'
        for h in heights
    )
    kind, extra = "tts-published", ""
    if not one.resolved:
        kind += " tts-unresolved"
        marks = f'<path d="M{x:.1f} {min(heights):.1f}V{max(heights):.1f}"/>' + marks
        extra = text(x + 8, sum(heights) / len(heights) + 5, "?")
    return f'<g class="{kind}"><title>{words}</title>{marks}{extra}</g>'


def _panel(
    panel: _Panel, result: Exchanged, one: BinCurve, name: str, many: int
) -> str:
    left, right, middle = panel.left, panel.right, (panel.left + panel.right) / 2
    parts = [text(middle, 14, f"{name}, {one.problems} problems" if many < 4 else name,
                  "tts-name", "middle")]  # fmt: skip
    for share in (0, 0.25, 0.5, 0.75, 1):
        kind = "tts-grid" if share else "tts-base"
        height = f"{_y(share):.1f}"
        parts.append(f'<path class="{kind}" d="M{left:.1f} {height}H{right:.1f}"/>')
    ticks = [t for t in log_ticks(panel.low, panel.high) if _decade(t)]
    for tick in ticks[:: 2 if many > 3 and len(ticks) > 3 else 1]:
        at = panel.one(tick)
        parts.append(
            f'<path class="tts-grid" d="M{at:.1f} {CURVES_TOP}V{CURVES_BOTTOM}"/>'
        )
        parts.append(text(at, CURVES_BOTTOM + 17, plain(tick), "tts-tick", "middle"))
    low, high, level = (
        float(_y(v)) for v in (one.large_low, one.large_high, one.large)
    )
    x = panel.x(one.budget)
    band = points(np.append(x, x[::-1]), np.append(_y(one.low), _y(one.high)[::-1]))
    parts.append(
        f'<g class="tts-of-large"><rect class="tts-band" x="{left:.1f}" y="{high:.1f}" '
        f'width="{right - left:.1f}" height="{low - high:.1f}"/>'
        f'<path class="tts-level" d="M{left:.1f} {level:.1f}H{right:.1f}"/></g>'
        f'<g class="tts-of-small"><path class="tts-band" d="{band}Z"/>'
        f'<path class="tts-curve" d="{points(x, _y(one.mean))}"/></g>'
    )
    mine = [star for star in result.found if star.bin == one.bin]
    own = result.settings.r
    shown = [s for s in mine if s.ratio != own and not s.budget > panel.high]
    for star in [*shown, *(s for s in mine if s.ratio == own)]:
        parts.append(_star(panel, result, star, one, yours=star.ratio == own))
    return "".join(parts)


def _star(
    panel: _Panel, result: Exchanged, star: Exchange, curve: BinCurve, *, yours: bool
) -> str:
    """A star at the matched budget; hollow where nothing was measured."""
    x, y = panel.one(star.budget), float(_y(star.small))
    size = 10 if yours else 6
    angles = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2, 0.42, 1.0) * size
    corners = " ".join(
        f"{a:.1f},{b:.1f}"
        for a, b in zip(x + reach * np.sin(angles), y - reach * np.cos(angles),
                        strict=True)
    )  # fmt: skip
    out = beyond(star, curve)
    kind, dots = "tts-star" + ("" if yours else " tts-others"), ""
    words = (
        f"R = {plain(star.ratio)}: {result.settings.names[0]} {star.small:.1%} at "
        f"{plain(star.budget)} times the inference"
    )
    if out:
        kind += " tts-hollow"
        words += ", which was not measured: the nearest value that was"
        end = panel.one(float(np.clip(star.budget, *curve.budget[[0, -1]])))
        dots = f'<path d="M{end:.1f} {y:.1f}H{x:.1f}"/>'
    label = f"R {plain(star.ratio)}" if yours else plain(star.ratio)
    if not yours and abs(x - panel.one(result.budget)) < 34:
        label = ""  # would lie on yours; title and focus say it
    anchor = "end" if x > panel.right - 22 else "middle"
    return (
        f'<g class="{kind}" tabindex="0" role="img" aria-label="{escape(words)}">'
        f'<title>{escape(words)}</title>{dots}<polygon points="{corners}"/>'
        f"{text(x, y - size - 3, label, 'tts-name' if yours else '', anchor)}</g>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """At most seven even steps, 0 among them."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2) if (high - low) / s <= 7)
    return [i * step for i in range(math.ceil(low / step), int(high // step) + 1)]


def _decade(value: float) -> bool:
    return math.isclose(math.log10(value) % 1, 0, abs_tol=1e-9)


def _turned(words: str, y: float) -> str:
    turned = text(0, 0, words, "", "middle")
    return f'<g transform="translate(13 {y}) rotate(-90)">{turned}</g>'
