"""The widgets of the strategy lab's settings, and its buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from tts_lab import ladder, problems
from tts_lab.verifiers import library
from tts_lab.widgets import panels
from tts_lab.widgets.another import Another
from tts_lab.widgets.controls import MAX_SEED
from tts_lab.widgets.lab_settings import AGGREGATIONS, MAX_N, RULES, Settings
from tts_lab.widgets.parts import button, dropdown, fitting, offer, slider

_N = (1, 2, 4, 8, 16, 32, 64, 128, MAX_N)
_WIDTH = (1, 2, 3, 4, 6, 8, 16)


class LabControls:
    """The settings' widgets, Run, Step and Cancel.

    Parameters
    ----------
    settings : Settings
        Where they stand at first.
    strategies : sequence of str
        What can be chosen.
    policy, verifier : str, optional
        Instead of those made for the domain.
    picker : bool
        Whether other models can be loaded.
    on_unload : callable
        Called before one of them is closed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        strategies: Sequence[str],
        policy: str | None = None,
        verifier: str | None = None,
        picker: bool = True,
        on_unload: Callable[[], object] = lambda: None,
    ) -> None:
        s = self._start = settings
        self._given = policy, verifier
        policies = [policy] if policy else fitting(ladder.names, s.domain, s.policy)
        self.policy = dropdown("Policy", policies, s.policy, "Who writes")
        verifiers = fitting(library.names, s.domain, s.verifier)
        if verifier:
            verifiers = [verifier]
        self.verifier = dropdown("Verifier", verifiers, s.verifier, "Who scores")
        self.policies = Another(
            self.policy, "policy", offered=picker, on_unload=on_unload
        )
        self.verifiers = Another(
            self.verifier, "verifier", offered=picker, on_unload=on_unload
        )
        self.strategy = dropdown(
            "Strategy", strategies, s.strategy, "Who decides what to ask next"
        )
        self.domain = dropdown(
            "Domain", list(problems.DOMAINS), s.domain, "What kind of problem"
        )
        levels = list(problems.domain(s.domain).LEVELS)
        self.level = dropdown("Level", levels, s.level, "Higher is harder")
        self.number = widgets.BoundedIntText(
            value=s.number, min=1, max=len(s.given) or 200, description="Problem",
            tooltip="Number in the level's evaluation set, or in yours",
            layout={"width": "auto"}, style={"description_width": "84px"},
        )  # fmt: skip
        self.typed = widgets.Text(
            value=s.typed, description="Or your own", placeholder="e.g. 3 7 25>46",
            tooltip="A problem of the domain; empty for the numbered one",
            layout={"width": "auto"}, style={"description_width": "84px"},
        )  # fmt: skip
        self.n = slider("n", _N, s.n, "Candidates a round, and traces returned")
        self.width = slider("Width", _WIDTH, s.width, "Continuations of each kept one")
        self.aggregation = dropdown(
            "Aggregation",
            AGGREGATIONS,
            s.aggregation,
            "How a trace's step scores become one",
        )
        self.rule = dropdown("Choose by", RULES, s.rule, "How the answer is chosen")
        self.seed = widgets.BoundedIntText(
            value=s.seed, min=0, max=MAX_SEED, description="Seed",
            tooltip="Another seed, another search",
            layout={"width": "auto"}, style={"description_width": "84px"},
        )  # fmt: skip
        self.example = widgets.HTML()
        columns = "repeat(auto-fit, minmax(250px, 1fr))"
        made = [] if s.given else [self.domain, self.level]
        self.box = widgets.GridBox(
            [
                self.policy, self.verifier, self.strategy,
                *made, self.number, self.n, self.width,
                *([] if s.given else [self.typed]),
                self.aggregation, self.rule, self.seed, self.example,
            ],
            layout=widgets.Layout(grid_template_columns=columns, grid_gap="0 12px"),
        )  # fmt: skip
        self.pickers = widgets.VBox([self.policies.box, self.verifiers.box])
        self.run = button("Run", "play", "success", "Search to the end")
        self.step = button("Step", "step-forward", "", "One request more")
        self.cancel = button("Cancel", "stop", "", "Stop; the tree stays")
        self.cancel.disabled = True
        self.buttons = widgets.HBox([self.run, self.step, self.cancel])
        self.domain.observe(self._levels, "value")
        for control in (self.level, self.number, self.typed):
            control.observe(lambda _: self._example(), "value")
        self._example()

    def settings(self) -> Settings:
        """Where the widgets stand now, checked."""
        return replace(
            self._start,
            policy=self.policy.value,
            verifier=self.verifier.value,
            strategy=self.strategy.value,
            domain=self.domain.value,
            level=self.level.value,
            number=self.number.value,
            typed=self.typed.value,
            n=self.n.value,
            width=min(self.width.value, self.n.value),
            aggregation=self.aggregation.value,
            rule=self.rule.value,
            seed=self.seed.value,
        )

    def running(self, active: bool, *, waiting: bool = False) -> None:
        """Let Cancel be pressed while there is something to cancel."""
        self.cancel.disabled = not active
        name, icon = ("Run", "play")
        if waiting:
            name, icon = "Go on", "forward"
        elif active:
            name, icon = "Restart", "refresh"
        if self.run.description != name:
            self.run.description, self.run.icon = name, icon

    def _levels(self, change: dict[str, Any]) -> None:
        levels = list(problems.domain(change["new"]).LEVELS)
        offer(self.level, levels, levels[-1])
        for models, given, names in zip(
            (self.policies, self.verifiers), self._given,
            (ladder.names, library.names), strict=True,
        ):  # fmt: skip
            if given is None:
                models.offer(names(change["new"]))
        self._example()

    def _example(self) -> None:
        try:
            self.example.value = panels.prompt(self.settings().problem(), "Problem")
        except (ValueError, TypeError) as error:
            self.example.value = panels.status_problem(error)
