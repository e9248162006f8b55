"""Figures: what is drawn is what was given, and the text twin says the same."""

from __future__ import annotations

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tts_lab import figures
from tts_lab.coverage import Curve, coverage, log_ks
from tts_lab.laws import (
    curve_shift,
    fit_beta_binomial,
    fit_kumaraswamy,
    fit_power_law,
)
from tts_lab.ledger import Ledger
from tts_lab.proposers import Size

N = 1000
RNG = np.random.default_rng(0)
COUNTS = {
    "small": RNG.binomial(N, RNG.beta(0.3, 6, 60)),
    "large, warm": RNG.binomial(N, RNG.beta(0.6, 3, 60)),
}
CURVES = {name: coverage(N, c, log_ks(N), resamples=50) for name, c in COUNTS.items()}
CURVE = CURVES["small"]


def labelled(axes) -> dict[str, object]:
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    return {name: one for name, one in lines.items() if not name.startswith("_")}


def fit(curve: Curve, up_to: int = N):
    part = curve.k <= up_to
    return fit_power_law(
        curve.k[part], curve.mean[part], per_problem=curve.per_problem[:, part]
    )


def check(figure: figures.Picture) -> None:
    """Drawable, labelled, captioned, shown by a notebook, twinned, and not pyplot's."""
    assert isinstance(figure, Figure)
    for axes in figure.axes:
        assert axes.get_xlabel()
    assert figure.axes[0].get_ylabel()
    assert figure.get_suptitle() == figure.rows[0]
    assert "60 problems" in figure.get_supxlabel()
    for line in figure.get_supxlabel().split("\n"):
        assert line in figures.text(figure)
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert data["text/plain"] == figures.text(figure)
    assert metadata["image/png"]["height"] == 420
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= 9


def test_nothing_global_is_touched():
    before = dict(matplotlib.rcParams)
    figures.coverage(CURVES).canvas.draw()
    assert dict(matplotlib.rcParams) == before
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


def test_coverage_draws_the_curves_and_their_bands():
    figure = figures.coverage(CURVES)
    check(figure)
    (axes,) = figure.axes
    for name, curve in CURVES.items():
        line = labelled(axes)[name]
        np.testing.assert_array_equal(line.get_xdata(), curve.k)
        np.testing.assert_array_equal(line.get_ydata(), curve.mean)
    for band, curve in zip(axes.collections, CURVES.values(), strict=True):
        corners = band.get_paths()[0].vertices
        for edge in (curve.low, curve.high):
            points = np.stack([curve.k, edge], axis=1)
            assert {tuple(point) for point in points} <= set(map(tuple, corners))
    assert axes.get_xscale() == "log"
    assert "95% interval over problems" in figure.get_supxlabel()


def test_lines_differ_in_more_than_colour():
    lines = labelled(figures.coverage(CURVES).axes[0]).values()
    styles = [(line.get_marker(), line.get_linestyle()) for line in lines]
    assert len(set(styles)) == len(styles)
    texts = [text.get_text() for text in figures.coverage(CURVES).axes[0].texts]
    assert texts == ["small", "large,\nwarm"]


def test_direct_labels_do_not_overlap():
    same = {f"model {i}": CURVE for i in range(6)}
    figure = figures.coverage(same)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for one, next_ in pairwise(boxes):
        assert not one.overlaps(next_)


def test_ticks_are_plain_numbers():
    figure = figures.coverage(CURVES)
    figure.canvas.draw()
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["1", "10", "100", "1,000"]


def test_coverage_over_flops():
    ledgers = [Ledger(prompt_tokens=10, generated_tokens=50_000, context_tokens=10**6)]
    size = Size(parameters=100_000, layers=2, hidden=64)
    cost = figures.spent(CURVE.k, ledgers, samples=N, size=size, budget="flops")
    figure = figures.coverage({"small": CURVE}, budget="flops", cost={"small": cost})
    check(figure)
    assert figure.axes[0].get_xlabel() == "million FLOPs per problem"
    line = labelled(figure.axes[0])["small"]
    np.testing.assert_allclose(line.get_xdata(), cost / 1e6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curves": {}}, "at least one"),
        ({"curves": CURVES, "budget": "time"}, "'time'"),
        ({"curves": CURVES, "budget": "tokens"}, "for 'small', got nothing"),
        (
            {"curves": CURVES, "budget": "tokens", "cost": {"small": [1, 2]}},
            r"got shape \(2,\)",
        ),
    ],
)
def test_coverage_says_what_is_missing(options, message):
    with pytest.raises(ValueError, match=message):
        figures.coverage(**options)


