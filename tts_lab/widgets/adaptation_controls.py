"""What the test-time training widget can be set to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from tts_lab.problems.grids import LEVELS
from tts_lab.ttt.frames import MAX_NUMBER, Frame, Plan
from tts_lab.widgets.parts import SIZE, button, dropdown, slider

GROUPS = {1: "seen", 2: "held out", 3: "composition"}  # levels
RATES = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)
SWITCHES = {
    "leave_out": ("Leave-one-out tasks", "Off trains on inputs and outputs alone"),
    "transformations": ("Transformations", "Off reverses nothing, renames no colour"),
    "demonstration_loss": ("Demonstration loss", "Off takes the last output's only"),
    "vote": ("Voting", "Off answers once, from the side the task stands on"),
}


def families() -> list[tuple[str, str]]:
    """Every family, named with its group.

    >>> [name for name, family in families() if family in ("move", "rotate")]
    ['seen: move', 'held out: rotate']
    """
    return [(f"{GROUPS[level]}: {name}", name)
            for level, every in LEVELS.items() for name in every]  # fmt: skip


class AdaptationControls:
    """The widgets of a plan, Run and Cancel.

    Parameters
    ----------
    plan : Plan
        Where they stand at first.
    recorded : mapping of family to Frame, optional
        Then only these can be chosen, and everything else stands as it was recorded.
    """

    def __init__(
        self, plan: Plan, *, recorded: Mapping[str, Frame] | None = None
    ) -> None:
        self._recorded = recorded
        offered = [one for one in families() if recorded is None or one[1] in recorded]
        self.family = dropdown(
            "Family", offered, plan.family, "What is done to the rows"
        )
        self.number = widgets.BoundedIntText(
            value=plan.number, min=0, max=MAX_NUMBER, description="Task",
            tooltip="Another number, another task of the family", **SIZE,
        )  # fmt: skip
        self.epochs = slider(
            "Epochs", (1, 2, 3, 4, 6, 8), plan.epochs, "How often the examples are read"
        )
        self.rate = widgets.SelectionSlider(
            options=[(f"{rate:g}", rate) for rate in
                     sorted({*RATES, plan.learning_rate})],
            value=plan.learning_rate, description="Rate",
            tooltip="The learning rate at its highest", continuous_update=False, **SIZE,
        )  # fmt: skip
        self.rank = slider(
            "Rank", (1, 2, 4, 8, 16, 32, 64), plan.rank, "Of the adapter's matrices"
        )
        self.switches = {
            name: widgets.Checkbox(
                value=getattr(plan, name), description=words, tooltip=tip,
                indent=False, layout=widgets.Layout(width="auto"),
            )
            for name, (words, tip) in SWITCHES.items()
        }  # fmt: skip
        self._plan = plan
        columns = "repeat(auto-fit, minmax(290px, 1fr))"
        self.box = widgets.GridBox(
            [self.family, self.number, self.epochs, self.rate, self.rank],
            layout=widgets.Layout(grid_template_columns=columns, grid_gap="0 12px"),
        )
        self.parts = widgets.HBox(list(self.switches.values()))
        self.parts.add_class("tts-row")
        name, tip = ("Run", "Train an adapter on this task")
        if recorded is not None:
            name, tip = ("Play", "Show the recorded run")
        self.run = button(name, "play", "success", tip)
        self.cancel = button("Cancel", "stop", "", "Stop; what was seen stays")
        self.cancel.disabled = True
        self.progress = widgets.FloatProgress(
            min=0, max=1, tooltip="Steps done", layout={"flex": "1 1 160px"}
        )
        self.buttons = widgets.HBox([self.run, self.cancel, self.progress])
        if recorded is not None:
            for control in self._fixed():
                control.disabled = True
            self.family.observe(lambda _: self._stand(), "value")
            self._stand()

    def plan(self) -> Plan:
        """Where the widgets stand now, checked."""
        if self._recorded is not None:
            return self._recorded[self.family.value].plan
        return Plan(
            family=self.family.value,
            number=self.number.value,
            epochs=self.epochs.value,
            learning_rate=self.rate.value,
            rank=self.rank.value,
            size=self._plan.size,
            permutations=self._plan.permutations,
            **{name: box.value for name, box in self.switches.items()},
        )

    def observe(self, changed: Callable[[], object]) -> None:
        """Call after every change of a setting."""
        for control in (self.family, *self._fixed()):
            control.observe(lambda _: changed(), "value")

    def running(self, active: bool) -> None:
        """Let Cancel be pressed while there is something to cancel."""
        self.cancel.disabled = not active
        first = "Run" if self._recorded is None else "Play"
        name, icon = ("Restart", "refresh") if active else (first, "play")
        if self.run.description != name:
            self.run.description, self.run.icon = name, icon

    def _fixed(self) -> list[Any]:
        return [self.number, self.epochs, self.rate, self.rank,
                *self.switches.values()]  # fmt: skip

    def _stand(self) -> None:
        """As the run of this family was recorded."""
        plan = self.plan()
        for control, value in (
            (self.epochs, plan.epochs), (self.rate, plan.learning_rate),
            (self.rank, plan.rank),
        ):  # fmt: skip
            if value not in [option for _, option in control.options]:
                control.options = [*control.options, (f"{value:g}", value)]
            control.value = value
        self.number.value = plan.number
        for name, box in self.switches.items():
            box.value = getattr(plan, name)
