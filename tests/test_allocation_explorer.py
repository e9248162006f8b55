"""The allocation explorer without a front end, on options whose best are known."""

from __future__ import annotations

import re
import time
from html import unescape
from xml.etree import ElementTree

import allocation_world as world
import numpy as np
import pytest

from tts_lab.allocate import Option
from tts_lab.difficulty import quantiles
from tts_lab.grid import options as measured
from tts_lab.grid import store, tables
from tts_lab.widgets import AllocationExplorer
from tts_lab.widgets.allocation_answer import RESAMPLES
from tts_lab.widgets.allocation_source import Given, Grid
from tts_lab.winners import by_bin

SECONDS = 60
BOTH = {"oracle": world.oracle(), "predicted": world.predicted()}


def made(**options) -> AllocationExplorer:
    whole = {"options": world.options(), "difficulty": BOTH, "estimate": 16, "bins": 3}
    return AllocationExplorer(**(whole | options))


def drawn(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])


def named(explorer: AllocationExplorer) -> list[str]:
    """What stands beside the bins in the picture."""
    texts = drawn(explorer.bins.value).iter("text")
    return [t.text for t in texts if t.get("class") == "tts-option"]


def move(explorer: AllocationExplorer, **values) -> None:
    for name, value in values.items():
        getattr(explorer.controls, name).value = value
    assert explorer.wait(SECONDS)
    assert explorer.status.phase in ("idle", "done"), explorer.status.message


# what is shown


@pytest.mark.parametrize("budget", [2, 4, 8, 16, 32, 64])
def test_the_known_winners_are_named(budget):
    explorer = made(budget=budget)
    expected = [f"{name}, n = {budget}" for name in world.BEST]
    assert named(explorer) == expected
    for b, words in enumerate(expected):
        assert re.search(rf"^bin {b + 1}.*: {words}$", explorer.text(), re.M)
    assert explorer.allocation.choices == (tuple(expected),) * 2


def test_moving_the_budget_changes_the_picture_at_once():
    explorer = made(budget=2)
    before = explorer.bins.value, explorer.curves.value, explorer.map.value
    explorer.controls.budget.value = 64.0
    assert named(explorer)[0] == "majority, n = 64"
    after = explorer.bins.value, explorer.curves.value, explorer.map.value
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert "At 64 samples per problem" in explorer.status_line.value
    assert explorer.status.phase == "idle"  # nothing had to be computed


def test_a_budget_between_goes_to_the_nearest():
    assert made(budget=9).controls.budget.value == 8
    assert made(budget=1e9).controls.budget.value == 64


def test_predicted_bins_that_say_nothing_gain_less():
    explorer = made(budget=64)
    oracle = explorer.allocation.accuracy
    move(explorer, kind="predicted")
    assert explorer.allocation.accuracy < oracle - 0.1
    assert "predicted bins" in explorer.text()
    assert named(explorer) != [f"{name}, n = 64" for name in world.BEST]


def test_efficiency_is_against_the_baseline_that_is_chosen():
    explorer = made(budget=64)
    best = explorer.efficiency
    assert best.of.budget == 64 and best.of.choices == (("best-of-n, n = 64",),)
    assert 1 < best.low <= best.value <= best.high
    move(explorer, baseline="majority")
    assert explorer.efficiency.of.choices == (("majority, n = 64",),)
    assert explorer.efficiency.value > best.value  # it is the weaker of the two
    assert explorer.efficiency.words() in explorer.text()
    assert f"{explorer.efficiency.value:.1f}×" in explorer.tiles.value


def test_what_is_spent_of_a_budget_counts_too():
    """The choice takes the cheapest where nothing helps, and is cheaper for it."""
    hopeless = np.repeat([1.0, 0.0], 120)
    rise = [Option.of(f"best-of-n, n = {n}", hopeless * v, n)
            for n, v in ((1, 0.25), (4, 0.5), (16, 0.75))]  # fmt: skip
    bins = quantiles(hopeless, bins=2)
    explorer = AllocationExplorer(options=rise, difficulty=bins, budget=16)
    assert explorer.efficiency.value == pytest.approx(1)
    assert (explorer.allocation.cost.mean(), explorer.allocation.budget) == (8.5, 16)
    assert re.search(rf"by what is spent: {16 / 8.5:.1f}×", explorer.text())
    assert f"<b>{16 / 8.5:.1f}×</b>" in explorer.tiles.value


