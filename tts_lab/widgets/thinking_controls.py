"""What the thinking explorer can be set to: a budget, and a problem to think about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from tts_lab import problems
from tts_lab.grid.store import LEVELS
from tts_lab.traces import Problem
from tts_lab.widgets import panels
from tts_lab.widgets.controls import MAX_SEED, MAX_TEMPERATURE
from tts_lab.widgets.parts import SIZE, button, dropdown, offer, slider, within
from tts_lab.widgets.thinking_budget import COSTS, WAITS, Budget

_EXAMPLES = {"chains": "47+38*6-59", "countdown": "3 7 25>46"}


@dataclass(frozen=True)
class Question:
    """A problem to think about, and how.

    Parameters
    ----------
    kind : str
        "chains" or "countdown".
    level, number : int
        Problem `number` (from 1) of the level's evaluation set.
    typed : str
        A prompt of one's own instead; empty for none.
    temperature : float
    seed : int

    Raises
    ------
    ValueError
        For a value out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> Question(typed="47+38*").problem()
    Traceback (most recent call last):
        ...
    ValueError: '47+38*' is not a chain: numbers joined by + - *, such as '47+38*6'
    """

    kind: str = "chains"
    level: int = 3
    number: int = 1
    typed: str = ""
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in LEVELS:
            raise ValueError(f"kind={self.kind!r}; accepted are {list(LEVELS)}")
        within("number", self.number, 1, len(self._every()))
        within("temperature", self.temperature, 0, MAX_TEMPERATURE)
        within("seed", self.seed, 0, MAX_SEED)

    def problem(self) -> Problem:
        """The typed problem, or the one of that number.

        Raises
        ------
        ValueError
            When what was typed is no problem of the domain.
        """
        prompt = self.typed.strip()
        if not prompt:
            return self._every()[self.number - 1]
        problems.domain(self.kind).parse(prompt)
        return Problem(self.kind, f"{prompt}\n")

    def caption(self) -> str:
        """All of it on one line.

        >>> Question().caption()
        'chains level 3, problem 1, temperature 1, seed 0'
        """
        where = f"{self.kind} level {self.level}, problem {self.number}"
        if self.typed.strip():
            where = f"your problem of {self.kind}"
        return f"{where}, temperature {self.temperature:g}, seed {self.seed}"

    def _every(self) -> list[Problem]:
        return problems.evaluation_set(self.kind, self.level)


class ThinkingControls:
    """The widgets of both, Think and Cancel.

    Parameters
    ----------
    budget : Budget
    question : Question
        Where they stand at first.
    cost : str
        The chart's horizontal axis, of `COSTS`.
    domains : sequence of str
    limits : sequence of int
    """

    def __init__(
        self,
        budget: Budget,
        question: Question,
        *,
        cost: str,
        domains: Sequence[str],
        limits: Sequence[int],
    ) -> None:
        self.domain = dropdown(
            "Domain", domains, budget.domain, "Whose traces are read"
        )
        self.limit = slider(
            "Limit", limits, budget.limit, "Thinking tokens after which it is cut"
        )
        self.waits = _toggles(
            [(name, name) for name in WAITS], budget.waits, "56px",
            [f"{name} ends are suppressed" for name in WAITS],
        )  # fmt: skip
        self.cost = _toggles(
            [(words, one) for one, words in COSTS.items()], cost, "82px",
            ["The limit itself", "Tokens spent, the mean", "FLOPs spent, the mean"],
        )  # fmt: skip
        q = question
        self.kind = dropdown("Kind", list(LEVELS), q.kind, "What kind of problem")
        self.level = dropdown("Level", _levels(q.kind), q.level, "Higher is harder")
        self.number = widgets.BoundedIntText(
            value=q.number, min=1, max=200, description="Problem",
            tooltip="Number in the level's evaluation set", **SIZE,
        )  # fmt: skip
        self.typed = widgets.Text(
            value=q.typed, description="Or your own",
            tooltip="A problem of that kind; empty for the numbered one", **SIZE,
        )  # fmt: skip
        self.temperature = widgets.FloatSlider(
            value=q.temperature, min=0, max=MAX_TEMPERATURE, step=0.1,
            description="Temperature", readout_format=".1f", continuous_update=False,
            tooltip="0 always writes the likeliest token", **SIZE,
        )  # fmt: skip
        self.seed = widgets.BoundedIntText(
            value=q.seed, min=0, max=MAX_SEED, description="Seed",
            tooltip="Another seed, another thought", **SIZE,
        )  # fmt: skip
        self.example = widgets.HTML()
        self.run = button("Think", "play", "success", "Think within the budget above")
        self.cancel = button("Cancel", "stop", "", "Stop; what was written stays")
        self.cancel.disabled = True
        waits = widgets.HBox([widgets.Label("Forced waits"), self.waits])
        axis = widgets.HBox([widgets.Label("Cost axis"), self.cost])
        looks = widgets.HBox([waits, axis])
        for box in (waits, axis, looks):
            box.add_class("tts-row")
        self.budgets = widgets.VBox([_grid([self.domain, self.limit], 340), looks])
        self.questions = _grid(
            [self.kind, self.level, self.number, self.typed, self.temperature,
             self.seed], 250,
        )  # fmt: skip
        self.buttons = widgets.HBox([self.run, self.cancel, self.example])
        self.buttons.add_class("tts-row")
        self.domain.observe(lambda _: self._follow(), "value")
        self.kind.observe(lambda _: self._kinds(), "value")
        for control in (self.level, self.number, self.typed):
            control.observe(lambda _: self._example(), "value")
        self._hint()
        self._example()

    def budget(self) -> Budget:
        """The budget as it is set."""
        return Budget(self.domain.value, self.limit.value, self.waits.value)

    def question(self) -> Question:
        """The problem as it is set."""
        return Question(
            self.kind.value, self.level.value, self.number.value, self.typed.value,
            self.temperature.value, self.seed.value,
        )  # fmt: skip

    def observe(self, changed: Callable[[], object]) -> None:
        """Call after every change of the budget or the axis."""
        for control in (self.domain, self.limit, self.waits, self.cost):
            control.observe(lambda _: changed(), "value")

    def running(self, active: bool) -> None:
        """Let Cancel be pressed while there is something to cancel."""
        self.cancel.disabled = not active
        name, icon = ("Restart", "refresh") if active else ("Think", "play")
        if self.run.description != name:
            self.run.description, self.run.icon = name, icon

    def _follow(self) -> None:
        if self.domain.value in LEVELS:
            self.kind.value = self.domain.value

    def _kinds(self) -> None:
        levels = _levels(self.kind.value)
        offer(self.level, levels, levels[len(levels) // 2])
        self._hint()
        self._example()

    def _hint(self) -> None:
        self.typed.placeholder = f"e.g. {_EXAMPLES[self.kind.value]}"

    def _example(self) -> None:
        try:
            problem = self.question().problem()
        except ValueError as error:
            self.example.value = panels.status_problem(error)
        else:
            self.example.value = panels.prompt(problem, "Problem")


def _levels(kind: str) -> list[int]:
    return list(problems.domain(kind).LEVELS)


def _toggles(
    options: list[tuple[str, str]], value: str, width: str, tooltips: list[str]
) -> Any:
    return widgets.ToggleButtons(
        options=options, value=value, tooltips=tooltips,
        style={"button_width": width}, layout=widgets.Layout(width="auto"),
    )  # fmt: skip


def _grid(children: list[widgets.Widget], width: int) -> widgets.GridBox:
    columns = f"repeat(auto-fit, minmax({width}px, 1fr))"
    return widgets.GridBox(
        children,
        layout=widgets.Layout(grid_template_columns=columns, grid_gap="0 12px"),
    )
