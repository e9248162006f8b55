"""The strategy lab: watch a search grow its tree, step by step if you like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import ladder, select
from tts_lab.ladder.compiled import ensure
from tts_lab.problems import domain
from tts_lab.proposers import Proposer, Size
from tts_lab.race import chooser, finished
from tts_lab.run import Outcome, run
from tts_lab.traces import Event, Strategy
from tts_lab.verifiers import Verifier, library
from tts_lab.widgets import lab_panels as panels
from tts_lab.widgets.chart import STYLE
from tts_lab.widgets.lab_controls import LabControls
from tts_lab.widgets.lab_settings import OWN, STRATEGIES, Settings, prepared
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running
from tts_lab.widgets.stepping import Gate
from tts_lab.widgets.tree import SearchTree
from tts_lab.widgets.tree_chart import svg


@dataclass
class Play:
    """One run: its settings, its tree, and how it ended.

    Attributes
    ----------
    choice : Choice or None
        What was chosen in the end; None before, or when nothing was finished.
    right : bool or None
        Whether the exact checker agrees; None before there is a choice.
    """

    settings: Settings
    tree: SearchTree
    gate: Gate | None = None
    outcome: Outcome | None = None
    choice: select.Choice | None = None
    right: bool | None = None
    policy_size: Size | None = None
    verifier_size: Size | None = None


class StrategyLab(Running):
    """Pick a policy, a verifier, a strategy and a problem, and watch the search.

    Parameters
    ----------
    strategies : mapping of str to callable, optional
        Your own, shown beside the built-in ones: problem (and n, width if it takes
        them) to a generator that returns finished traces with scores.
    proposer : Proposer, optional
        Any other model instead of the rungs.
    verifier : Verifier or str, optional
        One of the package by name, or any other instead of those.
    options
        Where the controls stand at first: see `lab_settings.Settings`.

    Raises
    ------
    ValueError
        For a setting out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> from tts_lab.verifiers.exact import Exact
    >>> lab = StrategyLab(verifier=Exact(), domain="chains", level=1, n=4, width=2)
    >>> lab.run()
    >>> lab.wait(120)
    True
    >>> lab.status.phase, lab.tree.samples >= 4
    ('done', True)
    """

    def __init__(
        self,
        *,
        strategies: Mapping[str, Callable[..., Strategy]] | None = None,
        proposer: Proposer | None = None,
        verifier: Verifier | str | None = None,
        **options: Any,
    ) -> None:
        if isinstance(verifier, str):
            options["verifier"], verifier = verifier, None
        self._runner = Runner()
        self._proposer, self._verifier = proposer, verifier
        self._loaded: dict[str, Any] = {}
        self._strategies = STRATEGIES | dict(strategies or {})
        if proposer is not None:
            options["policy"] = proposer.name
        if verifier is not None:
            options["verifier"] = verifier.name
        settings = Settings(**options)
        self.controls = LabControls(
            settings,
            strategies=list(self._strategies),
            policy=proposer.name if proposer else None,
            verifier=verifier.name if verifier else None,
        )
        self._play: Play | None = None
        self._drawing = RLock()
        self._drawn = -1
        self.status_line = widgets.HTML(panels.status(Status(), None))
        self.tiles = widgets.HTML(panels.tiles(None))
        self.answer = widgets.HTML("")
        self.chart = widgets.HTML(svg(SearchTree(settings.problem())))
        style = widgets.HTML(f"<style>{STYLE}</style>")
        style.add_class("tts-style")
        controls = self.controls
        super().__init__(
            [
                style,
                controls.box,
                controls.buttons,
                self.status_line,
                self.tiles,
                self.answer,
                self.chart,
            ],
            "tts-lab",
        )
        controls.run.on_click(lambda _: self.run())
        controls.step.on_click(lambda _: self.step())
        controls.cancel.on_click(lambda _: self.cancel())

    def run(self) -> None:
        """Run to the end; a search that waits for Step goes on."""
        play = self._play
        if self.status.active and play and play.gate and play.gate.waiting:
            play.gate.open()
        else:
            self._start(stepping=False)

    def step(self) -> None:
        """Let the search make its next request; the first one starts it."""
        play = self._play
        if self.status.active and play and play.gate:
            play.gate.step()
        else:
            self._start(stepping=True)

    @property
    def tree(self) -> SearchTree:
        """The tree of the last run."""
        return self._last().tree

    @property
    def choice(self) -> select.Choice | None:
        """What the last run chose; None before its end, or when nothing finished."""
        return self._last().choice

    @property
    def outcome(self) -> Outcome | None:
        """What the strategy returned and cost; None before its end."""
        return self._last().outcome

    def text(self) -> str:
        """Settings, status, cost, answer and tree in words."""
        play = self._play
        if play is None:
            settings = self.controls.settings()
            return f"{settings.caption()}\n{panels.status_words(self.status, None)}"
        return "\n".join(
            [
                play.settings.caption(),
                panels.status_words(self.status, play),
                panels.cost_words(play),
                panels.answer_words(play),
                play.tree.text(),
            ]
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/plain": self.text()}

    def _last(self) -> Play:
        if self._play is None:
            raise ValueError("nothing has run yet: press Run, or call run()")
        return self._play

    def _start(self, *, stepping: bool) -> None:
        settings = self.controls.settings()
        play = Play(settings, SearchTree(settings.problem()))
        self._runner.start(
            partial(self._work, play, stepping), partial(self._show, play)
        )

    def _work(self, play: Play, stepping: bool, task: Task) -> None:
        settings = play.settings
        ensure(task.say)
        task.say(f"loading {settings.policy} and {settings.verifier}")
        proposer = self._proposer or self._load("policy", settings.policy)
        verifier = self._verifier or self._load("verifier", settings.verifier)
        verifier = aggregating(verifier, settings.aggregation)
        play.policy_size, play.verifier_size = (
            proposer.size, getattr(verifier, "size", None),
        )  # fmt: skip
        play.gate = Gate(task.cancel, stepping=stepping)
        if stepping:
            play.gate.step()
        task.say(f"{settings.strategy} on {play.tree.root.step}")

        def on_event(event: Event) -> None:
            with self._drawing:
                play.tree.on_event(event)

        strategy = prepared(self._strategies[settings.strategy], settings)
        [outcome] = run(
            play.gate.wrap(strategy),
            [play.tree.problem],
            proposer=proposer,
            verifier=verifier,
            seed=settings.seed,
            on_event=on_event,
            cancel=task.cancel,
        )
        with self._drawing:
            play.outcome = outcome
            if outcome.complete:
                self._choose(play, outcome.value)

    def _choose(self, play: Play, value: Any) -> None:
        """What the settings' rule makes of the returned traces."""
        play.choice = chooser(play.settings.rule)(*finished(value))
        if play.choice is not None:
            problem = play.tree.problem
            play.right = domain(problem.domain).check(problem, play.choice.trace.text)
            play.tree.choose(play.choice.trace)

    def _load(self, kind: str, name: str) -> Any:
        if name not in self._loaded:
            load = ladder.load if kind == "policy" else library.load
            self._loaded[name] = load(name)
        return self._loaded[name]

    def _show(self, play: Play, status: Status) -> None:
        """In the runner's thread, ten times a second."""
        with self._drawing:
            fresh = play is not self._play
            self._play = play
            gate = play.gate
            waiting = status.active and gate is not None and gate.waiting
            self.controls.running(status.active, waiting=waiting)
            self.status_line.value = panels.status(status, play)
            size = play.tree.samples
            if fresh or size != self._drawn or not status.active:
                self._drawn = size
                self.tiles.value = panels.tiles(play)
                self.answer.value = panels.answer(play) if play.outcome else ""
                self.chart.value = svg(play.tree)


def aggregating(verifier: Verifier, how: str) -> Verifier:
    """The verifier, or a copy of it that aggregates step scores another way.

    Raises
    ------
    ValueError
        When the verifier has step scores and does not aggregate them so.
    """
    accepted = getattr(verifier, "aggregations", None)
    if how == OWN or accepted is None:  # None: one score a trace, nothing to aggregate
        return verifier
    if how not in accepted:
        raise ValueError(
            f"aggregation {how!r} does not fit {verifier.name}; accepted are "
            f"{[OWN, *accepted]}"
        )
    made: Any = copy(verifier)
    made.aggregation = how
    return made  # type: ignore[no-any-return]
