"""Test-time training, watched: the task, the loss, and the answer as it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tts_lab import ladder
from tts_lab.figures import grids as pictures
from tts_lab.ladder.compiled import ensure
from tts_lab.ladder.model_folder import Model
from tts_lab.ttt.frames import Frame, Plan, replay
from tts_lab.ttt.record import shipped
from tts_lab.ttt.watch import PIP, POLICY, base, watch
from tts_lab.widgets import adaptation_panels as panels
from tts_lab.widgets import grid_chart
from tts_lab.widgets.adaptation_controls import AdaptationControls
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running
from tts_lab.widgets.sheet import sheet

if TYPE_CHECKING:
    from tts_lab.ttt.adapt import Base

PAUSE = 0.25  # seconds between two frames of a recorded run


@dataclass
class _Shown:
    """The frames of one run: the last one."""

    frame: Frame


class Adaptation(Running):
    """Train an adapter on one grid task and watch the model's answer change.

    Without torch a recorded run is played with the same pictures; then only the
    recorded tasks can be chosen, and the other options stand as they were recorded.

    Parameters
    ----------
    policy : str, Path or Model
        A policy of the grids domain: a rung's name, a folder, or a loaded model.
    recorded : mapping of family to Frame, or bool, optional
        Recorded runs to play instead of training; True for those that ship. By
        default the latter where torch is not installed.
    options
        Where the controls stand at first: see `tts_lab.ttt.frames.Plan`.

    Raises
    ------
    ValueError
        For a setting out of range, an unknown policy, or a family that is not
        recorded; the message quotes it and says what is accepted.

    Examples
    --------
    >>> widget = Adaptation(family="rotate", recorded=True)
    >>> widget.run()
    >>> widget.wait(60)
    True
    >>> widget.status.phase, widget.frame.complete
    ('done', True)
    """

    def __init__(
        self,
        *,
        policy: str | Path | Model = POLICY,
        recorded: Mapping[str, Frame] | bool | None = None,
        **options: Any,
    ) -> None:
        self._runner = Runner()
        self._torch = find_spec("torch") is not None
        if recorded is None:
            recorded = not self._torch
        self._recorded: Mapping[str, Frame] | None = None
        if recorded is not False:
            self._recorded = shipped() if recorded is True else recorded
        plan = Plan(**options)
        if self._recorded is not None:
            if plan.family not in self._recorded:
                raise ValueError(
                    f"family {plan.family!r} is not recorded; recorded are "
                    f"{list(self._recorded)}. To train on any: {PIP}"
                )
        elif not isinstance(policy, Model):
            ladder.folder(policy)
        self._policy = policy
        self._base: Base | None = None
        self._drawing = RLock()
        self._drawn: Frame | None = None
        self.controls = controls = AdaptationControls(plan, recorded=self._recorded)
        self.status_line = widgets.HTML()
        self.source = widgets.HTML()
        self.tiles = widgets.HTML()
        self.task = widgets.HTML()
        self.loss = widgets.HTML()
        self.guesses = widgets.HTML()
        self.pieces = widgets.HTML()
        self.answers = widgets.HTML()
        self.votes = widgets.HTML()
        training = widgets.HBox([self.guesses, self.loss])
        answering = widgets.HBox([self.answers, self.votes])
        for pair in (training, answering):
            pair.add_class("tts-pair")
        super().__init__(
            [sheet(), controls.box, controls.parts, controls.buttons, self.source,
             self.status_line, self.tiles, self.task, training, self.pieces, answering],
            "tts-adaptation",
        )  # fmt: skip
        controls.run.on_click(lambda _: self.run())
        controls.cancel.on_click(lambda _: self.cancel())
        controls.observe(self._preview)
        self._shown = _Shown(self._first(controls.plan()))
        self._show(self._shown, Status())

    def run(self) -> None:
        """Train with the settings as they are; what runs already is cancelled."""
        plan = self.controls.plan()
        shown = _Shown(self._first(plan))
        work = partial(self._train, shown, plan)
        if self._recorded is not None:
            work = partial(self._play, shown, self._recorded[plan.family])
        with self._drawing:
            self._shown = shown
        self._runner.start(work, partial(self._show, shown))

    @property
    def frame(self) -> Frame:
        """How far the last run came."""
        return self._shown.frame

    def text(self) -> str:
        """Settings, status, costs and pictures in words."""
        frame = self.frame  # another one may take its place
        plan = frame.plan
        recorded = self._recorded is not None
        lines = [
            plan.caption(),
            panels.status_words(self.status, frame, recorded=recorded),
            *(one.words() for one in pictures.task_strips(plan.problem())),
        ]
        if recorded:
            lines.insert(1, f"recorded run of {frame.policy}; to train here: {PIP}")
        if frame.guesses:
            lines.append(panels.cost_words(frame))
            lines += [one.words() for one in pictures.guess_strips(frame)]
        lines.append("trained on, among others")
        lines += [one.words() for one in pictures.piece_strips(plan.pieces())]
        if frame.complete:
            lines += [one.words() for one in pictures.answer_strips(frame)]
            lines += panels.vote_words(frame)
        return "\n".join(lines)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/plain": self.text()}

    def _first(self, plan: Plan) -> Frame:
        """The frame before anything has run."""
        name = str(getattr(self._policy, "name", self._policy))
        if self._recorded is not None:
            name = self._recorded[plan.family].policy
        return Frame(plan, name, 0)

    def _preview(self) -> None:
        """Show the task that is chosen now, unless something runs."""
        with self._drawing:
            if not self.status.active:
                self._shown = _Shown(self._first(self.controls.plan()))
                self._show(self._shown, Status())

    def _train(self, shown: _Shown, plan: Plan, task: Task) -> None:
        ensure(task.say)
        if self._base is None:
            task.say(f"loading torch and {shown.frame.policy}")
            policy = self._policy
            self._base = base(policy if isinstance(policy, Model) else str(policy))
        for frame in watch(self._base, plan, cancel=task.cancel):
            shown.frame = frame
            task.say(_doing(frame))

    def _play(self, shown: _Shown, last: Frame, task: Task) -> None:
        for frame in replay(last):
            if task.cancel.wait(PAUSE):
                return
            shown.frame = frame
            task.say(f"recorded: {_doing(frame)}")

    def _show(self, shown: _Shown, state: Status) -> None:
        """In the runner's thread, ten times a second."""
        recorded = self._recorded is not None
        with self._drawing:
            if shown is not self._shown:
                return
            frame = shown.frame
            self.controls.running(state.active)
            if frame is not self._drawn:
                self._drawn = frame
                self._draw(frame)
            # last: whoever reads "Done" sees all of it
            self.status_line.value = panels.status(state, frame, recorded=recorded)

    def _draw(self, frame: Frame) -> None:
        begun = bool(frame.parameters)
        plan = frame.plan
        if self._recorded is not None:
            self.source.value = panels.source(frame, torch=self._torch)
        self.controls.progress.value = len(frame.losses) / plan.steps
        self.tiles.value = panels.tiles(frame if begun else None)
        self.task.value = grid_chart.strips(
            pictures.task_strips(plan.problem(), _now(frame)),
            "The task, and what the model answers",
        )
        self.loss.value = grid_chart.loss(frame.losses, plan.steps)
        self.guesses.value = grid_chart.strips(
            pictures.guess_strips(frame), "The answer while it trains"
        )
        self.pieces.value = grid_chart.strips(
            pictures.piece_strips(plan.pieces()),
            f"What it trains on: some of {plan.size} examples",
        )
        self.answers.value = grid_chart.strips(
            pictures.answer_strips(frame), "Answers from every side, turned back"
        )
        self.votes.value = panels.votes(frame)


def _now(frame: Frame) -> list[tuple[str, Any]]:
    """The answers to draw under the question."""
    if frame.complete:
        names = ("1st answer", "2nd answer")
        return list(zip(names, frame.votes().answers, strict=False))
    return [(f"step {one.step}", one.row) for one in frame.guesses[-1:]]


def _doing(frame: Frame) -> str:
    if not frame.guesses:
        return "asking the untrained policy"
    done, steps = len(frame.losses), frame.plan.steps
    if done == steps and not frame.complete:
        return "answering from every side"
    return f"step {done} of {steps}"
