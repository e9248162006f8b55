"""The strategy lab: watch a search grow its tree, step by step if you like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import ladder, select
from tts_lab.ladder.compiled import ensure
from tts_lab.proposers import Proposer
from tts_lab.run import Outcome, run
from tts_lab.traces import Event, Problem, Strategy
from tts_lab.verifiers import Verifier, library
from tts_lab.widgets import lab_panels as panels
from tts_lab.widgets.lab_controls import LabControls
from tts_lab.widgets.lab_play import Play, aggregating, fitted
from tts_lab.widgets.lab_settings import STRATEGIES, Settings, prepared
from tts_lab.widgets.picker import ModelPicker
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running, in_turn
from tts_lab.widgets.sheet import sheet
from tts_lab.widgets.stepping import Gate
from tts_lab.widgets.tree import SearchTree
from tts_lab.widgets.tree_chart import svg
from tts_lab.widgets.writing import watched


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
    problems : sequence of Problem, optional
        Instead of a domain and a level; `number` counts in them.
    picker : bool
        Whether policy and verifier can also be "another model…".
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
        problems: Sequence[Problem] | None = None,
        picker: bool = True,
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
        if problems is not None:
            options["given"] = tuple(problems)
            if not problems:
                raise ValueError("problems must hold at least one problem, got none")
        settings = Settings(**options)
        self.controls = LabControls(
            settings,
            strategies=list(self._strategies),
            policy=proposer.name if proposer else None,
            verifier=verifier.name if verifier else None,
            picker=picker,
            on_unload=self._stop,
        )
        self._play: Play | None = None  # what is shown
        self._started: Play | None = None  # last, though it may wait for its turn
        self._drawing = RLock()
        self._drawn = -1
        self.status_line = widgets.HTML(panels.status(Status(), None))
        self.writing = widgets.HTML("")
        self.tiles = widgets.HTML(panels.tiles(None))
        self.answer = widgets.HTML("")
        self.chart = widgets.HTML(svg(SearchTree(settings.problem())))
        controls = self.controls
        super().__init__(
            [
                sheet(),
                controls.box,
                controls.pickers,
                controls.buttons,
                self.status_line,
                self.writing,
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
        play = self._going_on()
        if play is not None and play.gate.waiting:
            play.gate.open()
        else:
            self._start(stepping=False)

    def step(self) -> None:
        """Let the search make its next request; the first one starts it."""
        play = self._going_on()
        if play is not None:
            play.gate.step()
        else:
            self._start(stepping=True)

    def cancel(self) -> None:
        """Stop; the tree stays."""
        if self._started is not None:  # it may not have begun
            self._started.gate.cancel.set()
        super().cancel()

    @property
    def picker(self) -> ModelPicker:
        """Where another policy is loaded: `lab.picker.load("path, id or URL")`."""
        return self.controls.policies.picker

    @property
    def verifier_picker(self) -> ModelPicker:
        """Where another verifier is loaded."""
        return self.controls.verifiers.picker

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until pickers and run have ended; False after `timeout` seconds."""
        models = self.controls.policies, self.controls.verifiers
        return in_turn([*(one.wait for one in models), super().wait], timeout)

    def close(self) -> None:
        """Stop, close the models that were loaded, and take the widget away."""
        super().close()
        if hasattr(self, "controls"):
            self.controls.policies.close()
            self.controls.verifiers.close()

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

    def _going_on(self) -> Play | None:
        """The run that was started last, if it has neither ended nor been cancelled."""
        play = self._started
        if play is None or play.gate.cancel.is_set() or not self.status.active:
            return None
        return play

    def _start(self, *, stepping: bool) -> None:
        settings = self.controls.settings()
        play = Play(settings, SearchTree(settings.problem()), Gate(stepping=stepping))
        if stepping:
            play.gate.step()
        self._started = play
        self._runner.start(partial(self._work, play), partial(self._show, play))

    def _work(self, play: Play, task: Task) -> None:
        settings = play.settings
        play.gate.cancel = task.cancel
        ensure(task.say)
        task.say(f"loading {settings.policy} and {settings.verifier}")
        proposer = self._model("policy", settings.policy)
        verifier = self._model("verifier", settings.verifier)
        play.tree.problem = fitted(play.tree.problem, proposer)
        verifier = aggregating(verifier, settings.aggregation)
        play.policy_size, play.verifier_size = (
            proposer.size, getattr(verifier, "size", None),
        )  # fmt: skip
        task.say(f"{settings.strategy} on {play.tree.root.step}")

        def on_event(event: Event) -> None:
            with self._drawing:
                play.tree.on_event(event)

        strategy = prepared(self._strategies[settings.strategy], settings)
        with watched(proposer, play.pen):
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
                play.choose(outcome.value)

    def _model(self, kind: str, name: str) -> Any:
        """The picked, given or shipped model of a name."""
        policy = kind == "policy"
        models = self.controls.policies if policy else self.controls.verifiers
        given = self._proposer if policy else self._verifier
        for model in (models.get(name), given):
            if model is not None:
                return model
        if name not in self._loaded:
            self._loaded[name] = (ladder.load if policy else library.load)(name)
        return self._loaded[name]

    def _show(self, play: Play, status: Status) -> None:
        """In the runner's thread, ten times a second."""
        with self._drawing:
            fresh = play is not self._play
            self._play = play
            waiting = status.active and play.gate.waiting
            self.controls.running(status.active, waiting=waiting)
            self.writing.value = play.pen.html()
            size = play.tree.samples
            if fresh or size != self._drawn or not status.active:
                self._drawn = size
                self.tiles.value = panels.tiles(play)
                self.answer.value = panels.answer(play) if play.outcome else ""
                self.chart.value = svg(play.tree)
            # last: whoever reads "Done" sees all of it
            self.status_line.value = panels.status(status, play)
