"""The widgets of the exchange explorer's settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets

from tts_lab.exchange import RATIOS
from tts_lab.figures.budget import plain
from tts_lab.figures.exchange_words import SCALES
from tts_lab.grid import matched, store
from tts_lab.subsets import RULES
from tts_lab.widgets.exchange_settings import (
    LEAST_M,
    LEAST_R,
    MOST_BINS,
    MOST_M,
    MOST_R,
    OVERLAYS,
    Settings,
)
from tts_lab.widgets.parts import button, dropdown, slider

_USE = (
    "Trained on much, used little",
    "Used about as much as trained on",
    "Used far more than trained on",
)


class ExchangeControls:
    """Pair, domain, rule, R, M, bins, and how to look at the bars.

    Parameters
    ----------
    settings : Settings
        Where they stand at first.
    scale, published : str
        Of the bars.
    """

    def __init__(self, settings: Settings, *, scale: str, published: str) -> None:
        s = self._start = settings
        self._changed: Callable[[], None] = lambda: None
        self._held = False
        self.pair = dropdown("Pair", list(matched.PAIRS), s.pair, "Smaller and larger")
        self.domain = dropdown(
            "Domain", list(store.LEVELS), s.domain, "What kind of problems"
        )
        self.rule = dropdown(
            "Choose by", list(RULES), s.rule, "How the smaller model's answer is chosen"
        )
        self.bins = slider(
            "Bins", range(1, MOST_BINS + 1), s.bins, "How many bins of difficulty"
        )
        self.r = _log_slider(
            "R", s.r, (LEAST_R, MOST_R, 0.05),
            "Inference tokens for each pretraining token",
        )  # fmt: skip
        self.m = _log_slider(
            "M", s.m, (LEAST_M, MOST_M, 0.02),
            "Parameters of the larger model by those of the smaller",
        )  # fmt: skip
        self.ratios = [
            button(f"R = {plain(ratio)}", "", "", use)
            for ratio, use in zip(RATIOS, _USE, strict=True)
        ]
        self.own_m = button("Pair's M", "undo", "", "M as the pair's parameters are")
        self.counted = widgets.Checkbox(
            value=s.counted, description="Count the verifier's FLOPs", indent=False,
            tooltip="Whether reading the samples is paid for too",
            layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        self.scale = widgets.ToggleButtons(
            options=list(SCALES), value=scale, style={"button_width": "82px"},
            tooltips=["A share of the larger model's accuracy, as in the paper",
                      "Percentage points"],
            layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        self.published = dropdown(
            "Published", [(words, one) for one, words in OVERLAYS.items()], published,
            "Bars of Snell et al. Fig. 1 to lay over",
        )  # fmt: skip
        self.published.layout.width = "220px"
        self.boxes = self._boxes()
        for one, ratio in zip(self.ratios, RATIOS, strict=True):
            one.on_click(lambda _, ratio=ratio: setattr(self.r, "value", ratio))
        self.own_m.on_click(lambda _: setattr(self.m, "value", self._own()))
        self.pair.observe(self._other_pair, "value")
        self.rule.observe(lambda _: self._reads(), "value")
        for control in (self.pair, self.domain, self.rule, self.bins, self.r, self.m,
                        self.counted, self.scale, self.published):  # fmt: skip
            control.observe(lambda _: self._tell(), "value")
        self._reads()

    def settings(self) -> Settings:
        """Where the widgets stand now, checked."""
        return Settings(
            self.pair.value, self.domain.value, self.rule.value,
            # a power of ten may miss the end by its last digit
            min(max(self.r.value, LEAST_R), MOST_R),
            min(max(self.m.value, LEAST_M), MOST_M),
            self.bins.value, self.counted.value, self._start.verifier,
        )  # fmt: skip

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call a function whenever one of them was moved."""
        self._changed = changed

    def _boxes(self) -> list[widgets.Widget]:
        grid = partial(widgets.GridBox, layout=widgets.Layout(
            grid_template_columns="repeat(auto-fit, minmax(236px, 1fr))",
            grid_gap="0 12px",
        ))  # fmt: skip
        wide = widgets.GridBox(
            [self.r, self.m],
            layout=widgets.Layout(
                grid_template_columns="repeat(auto-fit, minmax(340px, 1fr))",
                grid_gap="0 12px",
            ),
        )
        quick = widgets.HBox([*self.ratios, self.own_m, self.counted])
        looks = widgets.HBox([widgets.Label("Bars"), self.scale, self.published])
        for box in (quick, looks):
            box.add_class("tts-row")
        return [
            grid([self.pair, self.domain, self.rule, self.bins]),
            wide,
            quick,
            looks,
        ]

    def _own(self, pair: str | None = None) -> float:
        return matched.times_larger(pair or self.pair.value)

    def _other_pair(self, change: dict[str, Any]) -> None:
        """M stays the pair's own where it was the other pair's own."""
        if math.isclose(self.m.value, self._own(change["old"]), rel_tol=1e-6):
            self._held = True
            self.m.value = self._own()
            self._held = False

    def _reads(self) -> None:
        self.counted.disabled = self.rule.value in ("majority", "coverage")

    def _tell(self) -> None:
        if not self._held:
            self._changed()


def _log_slider(
    name: str, value: float, ends: tuple[float, float, float], tooltip: str
) -> widgets.FloatLogSlider:
    low, high, step = ends
    return widgets.FloatLogSlider(
        value=value, base=10, min=math.log10(low), max=math.log10(high), step=step,
        description=name, tooltip=tooltip, continuous_update=False,
        layout={"width": "auto"}, style={"description_width": "84px"},
    )  # fmt: skip