def test_charging_the_estimate_costs_accuracy():
    explorer = made(budget=32)
    free, ratio = explorer.allocation, explorer.efficiency.value
    move(explorer, charged=True)
    charged = explorer.allocation
    assert charged.budget == 32
    assert charged.accuracy < free.accuracy
    assert explorer.efficiency.value < ratio
    assert named(explorer)[0] == "majority, n = 16"  # 16 of 32 are left
    assert (charged.cost == 32).all()
    explorer.controls.budget.value = 8.0
    assert explorer.allocation is None
    assert set(named(explorer)) == {"the estimate costs more"}
    assert "the estimate of the difficulty alone costs more" in explorer.text()


def test_other_bins_are_made_of_the_same_values():
    explorer = made()
    move(explorer, binning="quantiles", bins=6)
    assert "bin 6 (hardest), 40 problems" in explorer.text()
    assert len(named(explorer)) == 6
    assert not explorer.controls.bins.disabled
    move(explorer, binning="thresholds")
    assert explorer.controls.bins.disabled
    assert "bin 3 (hardest), 24 problems" in explorer.text()  # 0.1 of 0 to 1


def test_a_bin_without_problems_says_so():
    easy = quantiles(np.linspace(1, 0.6, 240), bins=3)
    explorer = made(difficulty=easy, binning="thresholds")
    assert named(explorer)[1:] == ["no problems", "no problems"]
    assert "bin 2: no problems" in explorer.text()
    assert explorer.controls.kind.disabled  # there are oracle bins only


def test_the_map_marks_where_the_halves_disagree():
    explorer = made(kind="predicted")
    cells = [g for g in drawn(explorer.map.value).iter("g")]
    assert len(cells) == 3 * len(world.BUDGETS)
    cut = [g for g in cells if " or " in g.find("title").text]
    assert cut
    for cell in cells:
        codes = [t.text for t in cell.iter("text")]
        assert len(codes) == (2 if cell in cut else 1)


# what it is shown with


def test_pictures_are_sound_and_named():
    explorer = made(budget=16)
    for html in (explorer.curves.value, explorer.bins.value, explorer.map.value):
        picture = drawn(html)
        assert picture.get("role") == "group"  # its points can have the focus
        assert picture.get("aria-label")
    dots = [g for g in drawn(explorer.curves.value).iter("g") if g.get("tabindex")]
    said = [unescape(g.get("aria-label")) for g in dots]
    names = ["oracle bins", "predicted bins", "best-of-n", "majority"]
    assert [words.partition(":")[0] for words in said] == names
    for words in said:
        assert words.partition(": ")[2] in explorer.text()
    lines = [p for p in drawn(explorer.curves.value).iter("path")
             if p.get("class") == "tts-curve"]  # fmt: skip
    assert len({line.get("stroke-dasharray") for line in lines}) == 4


def test_kinds_of_strategy_differ_in_shape():
    marks = [
        (e.tag, re.sub(r"[\d.]+", "", e.get("d", "")))
        for e in drawn(made().bins.value).iter()
        if e.get("class") == "tts-mark"
    ]
    assert len(set(marks)) == len(world.TRUTH)


def test_every_control_has_a_name_and_what_cannot_be_chosen_is_disabled():
    c = made().controls
    for control in (c.family, c.domain, c.baseline, c.binning, c.bins, c.samples,
                    c.budget, c.charged, c.counted):  # fmt: skip
        assert control.description
    assert c.family.disabled and c.domain.disabled and c.samples.disabled
    assert c.unit.disabled and not c.kind.disabled
    assert not c.budget.continuous_update
    assert c.checks.layout.display == "none"  # these options name no verifiers


