"""The widgets of the allocation explorer's settings, and its budget slider.

Promises: a control offers what the source has and nothing else; one with a single
choice is disabled. Not covered: what a setting changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import local
from typing import Any

import ipywidgets as widgets

from tts_lab.figures.budget import BUDGETS
from tts_lab.widgets.allocation_answer import Answer, nearest
from tts_lab.widgets.allocation_settings import Settings, Source
from tts_lab.widgets.closing import close_each
from tts_lab.widgets.parts import dropdown, offer, slider

_WORDS = {
    "samples": "Samples", "tokens": "Tokens", "flops": "FLOPs",
    "oracle": "Oracle", "predicted": "Predicted",
}  # fmt: skip
_BINNINGS = {
    "quantiles": "equal bins (quantiles)",
    "thresholds": "above 50%, 10 to 50%, below 10%",
}
_BINS = (2, 3, 4, 5, 6, 8, 10)


class AllocationControls:
    """All that can be set.

    Parameters
    ----------
    settings : Settings
        Where they stand at first.
    source : Source
    kind : str
        Of bins that are shown at first.
    """

    def __init__(self, settings: Settings, source: Source, *, kind: str) -> None:
        s = settings
        self._source = source
        there = source.offer(s.family, s.domain)
        self._here = local()
        self.family = dropdown(
            "Options", there.families, s.family, "Searches, or mixes of revisions"
        )
        self.domain = dropdown("Domain", there.domains, s.domain, "Kind of problems")
        self.binning = dropdown(
            "Bins by", _named(there.binnings), s.binning,
            "Equal shares of the problems, or absolute thresholds",
        )  # fmt: skip
        self.bins = slider("Bins", _BINS, s.bins, "How many bins of equal size")
        self.samples = slider(
            "Estimate", there.samples, s.samples,
            "Samples of each problem that its difficulty is estimated from",
        )  # fmt: skip
        self.charged = _box(
            s.charged, "Charge the estimate",
            "Take what estimating the difficulty costs off every budget",
        )  # fmt: skip
        self.counted = _box(
            s.counted, "Count the verifier's cost",
            "Whether what the verifier reads counts as tokens and FLOPs",
        )  # fmt: skip
        self.verifiers = widgets.HBox()
        self.kind = _toggle(
            there.kinds, kind, "Bins of what is right (oracle), or of what a verifier "
            "says (predicted)",
        )  # fmt: skip
        self.unit = _toggle(there.units, s.unit, "The unit of budgets")
        self.baseline = dropdown(
            "Baseline", ["–"], "–", "What the choice is compared with"
        )
        self.budget = widgets.SelectionSlider(
            options=[("–", 0.0)], description="Budget", continuous_update=False,
            layout={"width": "auto", "flex": "1 1 340px"},
            style={"description_width": "84px"},
        )  # fmt: skip
        self.budget_unit = widgets.Label()
        self._offer_verifiers(there.verifiers, s.verifiers)
        columns = "repeat(auto-fit, minmax(270px, 1fr))"
        self.box = widgets.GridBox(
            [self.family, self.domain, self.baseline, self.binning, self.bins,
             self.samples],
            layout=widgets.Layout(grid_template_columns=columns, grid_gap="0 12px"),
        )  # fmt: skip
        self.switches = widgets.HBox(
            [_pair("Difficulty", self.kind), _pair("Cost", self.unit), self.charged]
        )
        self.checks = widgets.HBox(
            [_pair("Verifiers", self.verifiers), self.counted]
        )  # fmt: skip
        self.slide = widgets.HBox([self.budget, self.budget_unit])
        for row in (self.switches, self.verifiers, self.checks, self.slide):
            row.add_class("tts-row")
        if not there.verifiers:  # options of one's own name theirs themselves
            self.checks.layout.display = "none"
        self._enable()

    def observe(
        self, on_settings: Callable[[], None], on_view: Callable[[], None]
    ) -> None:
        """Call the first when something has to be computed, else the second."""
        self._on_settings = on_settings
        for control in (self.family, self.domain):
            control.observe(self._other_place, "value")
        for control in (self.binning, self.bins, self.samples, self.charged,
                        self.counted, self.unit):  # fmt: skip
            control.observe(self._told(on_settings), "value")
        for control in (self.kind, self.baseline, self.budget):
            control.observe(self._told(on_view), "value")

    def settings(self) -> Settings:
        """Where the widgets stand now."""
        return Settings(
            self.family.value, self.domain.value, self.unit.value, self.binning.value,
            self.bins.value, self.samples.value, self.charged.value,
            tuple(box.description for box in self.verifiers.children if box.value),
            self.counted.value,
        )  # fmt: skip

    def take(self, answer: Answer, *, wanted: float | None = None) -> None:
        """Offer the budgets and baselines of an answer, near to where they stood.

        Parameters
        ----------
        answer : Answer
        wanted : float, optional
            A budget; by default the one that was chosen, or in another unit the one
            as far along the slider.
        """
        budgets, before = answer.budgets, [b for _, b in self.budget.options]
        unit = answer.scale[1]
        if wanted is None and len(before) > 1:
            wanted = float(self.budget.value)
            if unit != self.budget_unit.value:
                share = before.index(self.budget.value) / (len(before) - 1)
                wanted = budgets[round(share * (len(budgets) - 1))]
        if wanted is None:
            wanted = budgets[len(budgets) // 2]
        names = list(answer.base)
        similar = [n for n in names if n.split(",")[0] == self.baseline.value
                   .split(",")[0]]  # fmt: skip
        self._quiet = True
        try:
            self.budget.options = [(answer.said(b), b) for b in budgets]
            self.budget.value = nearest(budgets, wanted)
            self.budget_unit.value = unit
            offer(self.baseline, names, (similar or names)[0])
        finally:
            self._quiet = False

    @property
    def _quiet(self) -> bool:
        """Whether this thread moves the controls, and not who uses them.

        The runner's thread offers other budgets while somebody may move a control.
        """
        return getattr(self._here, "quiet", False)

    @_quiet.setter
    def _quiet(self, value: bool) -> None:
        self._here.quiet = value

    def _told(self, handler: Callable[[], None]) -> Callable[[Any], None]:
        def told(_: Any) -> None:
            self._enable()
            if not self._quiet:
                handler()

        return told

    def _other_place(self, _: Any) -> None:
        """Offer what there is for another family or domain."""
        if self._quiet:
            return
        self._quiet = True
        try:
            there = self._source.offer(self.family.value, self.domain.value)
            samples = [(f"{n:,}", n) for n in there.samples]
            chosen = nearest(there.samples, self.samples.value)
            self.samples.options, self.samples.value = samples, chosen
            now = [box.description for box in self.verifiers.children if box.value]
            kept = [name for name in now if name in there.verifiers]
            self._offer_verifiers(there.verifiers, kept or there.verifiers[:1])
        except ValueError:
            pass  # told when it is asked for
        finally:
            self._quiet = False
        self._enable()
        self._on_settings()

    def _offer_verifiers(self, names: Sequence[str], chosen: Sequence[str]) -> None:
        boxes = [
            _box(name in chosen, name, f"Let options use {name}") for name in names
        ]
        for box in boxes:
            box.disabled = len(boxes) == 1
            box.observe(self._verifier, "value")
        before, self.verifiers.children = self.verifiers.children, boxes
        close_each(before)

    def _verifier(self, _: Any) -> None:
        if not self._quiet:
            self._on_settings()

    def _enable(self) -> None:
        self.bins.disabled = self.binning.value != "quantiles"
        self.samples.disabled = len(self.samples.options) == 1
        self.kind.disabled = len(self.kind.options) == 1
        self.unit.disabled = len(self.unit.options) == 1
        self.counted.disabled = self.unit.value == "samples"


def _named(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(_BINNINGS.get(name, name), name) for name in names]


def _toggle(names: Sequence[str], value: str, tooltip: str) -> widgets.ToggleButtons:
    return widgets.ToggleButtons(
        options=[(_WORDS[name], name) for name in names], value=value,
        tooltips=[BUDGETS.get(name, tooltip) for name in names],
        style={"button_width": "84px"}, layout=widgets.Layout(width="auto"),
    )  # fmt: skip


def _box(value: bool, name: str, tooltip: str) -> widgets.Checkbox:
    return widgets.Checkbox(
        value=value, description=name, tooltip=tooltip, indent=False,
        layout=widgets.Layout(width="auto"),
    )  # fmt: skip


def _pair(name: str, control: widgets.Widget) -> widgets.HBox:
    pair = widgets.HBox([widgets.Label(name), control])
    pair.add_class("tts-row")
    return pair
