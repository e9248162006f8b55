"""Figures of allocation: what is drawn is what was given, and the twin says it."""

from __future__ import annotations

from itertools import pairwise

import allocation_world as world
import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from tts_lab import figures
from tts_lab.allocate import best_of, compute_optimal
from tts_lab.figures.winners import short_names, styles
from tts_lab.winners import by_bin, kinds

OPTIONS, BUDGETS = world.options(), list(world.BUDGETS)
ORACLE = compute_optimal(OPTIONS, world.oracle(), BUDGETS, resamples=50)
PREDICTED = compute_optimal(OPTIONS, world.predicted(), BUDGETS, resamples=50)
VOTES = best_of([o for o in OPTIONS if "majority" in o.name], BUDGETS, resamples=50)
CURVES = {"oracle bins": ORACLE, "predicted bins": PREDICTED, "majority": VOTES}
SHARES = by_bin(OPTIONS, world.predicted(), 16)


def check(figure: figures.Picture) -> None:
    """Drawable, labelled, captioned, twinned; nothing small, nothing cut off."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel()
    assert figure.get_suptitle() == figure.rows[0]
    for line in figure.get_supxlabel().split("\n"):
        assert line in figures.text(figure)
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 9
    width, height = figure.canvas.get_width_height()
    ticks = [t for axes in figure.axes for t in axes.get_yticklabels()]
    for text in [text for text in texts if text not in ticks]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, (
            text.get_text()
        )


def test_curves_are_at_the_budgets_with_their_bands():
    figure = figures.allocation_curves(CURVES, budget="samples")
    check(figure)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "samples per problem"
    lines = {line.get_label(): line for line in axes.get_lines()}
    for (name, curve), band in zip(CURVES.items(), axes.collections, strict=True):
        np.testing.assert_array_equal(lines[name].get_xdata(), BUDGETS)
        found = [one.accuracy for one in curve]
        np.testing.assert_allclose(lines[name].get_ydata(), found)
        corners = set(map(tuple, band.get_paths()[0].vertices))
        assert {(one.budget, one.low) for one in curve} <= corners
    styles = [(line.get_marker(), line.get_linestyle()) for line in lines.values()]
    assert len(set(styles)) == 3
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(next_) for one, next_ in pairwise(sorted(
        boxes, key=lambda box: box.y0)))  # fmt: skip
    assert "240 problems" in figure.get_supxlabel()
    # a baseline that cannot spend its budget says what it spends
    dear = best_of(VOTES and [o for o in OPTIONS if o.name == "majority, n = 4"], [9])
    row = figures.allocation_curves({"v": dear}, budget="samples").rows[2]
    assert row.startswith("  9: ") and row.endswith("spends 4")


def test_the_unit_of_the_budget_is_named():
    figure = figures.allocation_curves({"majority": VOTES}, budget="flops")
    assert figure.axes[0].get_xlabel() == "FLOPs per problem"


def test_winners_by_bin_show_both_halves_where_they_disagree():
    allocation = PREDICTED[BUDGETS.index(16)]
    figure = figures.bin_winners(SHARES, allocation, budget="samples")
    check(figure)
    written = [text.get_text() for text in figure.axes[0].texts]
    for b in range(world.BINS):
        names = {names[b] for names in allocation.choices}
        [words] = [w for w in written[b : b + 1]]
        assert set(words.split("\nor ")) == names
    assert any("\nor " in words for words in written)
    drawn = {c.get_label(): c for c in figure.axes[0].containers}
    for name, own in SHARES.items():
        points = drawn[name].lines[0].get_xdata()
        np.testing.assert_allclose(points, [share.value for share in own])
    markers = {c.lines[0].get_marker() for c in drawn.values()}
    assert len(markers) == len(SHARES)


def test_the_map_is_coloured_and_labelled_by_the_winner():
    figure = figures.winner_map(PREDICTED, budget="samples")
    check(figure)
    (axes,) = figure.axes
    cells = [p for p in axes.patches if isinstance(p, Rectangle)]
    codes = [text.get_text() for text in axes.texts]
    wanted = [name for one in PREDICTED for own in kinds(one) for name in own]
    names = short_names(wanted)
    assert codes == [names[name] for name in wanted]
    colours = {}
    for cell, code in zip(cells, codes, strict=True):
        colours.setdefault(code, set()).add(cell.get_facecolor())
    assert all(len(found) == 1 for found in colours.values())
    assert len({next(iter(found)) for found in colours.values()}) == len(colours)
    heights = sorted({cell.get_height() for cell in cells})
    assert heights == [0.5, 1.0]
    empty = figures.winner_map(ORACLE, problems=[80, 160, 0], budget="samples")
    assert "  16: no problems" in empty.rows
    check(empty)


def test_stability_is_drawn_beside_chance():
    figure = figures.bin_stability(
        [1, 4, 16], {"oracle": [0.3, 0.5, 1], "predicted": [0.5, 0.6, 1]}, bins=5,
        problems=99,
    )  # fmt: skip
    check(figure)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert lines["_chance"].get_ydata()[0] == 0.2
    np.testing.assert_array_equal(lines["predicted"].get_ydata(), [0.5, 0.6, 1])
    assert "99 problems in 5 bins" in figure.get_supxlabel()


def test_a_kind_keeps_its_colour_and_short_names_differ():
    every = ["best-of-n", "beam search", "weighted vote", "DVTS", "majority", "REBASE",
             "lookahead 1"]  # fmt: skip
    assert sorted(styles(every).values()) == list(range(7))
    for name in every:
        assert styles([name])[name] == styles(every)[name]
    mine = styles(["mine", *every])
    assert mine["mine"] not in [mine[name] for name in every]
    some = [*every, "mine", "my search", "mixed", "majority of majorities"]
    assert len(set(short_names(some).values())) == len(some)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.allocation_curves({}), "no allocations"),
        (lambda: figures.allocation_curves({"a": []}), "no allocations"),
        (lambda: figures.allocation_curves(CURVES, budget="time"), "got 'time'"),
        (lambda: figures.winner_map([]), "no allocations"),
        (lambda: figures.winner_map(ORACLE, problems=[1, 2]), r"\[2, 3, 3"),
        (lambda: figures.winner_map(ORACLE, names=["a"]), r"\['a'\] for 3 bins"),
        (lambda: figures.bin_winners({"a": []}, ORACLE[0]), "'a' has 0 bins"),
        (lambda: figures.bin_stability([1], {"a": [1, 2]}, bins=2, problems=2),
         r"'a' has shape \(2,\) for 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_quoted(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
