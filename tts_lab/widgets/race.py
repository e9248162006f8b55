"""The race: up to four strategies over many problems, accuracy against cost, live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import ladder, problems
from tts_lab.ladder.compiled import ensure
from tts_lab.proposers import Proposer
from tts_lab.race import Point, Rule, race
from tts_lab.traces import Problem, Strategy
from tts_lab.verifiers import Verifier, library
from tts_lab.widgets import race_chart
from tts_lab.widgets.another import Another
from tts_lab.widgets.lab_panels import status
from tts_lab.widgets.lab_settings import RULES, STRATEGIES
from tts_lab.widgets.panels import unknown_size
from tts_lab.widgets.parts import button, dropdown, fitting, offer, slider
from tts_lab.widgets.picker import ModelPicker
from tts_lab.widgets.runner import Runner, Status, Task, status_line
from tts_lab.widgets.running import Running, in_turn
from tts_lab.widgets.sheet import sheet
from tts_lab.widgets.writing import Pen, watched

MOST = 4  # strategies in one race


class StrategyRace(Running):
    """Race strategies over the same problems and read which one pays.

    Parameters
    ----------
    strategies : mapping of str to callable, optional
        Your own, beside the built-in ones.
    chosen : sequence of str
        Those that race at first, four at most.
    policy, verifier : str
        Names, as in the strategy lab.
    domain : str
    level : int
    n_problems : int
        The first so many of the level's evaluation set, 1 to 200.
    n : sequence of int
        Budgets.
    rule : str
        How an answer is chosen.
    seed : int
    proposer : Proposer, optional
    scorer : Verifier, optional
        Models of your own instead of the names.
    picker : bool
        Whether policy and verifier can also be "another model…".

    Raises
    ------
    ValueError
        For a setting out of range; the message quotes it and lists what is accepted.
    """

    def __init__(
        self,
        *,
        strategies: Mapping[str, Callable[..., Strategy]] | None = None,
        chosen: Sequence[str] = ("best-of-n", "beam search", "DVTS"),
        policy: str = "105k",
        verifier: str = "likelihood-380k",
        domain: str = "countdown",
        level: int = 3,
        n_problems: int = 50,
        n: Sequence[int] = (4, 16, 64),
        rule: str = "best-of-n",
        seed: int = 0,
        proposer: Proposer | None = None,
        scorer: Verifier | None = None,
        picker: bool = True,
    ) -> None:
        self._runner = Runner()
        self._strategies = STRATEGIES | dict(strategies or {})
        self._check(chosen)
        problems.evaluation_set(domain, level, n_problems)
        if not n or min(n) < 1 or max(n) > 1024:
            raise ValueError(f"n={list(n)}; accepted are numbers from 1 to 1,024")
        self._proposer, self._scorer, self._n = proposer, scorer, tuple(n)
        self._seed = seed
        self.points: list[Point] = []
        self._drawing = RLock()
        policies = fitting(ladder.names, domain, policy)
        verifiers = fitting(library.names, domain, verifier)
        if proposer:
            policies, policy = [proposer.name], proposer.name
        if scorer:
            verifiers, verifier = [scorer.name], scorer.name
        self.strategies = widgets.SelectMultiple(
            options=list(self._strategies), value=list(chosen), rows=6,
            description="Strategies", tooltip="Up to four: hold Ctrl or Shift",
            layout={"width": "auto"}, style={"description_width": "84px"},
        )  # fmt: skip
        self.policy = dropdown("Policy", policies, policy, "Who writes")
        self.verifier = dropdown("Verifier", verifiers, verifier, "Who scores")
        self.policies = Another(
            self.policy, "policy", offered=picker, on_unload=self._stop
        )
        self.verifiers = Another(
            self.verifier, "verifier", offered=picker, on_unload=self._stop
        )
        self._pen = Pen()
        self.domain = dropdown(
            "Domain", list(problems.DOMAINS), domain, "What kind of problems"
        )
        levels = list(problems.domain(domain).LEVELS)
        self.level = dropdown("Level", levels, level, "Higher is harder")
        self.n_problems = slider(
            "Problems", (10, 20, 50, 100, 200), n_problems, "More narrow the intervals"
        )
        self.rule = dropdown("Choose by", RULES, rule, "How the answer is chosen")
        self.axis = widgets.ToggleButtons(
            options=[("Samples", "samples"), ("Tokens", "tokens"), ("FLOPs", "flops")],
            value="flops",
            style={"button_width": "82px"},
            layout=widgets.Layout(width="auto"),
        )
        self.run_button = button("Run", "play", "success", "Start the race")
        self.cancel_button = button("Cancel", "stop", "", "Stop; points stay")
        self.cancel_button.disabled = True
        self.progress = widgets.FloatProgress(
            min=0, max=1, tooltip="Problems done", layout={"flex": "1 1 160px"}
        )
        self.status_line = widgets.HTML(status(Status(), None))
        self.writing = widgets.HTML()
        self.chart = widgets.HTML()
        grid = widgets.GridBox(
            [self.policy, self.verifier, self.rule, self.domain, self.level,
             self.n_problems],
            layout=widgets.Layout(
                grid_template_columns="repeat(auto-fit, minmax(250px, 1fr))",
                grid_gap="0 12px", flex="3 1 520px",
            ),
        )  # fmt: skip
        settings = widgets.HBox([self.strategies, grid])
        axis = widgets.HBox([widgets.Label("Cost axis"), self.axis])
        for box in (settings, axis):
            box.add_class("tts-row")
        buttons = widgets.HBox([self.run_button, self.cancel_button, self.progress])
        super().__init__(
            [sheet(), settings, self.policies.box, self.verifiers.box, buttons,
             self.status_line, self.writing, axis, self.chart],
            "tts-race-widget",
        )  # fmt: skip
        self.run_button.on_click(lambda _: self.run())
        self.cancel_button.on_click(lambda _: self.cancel())
        self.axis.observe(lambda _: self._draw(), "value")
        self.domain.observe(self._levels, "value")
        self._draw()

    def run(self) -> None:
        """Start the race with the settings as they are."""
        chosen = list(self.strategies.value)
        self._check(chosen)
        some = problems.evaluation_set(
            self.domain.value, self.level.value, self.n_problems.value
        )
        names = self.policy.value, self.verifier.value
        points: list[Point] = []
        with self._drawing:
            self.points = points
        self._runner.start(
            partial(self._work, points, chosen, some, names, self.rule.value),
            partial(self._show, points, len(chosen) * len(self._n) * len(some)),
        )

    @property
    def picker(self) -> ModelPicker:
        """Where another policy is loaded: `race.picker.load("path, id or URL")`."""
        return self.policies.picker

    @property
    def verifier_picker(self) -> ModelPicker:
        """Where another verifier is loaded."""
        return self.verifiers.picker

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until pickers and race have ended; False after `timeout` seconds."""
        waits = (self.policies.wait, self.verifiers.wait, super().wait)
        return in_turn(waits, timeout)

    def close(self) -> None:
        """Stop, close the models that were loaded, and take the widget away."""
        super().close()
        for name in ("policies", "verifiers"):
            if models := getattr(self, name, None):
                models.close()

    def text(self) -> str:
        """The chart in words."""
        return "\n".join(race_chart.rows(self.points) or ["nothing is measured yet"])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/plain": self.text()}

    def _check(self, chosen: Sequence[str]) -> None:
        unknown = [name for name in chosen if name not in self._strategies]
        if unknown or not 1 <= len(chosen) <= MOST:
            raise ValueError(
                f"strategies {list(chosen)}; accepted are 1 to {MOST} of "
                f"{list(self._strategies)}"
            )

    def _work(
        self,
        points: list[Point],
        chosen: list[str],
        some: list[Problem],
        names: tuple[str, str],
        rule: Rule,
        task: Task,
    ) -> None:
        ensure(task.say)
        policy, scorer = names
        task.say(f"loading {policy} and {scorer}")
        proposer = self.policies.get(policy) or self._proposer or ladder.load(policy)
        verifier = self.verifiers.get(scorer) or self._scorer or library.load(scorer)

        def on_point(point: Point) -> None:
            task.say(f"{point.strategy}, n {point.n}")
            if not any(point is one for one in points):
                points.append(point)

        with watched(proposer, self._pen):
            race(
                {name: self._strategies[name] for name in chosen},
                some,
                proposer=proposer,
                verifier=verifier,
                n=self._n,
                rule=rule,
                seed=self._seed,
                on_point=on_point,
                cancel=task.cancel,
            )

    def _show(self, points: list[Point], total: int, state: Status) -> None:
        """In the runner's thread, ten times a second."""
        with self._drawing:
            if points is not self.points:
                return
            self.cancel_button.disabled = not state.active
            self.run_button.description = "Restart" if state.active else "Run"
            done = sum(len(point.right) for point in points)
            self.progress.value = done / total
            words = status(state, None)
            if state.phase in ("done", "cancelled"):
                verb = "Done" if state.phase == "done" else "Cancelled"
                words = status_line(
                    state,
                    f"{verb} in {state.seconds:.1f} s: {done} of {total} searches.",
                )
            self.status_line.value = words
            self.writing.value = self._pen.html()
            self._draw()

    def _draw(self) -> None:
        with self._drawing:
            self._draw_points()

    def _draw_points(self) -> None:
        chosen = list(dict.fromkeys(point.strategy for point in self.points))
        cost, note = self.axis.value, ""
        if cost == "flops" and any(not p.policy_size.parameters for p in self.points):
            cost, note = "tokens", unknown_size()
        drawn = race_chart.draw(
            list(self.points), chosen or list(self.strategies.value), cost=cost
        )
        self.chart.value = drawn + note

    def _levels(self, change: dict[str, Any]) -> None:
        levels = list(problems.domain(change["new"]).LEVELS)
        offer(self.level, levels, levels[-1])
        for models, given, names in (
            (self.policies, self._proposer, ladder.names),
            (self.verifiers, self._scorer, library.names),
        ):
            if given is None:
                models.offer(names(change["new"]))
