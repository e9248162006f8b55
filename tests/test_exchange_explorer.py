"""Exchanges in figures and in the explorer: bars, stars, published values, words."""

from __future__ import annotations

import math
import re
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pytest
import small_grid
from matplotlib.figure import Figure

from tts_lab import exchange, exchange_curves, figures
from tts_lab.exchange import RATIOS
from tts_lab.grid import matched
from tts_lab.published import PANELS, improvements
from tts_lab.widgets import ExchangeExplorer

PAIR = "105k and 1.5m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("grid")
    small_grid.write(made)
    return made


@pytest.fixture(autouse=True)
def grid(monkeypatch, folder):
    small_grid.use(monkeypatch, folder)


def elements(html: str, name: str) -> list[ElementTree.Element]:
    """Those of an SVG with a class; nothing in it may be malformed."""
    [svg] = re.findall(r"<svg.*</svg>", html, flags=re.S)
    return [
        one
        for one in ElementTree.fromstring(svg).iter()
        if name in one.get("class", "").split()
    ]


def star(explorer: ExchangeExplorer, bin: int = 0) -> tuple[float, float]:
    """Where the large star of a bin stands."""
    own = [one for one in elements(explorer.budgets.value, "tts-star")
           if "tts-others" not in one.get("class")]  # fmt: skip
    [polygon] = [one for one in own[bin] if one.tag == "polygon"]
    x, y = polygon.get("points").split()[0].split(",")
    return float(x), float(y)


# ---- the numbers


def test_relative_intervals_resample_both_models():
    rng = np.random.default_rng(0)
    large = (rng.random(200) < 0.5).astype(float)
    small = {1: (rng.random(200) < 0.6).astype(float)}
    [one] = exchange.compare(small, large, np.zeros(200, int), m=2, ratios=[1])
    assert one.relative_low < one.relative < one.relative_high
    # a ratio of means: wider than the difference over a large model known exactly
    assert one.relative_high - one.relative_low > (one.high - one.low) / one.large


def test_a_larger_model_that_is_never_right_has_no_relative_end():
    [one] = exchange.compare({1: [1, 0, 1]}, [0, 0, 0], [0, 0, 0], m=2, ratios=[1])
    assert math.isnan(one.relative)
    assert math.isinf(one.relative_high)
    [none] = exchange.compare({1: [0, 0]}, [0, 0], [0, 0], m=2, ratios=[1])
    assert (none.relative_low, none.relative_high) == (0, 0)


@pytest.mark.parametrize(("m", "r"), [(14, 0.16), (2, 5), (40, 1e-3)])
def test_the_ratio_undoes_the_multiplier(m, r):
    assert exchange.ratio_at(m, exchange.multiplier(m, r)) == pytest.approx(r)
    with pytest.raises(ValueError, match=r"k is 14; accepted is above m = 14"):
        exchange.ratio_at(14, 14)


def test_curves_are_the_means_of_each_bin():
    small = {4: [1, 0, 1, 1], 1: [1, 0, 0, 0]}
    easy, hard = exchange_curves.curves(small, [1, 1, 0, 1], [0, 1, 0, 1])
    assert easy.budget.tolist() == [1, 4]
    assert (easy.mean.tolist(), hard.mean.tolist()) == ([0.5, 1], [0, 0.5])
    assert (easy.large, hard.large, easy.problems) == (0.5, 1, 2)
    assert (easy.low <= easy.mean).all() and (easy.mean <= easy.high).all()
    with pytest.raises(ValueError, match="one per problem"):
        exchange_curves.curves({1: [1, 0]}, [1], [0])
    with pytest.raises(ValueError, match="no budgets"):
        exchange_curves.curves({}, [1], [0])
    with pytest.raises(ValueError, match=r"pair 'x' is unknown; there are \['27k"):
        exchange_curves.of_pair("x", "chains")


# ---- published values