def test_the_twin_says_what_it_is_about():
    explorer = made(budget=16)
    lines = explorer.text().splitlines()
    assert "not charged" in lines[0] and "samples per problem" in lines[0]
    assert lines[1] == "240 problems, 28 options"
    assert f"{RESAMPLES} resamples" in explorer.status_line.value
    shown, _ = explorer._repr_mimebundle_()
    assert shown["text/plain"] == explorer.text()
    assert shown["image/png"].startswith("iVBOR")
    assert "compute-optimal, oracle bins" in explorer.figure().rows[1]
    assert repr(explorer) == "<AllocationExplorer: idle>"


# changes that take time


class Slow(Given):
    """Takes a while, and fails for six bins."""

    def study(self, settings):
        time.sleep(0.05)
        if settings.bins == 6:
            raise ValueError("bins=6; accepted is anything else")
        return super().study(settings)


def test_the_last_of_several_changes_is_shown():
    source = Slow(world.options(), BOTH)
    explorer = AllocationExplorer(source=source, binning="quantiles", bins=2)
    for bins in (3, 4, 5, 8, 2, 10):
        explorer.controls.bins.value = bins
    assert explorer.wait(SECONDS)
    assert explorer.settings.bins == 10
    assert len(named(explorer)) == 10


def test_a_failure_is_told_and_what_was_shown_stays():
    source = Slow(world.options(), BOTH)
    explorer = AllocationExplorer(source=source, binning="quantiles", bins=2)
    explorer.controls.bins.value = 6
    assert explorer.wait(SECONDS)
    assert explorer.status.phase == "failed"
    words = "bins=6; accepted is anything else. Change that setting."
    assert words in explorer.status_line.value and words in explorer.text()
    assert len(named(explorer)) == 2
    move(explorer, bins=4)
    assert len(named(explorer)) == 4 and "tts-failed" not in explorer.status_line.value


