"""The coverage explorer: sample a real model and watch its coverage grow.

Promises: everything shown was measured in this kernel, with the settings that stand
under the curve; it can be driven without a front end (`run`, `wait`, `text`); texts
of models are escaped. Not covered: choosing an answer among the samples, and other
strategies than repeated sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import RLock
from time import monotonic
from typing import Any, NamedTuple

import ipywidgets as widgets

from tts_lab import figures
from tts_lab.bank import Bank
from tts_lab.coverage import Curve, IntArray
from tts_lab.proposers import Proposer
from tts_lab.traces import Problem
from tts_lab.verifiers import Verifier
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets import panels
from tts_lab.widgets.chart import chart, empty, squares
from tts_lab.widgets.controls import Controls, Settings
from tts_lab.widgets.measured import Measured, rows, told
from tts_lab.widgets.picker import ModelPicker
from tts_lab.widgets.runner import Runner, Status
from tts_lab.widgets.running import Running, in_turn
from tts_lab.widgets.session import History, Session, Source
from tts_lab.widgets.sheet import sheet
from tts_lab.widgets.tally import Tally

SAMPLES_SECONDS = 1.5  # a text has to stand still long enough to be read


class Counts(NamedTuple):
    """n samples of each problem, and how many of them were right, one by one."""

    n: int
    c: IntArray


class CoverageExplorer(Running):
    """Pick a policy and problems, press Run, and watch coverage grow with samples.

    Parameters
    ----------
    rung : str
        A policy of the ladder; see `tts_lab.ladder.names`.
    domain : str
    level : int
    n_problems : int
        The first so many of the level's frozen evaluation set, 1 to 200.
    samples : int
        Of each problem, 1 to 10,000.
    temperature : float
        0 to 2.
    seed : int
    proposer : Proposer, optional
        Any other model instead of a rung.
    problems : sequence of Problem, optional
        Instead of a domain and a level.
    verifier : Verifier, optional
        What says which samples are right (0.5 or more); default the exact checker.
    bank : Bank, optional
        Where samples are looked up and kept.
    picker : bool
        Whether the model can also be "another model…".

    Raises
    ------
    ValueError
        For a setting out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> from tts_lab.proposers.scripted import Scripted
    >>> proposer = Scripted({"47+38\\n": ["47+38=85\\n#85", "47+38=84\\n#84"]})
    >>> explorer = CoverageExplorer(
    ...     proposer=proposer, problems=[Problem("chains", "47+38\\n", 1)], samples=4
    ... )
    >>> explorer.run()
    >>> explorer.wait(60)
    True
    >>> explorer.counts.n, explorer.counts.c.tolist(), explorer.status.phase
    (4, [2], 'done')
    """

    def __init__(
        self,
        *,
        rung: str = "105k",
        domain: str = "countdown",
        level: int = 4,
        n_problems: int = 50,
        samples: int = 1000,
        temperature: float = 1.0,
        seed: int = 0,
        proposer: Proposer | None = None,
        problems: Sequence[Problem] | None = None,
        verifier: Verifier | None = None,
        bank: Bank | None = None,
        picker: bool = True,
    ) -> None:
        self._runner = Runner()  # first: `close` needs it, also when this fails
        self.controls = Controls(
            Settings(
                rung if proposer is None else proposer.name,
                domain,
                level,
                n_problems if problems is None else len(problems),
                samples,
                temperature,
                seed,
                given_model=proposer is not None,
                given_problems=problems is not None,
            ),
            picker=picker,
            on_unload=self._stop,
        )
        self._source = Source(
            proposer,
            None if problems is None else list(problems),
            Exact() if verifier is None else verifier,
            bank,
            self.controls.models.get,
        )
        self._session: Session | None = None
        self._history = History()
        self._drawing = RLock()
        self.chart = widgets.HTML(empty(samples))
        self.squares = widgets.HTML()
        self.progress = widgets.FloatProgress(
            min=0,
            max=1,
            tooltip="Samples drawn",
            layout=widgets.Layout(flex="1 1 160px"),
        )
        self.status_line = widgets.HTML(panels.status(Status()))
        self.writing = widgets.HTML("")
        self.tiles = widgets.HTML(panels.tiles(None, Status()))
        self.texts = widgets.HTML(panels.no_texts())
        self.pick = widgets.Dropdown(
            options=[("the most rarely solved", -1)],
            description="Problem",
            layout=widgets.Layout(width="auto"),
            style={"description_width": "58px"},
            tooltip="Whose samples to read",
        )
        side = widgets.VBox([self.pick, self.texts])
        controls = self.controls
        buttons = widgets.HBox([controls.run, controls.cancel, self.progress])
        axis = widgets.Label("Budget axis")
        looks = widgets.HBox([axis, controls.budget, controls.compare])
        main = widgets.VBox([looks, self.chart, self.squares])
        body = widgets.HBox([main, side])
        for box, name in (
            (looks, "row"),
            (main, "main"),
            (side, "side"),
            (body, "body"),
        ):
            box.add_class(f"tts-{name}")
        super().__init__(
            [
                sheet(), controls.box, controls.models.box, buttons, self.status_line,
                self.writing, self.tiles, body,
            ],
            "tts-coverage",
        )  # fmt: skip
        self.controls.run.on_click(lambda _: self.run())
        self.controls.cancel.on_click(lambda _: self.cancel())
        self.controls.budget.observe(lambda _: self._draw(), "value")
        self.controls.compare.observe(lambda _: self._draw(), "value")
        self.pick.observe(lambda _: self._draw(texts=True), "value")

    def run(self) -> None:
        """Start with the settings of the controls; a run that goes on is cancelled."""
        session = Session(self.controls.settings(), self._source)
        self._runner.start(session.work, partial(self._show, session))

    @property
    def picker(self) -> ModelPicker:
        """Where another model is loaded: `explorer.picker.load("path, id or URL")`."""
        return self.controls.models.picker

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until picker and run have ended; False after `timeout` seconds."""
        return in_turn([self.controls.models.wait, super().wait], timeout)

    def close(self) -> None:
        """Stop, close the models that were loaded, and take the widget away."""
        super().close()
        if hasattr(self, "controls"):
            self.controls.models.close()

    @property
    def counts(self) -> Counts:
        """What was counted: n samples of each problem, c of them right."""
        return Counts(*self._tally().counts())

    @property
    def problems(self) -> list[Problem]:
        """The problems of the run, in the order of `counts.c`."""
        return list(self._tally().problems)

    def curve(self) -> Curve:
        """Coverage with its interval, as far as it was measured."""
        return self._tally().curve()

    def text(self) -> str:
        """The settings, the status and the curve in words and rows."""
        session = self._session
        settings = session.settings if session else self.controls.settings()
        done = session.measured() if session else None
        if session is None or done is None:
            return f"{settings.caption()}\n{panels.status_words(self.status)}"
        words = panels.status_words(self.status, session.tally)
        return "\n".join([done.caption, words, *rows(done)])

    def figure(self) -> figures.Picture:
        """The chart as a matplotlib figure, over the budget that is switched on."""
        every = self._curves()
        if not every:
            raise ValueError("nothing is measured yet: press Run, or call run()")
        return self._figure(every)

    def _figure(self, every: list[Measured]) -> figures.Picture:
        names = {one: f"{one.name}, {one.detail}" for one in every}
        budget = told(every, self.controls.budget.value)
        return figures.coverage(
            {name: one.curve for one, name in names.items()},
            budget=budget,
            cost={name: one.cost(one.curve.k, budget) for one, name in names.items()},
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # the picture is for readers without a kernel
        every = self._curves()
        shown = self._figure(every)._repr_mimebundle_() if every else ({}, {})
        bundle = super()._repr_mimebundle_(**kwargs)
        return shown[0] | bundle | {"text/plain": self.text()}, shown[1]

    def _tally(self) -> Tally:
        session = self._session  # another one may take its place
        if session is None or session.tally is None:
            raise ValueError("nothing is measured yet: press Run, or call run()")
        return session.tally

    def _curves(self) -> list[Measured]:
        """The last run's curve after those of the earlier runs that are shown."""
        session = self._session
        done = session.measured() if session else None
        if done is None:
            return []
        return self._history.before(done) if self.controls.compare.value else [done]

    def _show(self, session: Session, status: Status) -> None:
        """In the runner's thread, ten times a second: everything that moves."""
        with self._drawing:
            if session is not self._session:
                self._begin(session)
            self.controls.running(status.active)
            self.status_line.value = panels.status(status, session.tally)
            self.writing.value = session.pen.html()
            tally = session.tally
            if not (status.active or (tally is not None and tally.n)):
                self._clear(session)  # it measured nothing
            if tally is None:
                return
            if self.pick.options[1:] != panels.choices(tally.problems):
                self.pick.options = [
                    self.pick.options[0],
                    *panels.choices(tally.problems),
                ]
            self.tiles.value = panels.tiles(tally, status)
            self.progress.value = tally.rows / (tally.target * len(tally.problems))
            if session.drawn != tally.n or not status.active:
                session.drawn = tally.n
                texts = monotonic() - session.texts_at > SAMPLES_SECONDS
                self._draw(texts=texts or not status.active)

    def _begin(self, session: Session) -> None:
        """Make room for a new run; what the one before measured is kept."""
        self._history.add(self._session.measured() if self._session else None)
        self._session = session
        self.progress.value = 0.0
        self.tiles.value = panels.tiles(None, Status())
        self.texts.value = panels.no_texts()

    def _clear(self, session: Session) -> None:
        """Take what an earlier run measured off the pictures; it is kept."""
        self.chart.value = empty(session.settings.samples)
        self.squares.value = ""

    def _draw(self, *, texts: bool = False) -> None:
        """The chart, and the samples' texts when they are due."""
        with self._drawing:
            session, curves = self._session, self._curves()
            if session is None or session.tally is None or not curves:
                return
            tally = session.tally
            choice = self.pick.value if self.pick.value is not None else -1
            example = tally.example(None if choice < 0 else choice)
            budget = told(curves, self.controls.budget.value)
            self.chart.value = chart(curves[-1], curves[:-1], budget=budget)
            if budget != self.controls.budget.value:
                self.chart.value += panels.unknown_size()
            n, correct = tally.counts()
            number = example.number
            self.squares.value = squares(
                tally.problems, correct.tolist(), n, picked=number
            )
            if texts:
                session.texts_at = monotonic()
                self.texts.value = panels.texts(tally.problems[number], example)