def test_the_published_values_are_those_of_the_file():
    """shared/papers/snell_fig1_flops_matched.csv, arXiv 2408.03314 Fig. 1."""
    known = {(p.ratio, p.bin): p.readings for p in improvements("revisions")}
    assert known[0.16, 1] == (0.278,) and known[22, 2] == (-0.372,)
    assert all(one.resolved for one in improvements("revisions"))
    search = improvements("prm_search")
    assert len(search) == 9
    resolved = {(p.ratio, p.bin): p.readings[0] for p in search if p.resolved}
    assert resolved == {(0.16, 0): 0.191, (0.79, 1): -0.356, (22, 2): -0.529}
    assert all(len(p.readings) == 2 for p in search if not p.resolved)
    with pytest.raises(ValueError, match=r"panel 'x' is unknown; .*'revisions'"):
        improvements("x")


# ---- figures


@pytest.mark.parametrize("scale", ["relative", "absolute"])
@pytest.mark.parametrize("bins", [1, 3, 5])
def test_the_bars_are_what_was_compared(scale, bins):
    found = matched.compared(PAIR, "chains", bins=bins)
    figure = figures.exchange(found, scale=scale)
    assert isinstance(figure, Figure)
    [axes] = figure.axes
    heights = [bar.get_height() for bars in axes.containers
               for bar in getattr(bars, "patches", [])]  # fmt: skip
    by_bin = sorted(found, key=lambda one: one.bin)
    values = [one.relative if scale == "relative" else one.difference for one in by_bin]
    assert heights == pytest.approx(np.nan_to_num(values).tolist())
    assert axes.get_xlabel() and axes.get_ylabel()
    assert "95% interval" in figures.text(figure)
    assert f"R = 0.79, {found[bins].budget:.3g} x inference" in figure.rows


def test_published_values_lie_over_the_bars_and_unresolved_ones_are_hollow():
    found = matched.compared(PAIR, "chains")
    figure = figures.exchange(found, published=improvements("prm_search"))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    faces = [(len(line.get_ydata()), line.get_markerfacecolor()) for line in marks]
    assert sorted(faces) == [(1, "black")] * 3 + [(2, "white")] * 6
    asked = [text for text in figure.axes[0].texts if text.get_text() == "?"]
    assert len(asked) == 6
    assert "    published: unresolved, −5.6% or +2.2%" in figure.rows
    assert "    published: −52.9%" in figure.rows
    for other in (figures.exchange(found, scale="absolute"),
                  figures.exchange(found)):  # fmt: skip
        assert not any("published" in row for row in other.rows)


