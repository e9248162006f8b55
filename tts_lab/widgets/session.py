"""One run of the explorer, and the curves of the runs before it.

Promises: a run's settings never change, and its curve and costs are of the same
rounds. Not covered: threads and widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tts_lab.bank import Bank
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.traces import Problem
from tts_lab.verifiers import Verifier
from tts_lab.widgets.controls import Settings
from tts_lab.widgets.measured import Measured
from tts_lab.widgets.runner import Task
from tts_lab.widgets.tally import Tally
from tts_lab.widgets.writing import Pen, watched

KEPT = 3  # earlier curves that stay in the chart


@dataclass
class Source:
    """What runs sample with; loaded models are kept.

    Parameters
    ----------
    proposer : Proposer or None
        None loads the rung that the settings name.
    problems : list of Problem or None
        None takes them from the settings' domain and level.
    verifier : Verifier
    bank : Bank or None
    picked : callable
        The model that was loaded under a name; None for another name.
    """

    proposer: Proposer | None
    problems: list[Problem] | None
    verifier: Verifier
    bank: Bank | None = None
    picked: Callable[[str], Proposer | None] = lambda name: None
    _loaded: dict[str, Proposer] = field(default_factory=dict)

    def load(self, name: str, say: Callable[[str], None]) -> Proposer:
        """The model of a name; what takes long is said."""
        picked = self.picked(name)
        if picked is not None:
            return picked
        if self.proposer is not None:
            return self.proposer
        from tts_lab import ladder
        from tts_lab.ladder.compiled import ensure

        ensure(say)
        if name not in self._loaded:
            say(f"loading {name}")
            self._loaded[name] = ladder.load(name)
        return self._loaded[name]


class Session:
    """A run: its settings, and its tally once the model is there.

    Parameters
    ----------
    settings : Settings
    source : Source

    Attributes
    ----------
    tally : Tally or None
    drawn : int
        Samples of each problem in the last frame; -1 before the first.
    texts_at : float
        When samples' texts were shown last, by the clock of who shows them.
    pen : Pen
        What the model is writing.
    """

    def __init__(self, settings: Settings, source: Source) -> None:
        self.settings = settings
        self.source = source
        self.tally: Tally | None = None
        self.drawn = -1
        self.texts_at = float("-inf")
        self.pen = Pen()

    def work(self, task: Task) -> None:
        """Load the model and sample until the end or a cancel; for a runner."""
        settings, source = self.settings, self.source
        task.say(f"loading {settings.model}")
        problems = settings.problems() if source.problems is None else source.problems
        tally = Tally(problems, settings.samples, settings.temperature)
        proposer = source.load(settings.model, task.say)
        task.say(f"sampling {settings.caption()}")
        tally.begin(proposer.size, [proposer.count_tokens(p.prompt) for p in problems])
        self.tally = tally
        with watched(proposer, self.pen):
            run(
                tally.strategy,
                problems,
                proposer=proposer,
                verifier=source.verifier,
                seed=settings.seed,
                on_event=tally.on_event,
                cancel=task.cancel,
                bank=source.bank,
            )

    def measured(self) -> Measured | None:
        """The curve so far; None before a round is complete."""
        tally = self.tally
        if tally is None or tally.size is None or tally.n == 0:
            return None
        curve, ledgers = tally.snapshot()
        name, detail = self.settings.label()
        caption = self.settings.caption(curve.n_samples)
        return Measured(name, detail, caption, curve, ledgers, tally.size, tally.target)


class History:
    """What earlier runs measured; a run with an equal label takes its place."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Measured] = {}

    def add(self, run: Measured | None) -> None:
        """Keep a run, the newest last; None is no run."""
        if run is not None:
            self._runs.pop((run.name, run.detail), None)
            self._runs[run.name, run.detail] = run
            while len(self._runs) > KEPT + 1:  # `now` may be one of them again
                del self._runs[next(iter(self._runs))]

    def before(self, now: Measured) -> list[Measured]:
        """The newest earlier runs with other labels, oldest first, and `now`."""
        others = [
            run for key, run in self._runs.items() if key != (now.name, now.detail)
        ]
        return [*others[-KEPT:], now]