def test_close_stops():
    explorer = made()
    explorer.controls.bins.value = 4
    explorer.close()
    assert explorer.wait(SECONDS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difficulty": None}, "difficulty is None; options and difficulty go"),
        ({"options": None}, "options is None; options and difficulty go together"),
        ({"kind": "luck"}, r"kind='luck'; accepted are \['oracle', 'predicted'\]"),
        ({"binning": "halves"}, r"binning='halves'; accepted are \['as given'"),
        ({"bins": 0}, "bins=0; accepted is 1 to 10"),
        ({"unit": "euros"}, "unit='euros'; accepted are"),
        ({"samples": 5}, r"samples=5; accepted are \[16\]"),
        ({"verifiers": ["prm-a"]}, r"verifiers=\['prm-a'\]; accepted are"),
        ({"baseline": "luck"}, r"baseline='luck'; accepted are \['best-of-n'"),
        ({"options": world.options(120)}, "120 outcomes for 240 problems"),
        ({"baselines": {}}, r"baselines \[\]; accepted are some of each"),
        ({"options": [Option.of("mine, n = 4", np.ones(240), 4)]}, r"baselines \[\]"),
    ],
)
def test_bad_arguments_are_quoted(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


# the grid


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("grid")
    world.write_grid(made)
    return made


@pytest.fixture
def grid(folder, monkeypatch):
    """The readers of the grid, with this folder as their default."""
    readers = (
        store.pools, store.chains, store.cells, tables.pools, tables.chains,
        measured.sampling, measured.searching, measured.revising, measured.difficulty,
        measured.estimate_cost,
    )  # fmt: skip
    for read in readers:
        monkeypatch.setitem(read.__kwdefaults__, "folder", folder)


def on_grid(**options) -> AllocationExplorer:
    whole = {"domain": "countdown", "unit": "samples", "bins": 4}
    return AllocationExplorer(**(whole | options))


def test_the_grid_s_options_are_about_the_searches_problems(grid):
    explorer = on_grid(budget=16)
    assert "105k on countdown, 32 problems" in explorer.text()  # 8 of 4 levels
    found = named(explorer)
    assert "search" not in found[0]  # voting is enough there
    assert "beam search, n = 4" in [words.removeprefix("or ") for words in found]
    c = explorer.controls
    assert [box.description for box in c.verifiers.children] == ["prm-a", "prm-x"]
    assert c.counted.disabled  # samples are samples


def test_the_choice_is_reward_aware_with_two_verifiers(grid):
    explorer = on_grid(budget=16)
    explorer.controls.verifiers.children[1].value = True
    assert explorer.wait(SECONDS) and explorer.status.phase == "done"
    assert explorer.settings.verifiers == ("prm-a", "prm-x")
    assert "16 problems" in explorer.text()  # those that both have searches of
    assert re.search("prm-[ax]", named(explorer)[-1])
    names = list(explorer.controls.baseline.options)
    assert names == ["best-of-n, prm-a", "best-of-n, prm-x", "majority"]
    for box in explorer.controls.verifiers.children:
        box.value = False
    assert explorer.wait(SECONDS) and explorer.status.phase == "failed"
    assert "verifiers=[]; accepted are one or more of" in explorer.status.message


def test_revisions_are_another_family(grid):
    explorer = on_grid(family="revisions", budget=16)
    assert "reviser-380k on countdown, 32 problems" in explorer.text()
    assert list(explorer.controls.baseline.options) == [
        "parallel weighted vote", "parallel best-of-n", "parallel majority"
    ]  # fmt: skip
    for shape in ("one attempt", "sequential", "parallel", "mixed"):
        assert f"  {shape}: " in explorer.text()
    move(explorer, family="search")
    assert explorer.settings.family == "search"
    assert "beam search" in explorer.text()


def test_units_and_who_is_counted(grid):
    explorer = on_grid(budget=16)
    place = explorer.controls.budget.index
    move(explorer, unit="tokens")
    assert explorer.controls.budget_unit.value == "tokens per problem"
    assert abs(explorer.controls.budget.index - place) <= 3
    counted = explorer.efficiency.of.budget
    explorer.controls.budget.value = explorer.controls.budget.options[-1][1]
    most = explorer.controls.budget.value
    move(explorer, counted=False)
    assert (
        explorer.controls.budget.options[-1][1] == most / 2
    )  # read as much as written
    assert counted > 0


def test_fewer_samples_make_a_cheaper_estimate(grid):
    explorer = on_grid(charged=True)
    assert explorer.settings.samples == 16  # all
    assert "cost of the estimate</span><br><b>16</b> charged" in explorer.tiles.value
    move(explorer, samples=2)
    assert "<b>2</b> charged" in explorer.tiles.value
    assert "estimated from 2 samples, charged" in explorer.text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "luck"}, r"family='luck'; accepted are \['search', 'revisions'\]"),
        ({"domain": "chess"}, "domain='chess'; accepted are"),
        ({"samples": 3}, r"samples=3; accepted are \[1, 2, 4, 8, 16\]"),
        ({"verifiers": ["orm"]}, r"verifiers=\['orm'\]; accepted are one or more of"),
        ({"verifiers": []}, r"verifiers=\[\]; accepted are one or more of"),
        ({"policy": "9b"}, "the grid has no 'pools-9b-countdown'"),
    ],
)
def test_bad_settings_of_the_grid_are_quoted(grid, options, message):
    with pytest.raises(ValueError, match=message):
        on_grid(**options)


def test_the_grid_is_a_source(grid):
    there = Grid().offer("revisions", "countdown")
    assert there.verifiers == ("prm-a",)
    assert there.units == ("samples", "tokens", "flops")


# winners


def test_a_kind_without_an_option_in_the_budget_has_no_share():
    some = [Option.of("a, n = 1", np.ones(6), 1), Option.of("b, n = 9", np.ones(6), 9)]
    found = by_bin(some, quantiles(np.arange(6), bins=2), 4)
    assert [share.value for share in found["a"]] == [1, 1]
    assert np.isnan([share.value for share in found["b"]]).all()
    nothing = by_bin(some, quantiles(np.arange(6), bins=2), 4, estimate=4)
    assert np.isnan([s.value for own in nothing.values() for s in own]).all()


def test_a_bin_s_share_is_that_of_the_allocation_with_one_kind():
    found = by_bin(world.options(), world.oracle(), 16)
    for name, ends in world.TRUTH.items():
        for share, (low, high) in zip(found[name], ends, strict=True):
            assert share.value == pytest.approx(low + (high - low) * 4 / 6)
            assert share.low <= share.value <= share.high
            assert share.problems == 80