def test_each_star_is_at_its_matched_budget():
    found = matched.compared(PAIR, "chains", ratios=[0.01, 22])
    curves = exchange_curves.of_pair(PAIR, "chains")
    figure = figures.matched_budgets(curves, found, names=("105k", "1.5m"))
    assert len(figure.axes) == 3
    for axes, curve in zip(figure.axes, curves, strict=True):
        stars = [line for line in axes.lines if line.get_marker() == "*"]
        mine = [one for one in found if one.bin == curve.bin]
        assert [(s.get_xdata()[0], s.get_ydata()[0]) for s in stars] == [
            (one.budget, one.small) for one in mine
        ]
        assert [s.get_markerfacecolor() for s in stars] == ["white", "black"]
        [line] = [one for one in axes.lines if one.get_label().startswith("1.5m")]
        assert line.get_ydata()[0] == curve.large
    assert any("not measured there" in row for row in figure.rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "odd"}, "scale='odd'; accepted are"),
        ({"found": []}, "no exchanges to draw"),
        ({"scale": "absolute", "published": improvements("revisions")},
         "these are absolute and of 3"),
        ({"bins": 5, "published": improvements("revisions")},
         "these are relative and of 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_quoted(options, message):
    bins = options.pop("bins", 3)
    found = options.pop("found", matched.compared(PAIR, "chains", bins=bins))
    with pytest.raises(ValueError, match=message):
        figures.exchange(found, **options)


def test_stars_of_another_bin_are_refused():
    found = matched.compared(PAIR, "chains", bins=5)
    curves = exchange_curves.of_pair(PAIR, "chains")
    with pytest.raises(ValueError, match=r"bins \[3, 4\]; the curves are of"):
        figures.matched_budgets(curves, found)
    with pytest.raises(ValueError, match="no curves to draw"):
        figures.matched_budgets([], found)


# ---- the explorer


@pytest.mark.parametrize("rule", ["weighted vote", "best-of-n", "majority", "coverage"])
@pytest.mark.parametrize("counted", [False, True])
def test_the_explorer_shows_what_the_grid_compares(rule, counted):
    explorer = ExchangeExplorer(rule=rule, counted=counted, r=3, bins=4)
    expected = matched.compared(
        PAIR, "chains", rule=rule, ratios=sorted([*RATIOS, 3.0]), bins=4,
        counted=counted,
    )  # fmt: skip
    assert explorer.found == expected
    curves = exchange_curves.of_pair(PAIR, "chains", rule=rule, bins=4, counted=counted)
    for shown, curve in zip(explorer.curves, curves, strict=True):
        assert shown.mean.tolist() == curve.mean.tolist()
    bars = elements(explorer.bars.value, "tts-bar")
    assert len(bars) == len(expected) == 16
    for bar, one in zip(bars, expected, strict=True):
        words = bar.get("aria-label")
        assert f"105k {one.small:.1%}, 1.5m {one.large:.1%}" in words
        assert bar.get("tabindex") == "0"
        assert ("tts-pale" in bar.get("class")) == (one.low <= 0 <= one.high)


def test_r_moves_the_star_and_the_bars():
    explorer = ExchangeExplorer(r=22)
    before, text = star(explorer), explorer.text()
    explorer.controls.r.value = 5
    after = star(explorer)
    assert after[0] > before[0]
    assert explorer.text() != text
    own = [one for one in explorer.found if one.ratio == 5]
    expected = matched.compared(PAIR, "chains", ratios=[5])
    assert own == expected
    assert f"costs the FLOPs of 105k with {own[0].budget:.3g} times" in explorer.text()


def test_m_moves_the_star_and_is_said_not_to_be_the_pairs():
    explorer = ExchangeExplorer(r=22)
    before = star(explorer)
    assert "Only the budget moves" not in explorer.text()
    explorer.controls.m.value = 3
    assert star(explorer)[0] < before[0]
    assert explorer.found == matched.compared(PAIR, "chains", m=3.0)
    assert "M is set to 3; the larger answers stay those of 1.5m" in explorer.text()
    explorer.controls.own_m.click()
    assert star(explorer) == before


def test_the_buttons_are_the_ratios_of_the_paper():
    explorer = ExchangeExplorer(r=1)
    assert len(explorer.found) == 12
    for button, ratio in zip(explorer.controls.ratios, RATIOS, strict=True):
        button.click()
        assert explorer.settings.r == ratio
        assert len(explorer.found) == 9  # one of the three is yours


def test_a_budget_beyond_what_was_measured_is_marked():
    explorer = ExchangeExplorer(r=0.01)
    assert "beyond the 16 times that were measured" in explorer.text()
    assert "beyond the 16 times" in explorer.status_line.value
    own = [one for one in elements(explorer.budgets.value, "tts-star")
           if "tts-others" not in one.get("class")]  # fmt: skip
    assert all("tts-hollow" in one.get("class") for one in own)
    last = [curve.mean[-1] for curve in explorer.curves]
    shown = [one.small for one in explorer.found if one.ratio == 0.01]
    assert shown == pytest.approx(last)
    explorer.controls.r.value = 100
    assert "beyond" not in explorer.status_line.value


def test_a_budget_below_the_first_is_marked():
    explorer = ExchangeExplorer(r=100, m=1.5, counted=True)
    assert "does not pay for one answer and its verifier" in explorer.text()


def test_the_multiplier_and_longer_training_are_in_words():
    explorer = ExchangeExplorer(r=0.16)
    m = matched.times_larger(PAIR)
    text = explorer.text()
    assert f"{exchange.multiplier(m, 0.16):.0f} times the inference" in text
    times = exchange.longer_training(m, 0.16)
    assert f"they pay for {times:.3g} times the training tokens of 105k" in text
    assert f"12 million become {12 * times:.0f} million" in text
    assert f"<b>{times:.3g}</b>" in explorer.tiles.value


def test_published_values_are_laid_over_and_unresolved_ones_marked():
    explorer = ExchangeExplorer(published="prm_search")
    marks = elements(explorer.bars.value, "tts-published")
    unresolved = elements(explorer.bars.value, "tts-unresolved")
    assert (len(marks), len(unresolved)) == (9, 6)
    assert all("?" in "".join(one.itertext()) for one in unresolved)
    assert "published unresolved, −5.6% or +2.2%" in explorer.text()
    assert "published −52.9%" in explorer.text()
    explorer.controls.published.value = "revisions"
    assert not elements(explorer.bars.value, "tts-unresolved")
    assert "published +21.6%" in explorer.text()
    explorer.controls.published.value = "none"
    assert not elements(explorer.bars.value, "tts-published")


@pytest.mark.parametrize("moved", [{"scale": "absolute"}, {"bins": 5}])
def test_published_values_that_do_not_fit_are_said_to_be_left_out(moved):
    explorer = ExchangeExplorer(**moved)
    assert not elements(explorer.bars.value, "tts-published")
    assert "not shown here" in explorer.bars.value
    assert "published" not in explorer.text()


def test_m_follows_the_pair_until_it_was_moved():
    explorer = ExchangeExplorer()
    explorer.controls.pair.value = "27k and 380k"
    assert explorer.settings.m == pytest.approx(matched.times_larger("27k and 380k"))
    assert explorer.found == matched.compared("27k and 380k", "chains")
    explorer.controls.m.value = 20
    explorer.controls.pair.value = PAIR
    assert explorer.settings.m == 20


def test_a_rule_without_a_verifier_has_nothing_to_count():
    explorer = ExchangeExplorer()
    assert not explorer.controls.counted.disabled
    explorer.controls.rule.value = "coverage"
    assert explorer.controls.counted.disabled
    assert "prm-a" not in explorer.text()


def test_what_the_grid_lacks_is_an_error_in_the_status():
    explorer = ExchangeExplorer()
    explorer.controls.domain.value = "countdown"
    words = unescape(explorer.status_line.value)
    assert "This did not work" in words and 'role="status"' in words
    assert "the grid has no 'pools-105k-countdown'" in words
    assert "the grid has no" in explorer.text()
    with pytest.raises(ValueError, match="the grid has no"):
        _ = explorer.found
    assert "image/png" not in explorer._repr_mimebundle_()[0]
    explorer.controls.domain.value = "chains"
    assert explorer.found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pair": "1k and 2k"}, r"pair '1k and 2k' is unknown; there are \['27k"),
        ({"domain": "poems"}, r"domain 'poems' is unknown; there are \['chains'"),
        ({"rule": "luck"}, r"rule 'luck' is unknown; there are \['coverage'"),
        ({"r": 0}, r"r=0; accepted is 0\.01 to 100"),
        ({"r": math.nan}, r"r=nan; accepted is 0\.01 to 100"),
        ({"m": 1}, r"m=1; accepted is 1\.5 to 100"),
        ({"bins": 6}, r"bins=6; accepted is 1 to 5"),
        ({"bins": 2.5}, r"bins=2\.5; accepted is a whole number"),
        ({"scale": "log"}, r"scale='log'; accepted are \['relative', 'absolute'\]"),
        ({"published": "x"}, r"published='x'; accepted are \['none', 'revisions'"),
        ({"verifier": "oracle"}, r"has no \('weighted vote', 'oracle'\); there are"),
    ],
)
def test_bad_arguments_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        ExchangeExplorer(**options)


def test_sliders_wait_until_they_are_let_go_and_every_control_has_a_name():
    controls = ExchangeExplorer().controls
    for slider in (controls.r, controls.m, controls.bins):
        assert not slider.continuous_update
    for control in (controls.pair, controls.domain, controls.rule, controls.bins,
                    controls.r, controls.m, controls.counted, controls.published,
                    *controls.ratios, controls.own_m):  # fmt: skip
        assert control.description and control.tooltip


def test_the_ends_of_the_sliders_are_accepted():
    explorer = ExchangeExplorer()
    for control in (explorer.controls.r, explorer.controls.m):
        for end in (control.min, control.max):
            control.value = control.base**end
            assert explorer.found


def test_readers_without_a_kernel_get_a_picture_and_a_text():
    explorer = ExchangeExplorer()
    data, _ = explorer._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert data["text/plain"] == explorer.text()
    assert isinstance(explorer.budgets_figure(), Figure)
    assert len(explorer.text().splitlines()) > 10
    assert repr(explorer).startswith("<ExchangeExplorer: 105k against 1.5m")


def test_all_panels_are_offered():
    offered = {value for _, value in ExchangeExplorer().controls.published.options}
    assert offered == {"none", *PANELS}
