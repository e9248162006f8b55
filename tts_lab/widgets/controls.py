"""What the coverage explorer can be set to, and the widgets to set it with.

Promises: settings are checked when they are made, and a run uses the frozen settings
it began with, whatever is moved afterwards. Not covered: what a run does with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets as widgets

from tts_lab import ladder, problems
from tts_lab.figures.budget import plain
from tts_lab.ladder.rungs import rung
from tts_lab.traces import Problem
from tts_lab.widgets import panels
from tts_lab.widgets.another import Another
from tts_lab.widgets.parts import SIZE, button, dropdown, fitting, offer, slider, within

MAX_SAMPLES = 10_000
MAX_PROBLEMS = 200
MAX_TEMPERATURE = 2.0
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Settings:
    """What one run of the explorer does.

    Parameters
    ----------
    model : str
        A rung, or the name of the given model.
    domain : str
    level : int
    n_problems, samples : int
    temperature : float
    seed : int
    given_model, given_problems : bool
        Not a rung; not of a domain and level. Then those settings are not checked.

    Raises
    ------
    ValueError
        For a value out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> Settings("105k", "chains", 5, 50, 1000, 1.0, 0).caption()
    '105k · chains level 5 · 50 problems × 1,000 samples · temperature 1 · seed 0'
    >>> Settings("105k", "chains", 5, 50, 20_000, 1.0, 0)
    Traceback (most recent call last):
        ...
    ValueError: samples=20000; accepted is 1 to 10,000
    """

    model: str
    domain: str
    level: int
    n_problems: int
    samples: int
    temperature: float
    seed: int
    given_model: bool = False
    given_problems: bool = False

    def __post_init__(self) -> None:
        if not self.given_model:
            rung(self.model)
        if not self.given_problems:
            problems.evaluation_set(self.domain, self.level, 1)
            within("n_problems", self.n_problems, 1, MAX_PROBLEMS)
        elif self.n_problems < 1:
            raise ValueError("problems must hold at least one problem, got none")
        within("samples", self.samples, 1, MAX_SAMPLES)
        within("temperature", self.temperature, 0, MAX_TEMPERATURE)
        within("seed", self.seed, 0, MAX_SEED)

    def problems(self) -> list[Problem]:
        """The first problems of the level's frozen evaluation set."""
        return problems.evaluation_set(self.domain, self.level, self.n_problems)

    def label(self) -> tuple[str, str]:
        """Two lines that tell the run's curve from others."""
        where = f"{self.domain} {self.level}"
        if self.given_problems:
            where = "given problems"
        heat = "" if self.temperature == 1 else f", T {self.temperature:g}"
        return self.model, where + heat

    def caption(self, samples: int | None = None) -> str:
        """All of it on one line; `samples` if it came to fewer than were asked for."""
        where = f"{self.domain} level {self.level} · "
        return (
            f"{self.model} · {'' if self.given_problems else where}"
            f"{plain(self.n_problems)} problems × "
            f"{plain(self.samples if samples is None else samples)} samples · "
            f"temperature {self.temperature:g} · seed {self.seed}"
        )


class Controls:
    """The widgets of the settings, Run and Cancel, and how to look at the curve.

    Parameters
    ----------
    settings : Settings
        Where they stand at first.
    picker : bool
        Whether other models can be loaded.
    on_unload : callable
        Called before one of them is closed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        picker: bool = True,
        on_unload: Callable[[], object] = lambda: None,
    ) -> None:
        self._start = settings
        models = [settings.model]
        if not settings.given_model:
            models = fitting(ladder.names, settings.domain, settings.model)
        domains = list(problems.DOMAINS)
        self.model = dropdown("Model", models, settings.model, "Who writes")
        self.models = Another(self.model, "policy", offered=picker, on_unload=on_unload)
        self.domain = dropdown(
            "Domain", domains, settings.domain, "What kind of problems"
        )
        levels = list(problems.domain(settings.domain).LEVELS)
        self.level = dropdown("Level", levels, settings.level, "Higher is harder")
        self.n_problems = slider(
            "Problems",
            (10, 20, 50, 100, MAX_PROBLEMS),
            settings.n_problems,
            "How many problems: more of them narrow the band",
        )
        self.samples = slider(
            "Samples",
            (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, MAX_SAMPLES),
            settings.samples,
            "How many samples of each problem",
        )
        self.temperature = widgets.FloatSlider(
            value=settings.temperature,
            min=0,
            max=MAX_TEMPERATURE,
            step=0.05,
            description="Temperature",
            tooltip="0 always writes the likeliest text; higher varies more",
            continuous_update=False,
            readout_format=".2f",
            **SIZE,
        )
        self.seed = widgets.BoundedIntText(
            value=settings.seed,
            min=0,
            max=MAX_SEED,
            description="Seed",
            tooltip="Another seed, other samples; the same seed, the same samples",
            **SIZE,
        )
        self.example = widgets.HTML()
        self.run = button("Run", "play", "success", "Start sampling (again)")
        self.cancel = button("Cancel", "stop", "", "Stop; what was measured stays")
        self.cancel.disabled = True
        self.budget = widgets.ToggleButtons(
            options=[("Samples", "samples"), ("Tokens", "tokens"), ("FLOPs", "flops")],
            tooltips=[
                "Samples per problem",
                "Tokens per problem: the prompt once, and all samples",
                "Floating-point operations per problem, by Brown et al.'s formula",
            ],
            style={"button_width": "82px"},
            layout=widgets.Layout(width="auto"),
        )
        self.compare = widgets.Checkbox(
            value=True,
            description="Keep earlier curves",
            tooltip="Leave the curves of earlier runs in the chart, dashed",
            indent=False,
            layout=widgets.Layout(width="auto"),
        )
        where = [self.domain, self.level]
        chosen = [self.model, self.n_problems, self.samples, self.temperature]
        if settings.given_problems:
            chosen.remove(self.n_problems)
        else:
            chosen[1:1] = where
        columns = "repeat(auto-fit, minmax(270px, 1fr))"
        self.box = widgets.GridBox(
            [*chosen, self.seed, self.example],
            layout=widgets.Layout(grid_template_columns=columns, grid_gap="0 12px"),
        )
        self.domain.observe(self._levels, "value")
        self.level.observe(lambda _: self._example(), "value")
        self._example()

    def settings(self) -> Settings:
        """Where the widgets stand now, checked."""
        start = self._start
        chosen = replace(
            start,
            model=self.model.value,
            given_model=start.given_model or self.models.owns(self.model.value),
            samples=self.samples.value,
            temperature=round(self.temperature.value, 4),
            seed=self.seed.value,
        )
        if start.given_problems:
            return chosen
        return replace(
            chosen,
            domain=self.domain.value,
            level=self.level.value,
            n_problems=self.n_problems.value,
        )

    def running(self, active: bool) -> None:
        """Let Cancel be pressed while there is something to cancel."""
        self.cancel.disabled = not active
        self.run.description = "Restart" if active else "Run"
        self.run.icon = "refresh" if active else "play"

    def _levels(self, change: dict[str, Any]) -> None:
        levels = list(problems.domain(change["new"]).LEVELS)
        offer(self.level, levels, levels[-1])
        if not self._start.given_model:
            self.models.offer(ladder.names(change["new"]))
        self._example()

    def _example(self) -> None:
        if self._start.given_problems or self.level.value is None:
            return
        first = problems.evaluation_set(self.domain.value, self.level.value, 1)[0]
        self.example.value = panels.prompt(first)