def test_spent_is_exact_at_the_samples_drawn():
    size = Size(parameters=1000, layers=2, hidden=8)
    prompt, written, samples = 6, 10, 5
    context = prompt * (prompt + 1) // 2
    context += samples * (written * prompt + written * (written + 1) // 2)
    book = Ledger(
        prompt_tokens=prompt, generated_tokens=samples * written, context_tokens=context
    )
    for budget, whole in (("flops", book.flops_brown(size)), ("tokens", 6 + 50.0)):
        cost = figures.spent(
            [1, samples], [book, book], samples=samples, size=size, budget=budget
        )
        assert cost[1] == whole
    one = Ledger(
        prompt_tokens=6,
        generated_tokens=10,
        context_tokens=prompt * (prompt + 1) // 2 + 60 + 55,
    )
    cost = figures.spent([1], [book], samples=samples, size=size, budget="flops")
    assert cost[0] == one.flops_brown(size)
    with pytest.raises(ValueError, match="none"):
        figures.spent([1], [], samples=1, size=size, budget="tokens")


def test_power_law_draws_points_law_and_held_out_region():
    law = fit(CURVE, 100)
    figure = figures.power_law(CURVE, law, fit_up_to=100)
    check(figure)
    left, right = figure.axes
    assert {"fitted law", "extrapolated"} <= set(labelled(left))
    fitted = labelled(left)["fitted law"]
    assert fitted.get_xdata().max() <= 100
    np.testing.assert_allclose(fitted.get_ydata(), law.predict(fitted.get_xdata()))
    assert labelled(left)["extrapolated"].get_linestyle() == "--"
    assert [text.get_text() for text in left.texts] == ["held out"]
    points = left.containers[0].lines[0]
    np.testing.assert_array_equal(points.get_ydata(), CURVE.mean)
    straight = right.containers[0].lines[0]
    np.testing.assert_allclose(straight.get_ydata(), -np.log(CURVE.mean))
    assert right.get_yscale() == "log"
    assert f"b = {law.b:.3f}" in figures.text(figure)


def test_power_law_of_a_curve_that_reaches_one():
    curve = coverage(N, np.array([500, 700, 900, 5]), log_ks(N), resamples=50)
    figure = figures.power_law(curve, fit_power_law(curve.k, curve.mean))
    figure.canvas.draw()
    drawn = figure.axes[1].containers[0].lines[0].get_xdata()
    np.testing.assert_array_equal(drawn, curve.k[curve.mean < 1])
    assert "extrapolated" not in labelled(figure.axes[0])


def test_curve_shift_divides_by_the_anchor():
    shift = curve_shift(CURVES, resamples=20)
    figure = figures.curve_shift(CURVES, shift)
    check(figure)
    before, after = figure.axes
    for name, k_anchor in zip(shift.names, shift.k_anchor, strict=True):
        curve, line = CURVES[name], labelled(after)[name]
        inside = curve.k >= k_anchor
        np.testing.assert_allclose(line.get_xdata(), curve.k[inside] / k_anchor)
        np.testing.assert_array_equal(line.get_ydata(), curve.mean[inside])
        np.testing.assert_array_equal(labelled(before)[name].get_xdata(), curve.k)
    assert f"spread {shift.spread_after.value:.2f}" in after.get_title()


@pytest.mark.parametrize("family", [fit_beta_binomial, fit_kumaraswamy])
@pytest.mark.parametrize("n", [N, np.full(60, N)])
def test_tail_counts_every_problem_once(family, n):
    counts = COUNTS["small"]
    law = family(N, counts, level=None)
    figure = figures.tail(n, counts, fit=law)
    check(figure)
    (axes,) = figure.axes
    bars = [bar.get_height() for bar in axes.patches]
    assert sum(bars) == 60
    assert bars[0] == np.sum(counts == 0)
    np.testing.assert_array_equal(
        bars[-1], np.sum(counts / N >= axes.patches[-1].get_x() * 0.9999)
    )
    expected = [y for line in axes.get_lines() for y in line.get_ydata()]
    assert sum(expected) == pytest.approx(60, abs=0.01)
    zero = next(line for line in axes.get_lines() if line.get_label() == "_zero")
    # what the law itself says about k = N: 1 - coverage
    assert zero.get_ydata()[0] == pytest.approx(60 * (1 - law.coverage(N)), rel=0.02)


def test_tail_of_one_sample_and_of_no_fit():
    figure = figures.tail(10, [0, 10, 10])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert (heights[0], heights[-1], sum(heights)) == (1, 2, 3)
    assert "never solved: 1 problems" in figures.text(figure)
    figure.canvas.draw()


def test_distinct_averages_over_problems():
    k = [1, 10, 100]
    table = np.array([[1, 8, 50], [1, 10, 70]])
    figure = figures.distinct(k, {"traces": table, "answers": table // 2 + 1})
    (axes,) = figure.axes
    np.testing.assert_allclose(labelled(axes)["traces"].get_ydata(), [1.0, 0.9, 0.6])
    assert "2 problems × 100 samples" in figure.get_supxlabel()
    figure.canvas.draw()
    with pytest.raises(ValueError, match=r"'traces' must be a \(P, 3\) table"):
        figures.distinct(k, {"traces": [[1, 2]]})


def test_the_twin_has_the_numbers_of_the_picture():
    text = figures.text(figures.coverage(CURVES))
    for curve in CURVES.values():
        for i in (0, -1):
            low, high = curve.low[i], curve.high[i]
            numbers = f"{curve.mean[i]:.3f} [{low:.3f}, {high:.3f}]"
            assert f"  {curve.k[i]:,}: {numbers}" in text


def test_a_plain_figure_is_read_by_its_titles_and_lines() -> None:
    """As the exercises draw them with pyplot."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 10], [0.25, 1 / 3], label="mine")
    axes.plot([1, 10], [0, 1])
    axes.set(title="Bill", xlabel="samples", ylabel="share")
    assert figures.text(figure).split("\n") == [
        *("Bill", "share, by samples", "mine", "  1: 0.25", "  10: 0.3333"),
        *("line 2", "  1: 0", "  10: 1"),
    ]
    with pytest.raises(TypeError, match="a list: accepted is a figure"):
        figures.text([])  # type: ignore[arg-type]
