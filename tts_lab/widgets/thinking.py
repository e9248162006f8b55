"""The thinking explorer: a budget of thinking tokens, and forced waits.

Promises: the upper part is read off traces that were measured once, at once; the lower
part lets a model think within the same budget, live. Both can be driven without a
front end. Not covered: formats of thinking other than the ladder's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import figures, models
from tts_lab.grid.store import LEVELS
from tts_lab.proposers import Proposer
from tts_lab.race import Cost
from tts_lab.run import run
from tts_lab.strategies.thinking import Thinking, think
from tts_lab.think import measured
from tts_lab.think.measured import THINKER, Thoughts
from tts_lab.traces import Event, Sampled
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets import thinking_chart
from tts_lab.widgets import thinking_panels as panels
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running
from tts_lab.widgets.sheet import sheet
from tts_lab.widgets.thinking_budget import (
    COSTS,
    WAITS,
    Budget,
    Curve,
    Reading,
    Traces,
    flops_words,
)
from tts_lab.widgets.thinking_controls import Question, ThinkingControls
from tts_lab.widgets.thinking_panels import Attempt, Live
from tts_lab.widgets.writing import watched


@dataclass
class _Thought:
    """What one run thinks; None before the model is there."""

    live: Live | None = None


class ThinkingExplorer(Running):
    """Move the limit of thinking and the forced waits, and watch a model think.

    Parameters
    ----------
    domain : str
        "chains", "countdown" or "both": whose measured traces are read.
    limit : int
        Thinking tokens at most.
    waits : str or int
        Ends that are suppressed: 0, 1, 2, 4 or "all".
    cost : str
        The horizontal axis: "limit", "tokens" or "flops".
    policy : str, Path or Proposer
        Who thinks in the lower part: what `tts_lab.models.open_policy` takes, or a
        model that is open. It writes traces as `tts_lab.think` teaches them.
    thoughts : mapping of str to Thoughts, optional
        Measured traces by domain, instead of those in `folder`.
    folder : Path
        Where measured traces lie; default those that ship.
    options
        Where the problem's controls stand at first: see `thinking_controls.Question`.

    Raises
    ------
    ValueError
        For a setting out of range, an unknown policy, or when there are no traces; the
        message quotes it and says what is accepted.

    References
    ----------
    Muennighoff et al. (2501.19393, "s1") sec. 3.1: budget forcing.
    """

    def __init__(
        self,
        *,
        domain: str = "countdown",
        limit: int = 512,
        waits: str | int = 1,
        cost: str = "tokens",
        policy: str | Path | Proposer = THINKER,
        thoughts: Mapping[str, Thoughts] | None = None,
        folder: Path = measured.FOLDER,
        **options: Any,
    ) -> None:
        self._runner = Runner()  # first: `close` needs it, also when this fails
        self._opened: Proposer | None = None
        self._policy = policy
        if isinstance(policy, str | Path):
            models.kind(str(policy))
        elif not hasattr(policy, "propose"):
            raise ValueError(
                f"policy={policy!r}; accepted is a name, a folder, or a proposer"
            )
        if cost not in COSTS:
            raise ValueError(f"cost={cost!r}; accepted are {list(COSTS)}")
        budget = Budget(domain, limit, str(waits))
        self._traces = traces = Traces(thoughts, Path(folder))
        traces.check(budget)
        if domain in LEVELS:
            options = {"kind": domain} | options
        question = Question(**options)
        question.problem()
        self.controls = controls = ThinkingControls(
            budget, question, cost=cost, domains=traces.domains, limits=traces.limits
        )
        self._thought = _Thought()
        self._drawing = RLock()
        self._drawn: tuple[Live | None, int] = (None, 0)
        self.chart, self.sentence = widgets.HTML(), widgets.HTML()
        self.status_line = widgets.HTML(panels.status(Status(), None, self.policy))
        self.writing, self.thought = widgets.HTML(), widgets.HTML(panels.thought(None))
        super().__init__(
            [sheet(), _title("Read off measured traces"), controls.budgets, self.chart,
             self.sentence, _title(f"Live: {self.policy} thinks"), controls.questions,
             controls.buttons, self.status_line, self.writing, self.thought],
            "tts-thinking",
        )  # fmt: skip
        controls.run.on_click(lambda _: self.run())
        controls.cancel.on_click(lambda _: self.cancel())
        controls.observe(self._draw)
        self._draw()

    def run(self) -> None:
        """Think about the problem within the budget; what thinks is cancelled first.

        A problem that cannot be read fails the run: the status says why.
        """
        budget, question = self.controls.budget(), self.controls.question()
        thought = _Thought()
        with self._drawing:
            self._thought = thought
        self._runner.start(
            partial(self._work, thought, budget, question),
            partial(self._show, thought),
        )

    @property
    def policy(self) -> str:
        """The name of the model that thinks."""
        policy = self._policy
        if not isinstance(policy, str | Path):
            return policy.name
        return (
            Path(policy).name if Path(policy).is_dir() else models.hidden(str(policy))
        )

    @property
    def budget(self) -> Budget:
        """Where the upper controls stand."""
        return self.controls.budget()

    @property
    def reading(self) -> Reading:
        """What the sentence below the chart says."""
        return self._traces.reading(self.budget)

    @property
    def curve(self) -> Curve:
        """The line of the chart."""
        budget = self.budget
        return self._traces.curve(budget.domain, budget.waits, budget.limit)

    @property
    def thinking(self) -> Thinking | None:
        """What the last live run returned; None before its end."""
        live = self._thought.live
        return live.thinking if live else None

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts of the last live run, as far as it came."""
        live = self._thought.live
        return live.attempts() if live else []

    def close(self) -> None:
        """Stop, close a model that was opened here, and take the widget away."""
        super().close()
        if isinstance(self._policy, str | Path):  # it may be opening just now
            self._stop()
        if self._opened is not None:
            models.close(self._opened)
            self._opened = None

    def text(self) -> str:
        """The settings, the reading, the curve in rows, and the thought."""
        budget, curve = self.budget, self.curve
        lines = [f"{self._traces.thinker} on {budget.caption()}", self.reading.words()]
        for i, limit in enumerate(curve.limits.tolist()):
            if limit & (limit - 1) and limit != budget.limit:
                continue  # powers of two are enough to read
            lines.append(
                f"  limit {limit}: {curve.mean[i]:.1%} [{curve.low[i]:.1%}, "
                f"{curve.high[i]:.1%}], {curve.tokens[i]:.0f} tokens, "
                f"{flops_words(float(curve.flops[i]))}"
            )
        live = self._thought.live
        lines.append(panels.status_words(self.status, live, self.policy))
        if live is not None:
            lines += [live.caption, *panels.thought_words(live)]
        return "\n".join(lines)

    def figure(self) -> figures.Picture:
        """The chart as a matplotlib figure; over tokens where the axis is the limit."""
        budget = self.budget
        some = [one for one in self._traces.limits if not one & (one - 1)]
        names = dict.fromkeys(["0", budget.waits])
        points = [
            point
            for waits in names
            for point in self._traces.points(budget.domain, waits, some)
        ]
        cost: Cost = "flops" if self.controls.cost.value == "flops" else "tokens"
        return figures.race(
            points, cost=cost, title=f"{self._traces.thinker}, {budget.domain}"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # the picture is for readers without a kernel
        shown = self.figure()._repr_mimebundle_()
        bundle = super()._repr_mimebundle_(**kwargs)
        return shown[0] | bundle | {"text/plain": self.text()}, shown[1]

    def _draw(self) -> None:
        """The upper part."""
        budget, reading, curve = self.budget, self.reading, self.curve
        without = self._traces.curve(budget.domain, "0", budget.limit)
        cost = self.controls.cost.value
        self.chart.value = thinking_chart.draw(
            curve, without, reading, cost
        ) + thinking_chart.under(curve, without)
        self.sentence.value = panels.sentence(reading)

    def _work(
        self, thought: _Thought, budget: Budget, question: Question, task: Task
    ) -> None:
        live = Live(question.problem(), f"{question.caption()}; {budget.length()}")
        proposer = self._open(task)
        if proposer is None:
            return
        live.size = proposer.size

        def on_event(event: Event) -> None:
            if isinstance(event, Sampled):
                with self._drawing:
                    live.tokens = event.traces[-1].tokens
                    live.texts.append(event.traces[-1].text)

        thought.live = live
        task.say("thinking")
        with watched(proposer, live.pen):
            [outcome] = run(
                partial(
                    think, most=budget.limit, waits=WAITS[budget.waits],
                    temperature=question.temperature,
                ),
                [live.problem], proposer=proposer, verifier=Exact(),
                seed=question.seed, on_event=on_event, cancel=task.cancel,
            )  # fmt: skip
        with self._drawing:
            live.ledger = outcome.ledger
            live.thinking = outcome.value if outcome.complete else None

    def _open(self, task: Task) -> Proposer | None:
        """The model; None when that was cancelled."""
        if not isinstance(self._policy, str | Path):
            return self._policy
        if self._opened is None:
            task.say(f"loading {self.policy}")
            try:
                self._opened = models.open_policy(
                    self._policy, say=task.say, cancel=task.cancel
                )
            except models.Cancelled:
                return None
        return self._opened

    def _show(self, thought: _Thought, state: Status) -> None:
        """In the runner's thread, ten times a second."""
        with self._drawing:
            if thought is not self._thought:
                return
            live = thought.live
            self.controls.running(state.active)
            self.writing.value = live.pen.html() if live and state.active else ""
            known, texts = self._drawn
            now = len(live.texts) if live else 0
            if known is not live or texts != now:
                self._drawn = (live, now)
                self.thought.value = panels.thought(live)
            # last: whoever reads "Done" sees all of it
            self.status_line.value = panels.status(state, live, self.policy)


def _title(words: str) -> widgets.HTML:
    return widgets.HTML(f'<div class="tts-title">{escape(words)}</div>')
