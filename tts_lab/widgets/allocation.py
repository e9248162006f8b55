"""The allocation explorer: drag a budget and see which strategy wins in which bin.

Promises: everything shown comes from measured options, chosen on one half of the
problems and judged on the other; a change that takes time is computed in a thread, and
the latest one wins. Not covered: measuring options (`tts_lab.grid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import figures
from tts_lab.allocate import Allocation, Option
from tts_lab.difficulty import Difficulty
from tts_lab.figures.budget import Budget
from tts_lab.grid.options import POLICY
from tts_lab.widgets import allocation_chart as charts
from tts_lab.widgets import allocation_panels as panels
from tts_lab.widgets.allocation_answer import Answer, Efficiency, answered
from tts_lab.widgets.allocation_controls import AllocationControls
from tts_lab.widgets.allocation_settings import (
    Settings,
    Source,
    among,
    checked,
)
from tts_lab.widgets.allocation_source import Given, Grid
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running
from tts_lab.widgets.sheet import sheet

KEPT = 32  # answers that need not be computed again


class AllocationExplorer(Running):
    """Drag a budget and see, bin by bin, which strategy wins and what it saves.

    Parameters
    ----------
    family : str
        Of options: "search" (sampling and searches) or "revisions".
    domain : str
    kind : str
        Of bins: "oracle", or "predicted" by a verifier.
    binning : str
        "quantiles", or "thresholds" at 50% and 10%.
    bins : int
        Of quantiles, 1 to 10.
    samples : int, optional
        From which the difficulty is estimated: 1, 2, 4, ...; all by default.
    charged : bool
        Whether their cost is taken off every budget.
    unit : str
        Of budgets: "samples" (the default), "tokens" or "flops" per problem.
    verifiers : sequence of str, optional
        Those that options may use (with more than one the choice is reward-aware);
        by default the first that there is.
    counted : bool
        Whether the verifiers' tokens and FLOPs are counted.
    baseline : str, optional
        What to compare with: "best-of-n" (with the same verifier) or "majority".
    budget : float, optional
        Where the slider stands at first.
    policy : str
        Of the shipped grid.
    options : sequence of Option, optional
        Your own measured options instead of the shipped grid.
    difficulty : Difficulty or mapping of kind to Difficulty, optional
        Of the same problems; needed with `options`.
    baselines : mapping of name to sequence of Option, optional
        With `options`; by default those named "best-of-n, ..." and "majority, ...".
    estimate : float
        With `options`: what estimating the difficulty costs per problem.
    source : Source, optional
        Anything else that has options for each setting.
    seed : int
        Of the folds and the bootstrap.

    Raises
    ------
    ValueError
        For a setting that there is not; the message quotes it and lists what there is.

    References
    ----------
    Snell et al. (2408.03314), sec. 3; Liu et al. (2502.06703), sec. 3.

    Examples
    --------
    >>> from tts_lab.difficulty import quantiles
    >>> some = [Option.of("best-of-n, n = 4", [1, 1, 1, 1, 0, 0, 0, 0], 4),
    ...         Option.of("my search, n = 4", [0, 0, 0, 0, 1, 1, 1, 1], 4)]
    >>> bins = quantiles([0.9] * 4 + [0.1] * 4, bins=2)
    >>> explorer = AllocationExplorer(options=some, difficulty=bins)
    >>> explorer.allocation.choices[0]
    ('best-of-n, n = 4', 'my search, n = 4')
    """

    def __init__(
        self,
        *,
        family: str = "search",
        domain: str = "chains",
        kind: str | None = None,
        binning: str | None = None,
        bins: int = 5,
        samples: int | None = None,
        charged: bool = False,
        unit: Budget | None = None,
        verifiers: Sequence[str] | None = None,
        counted: bool = True,
        baseline: str | None = None,
        budget: float | None = None,
        policy: str = POLICY,
        options: Sequence[Option] | None = None,
        difficulty: Difficulty | Mapping[str, Difficulty] | None = None,
        baselines: Mapping[str, Sequence[Option]] | None = None,
        estimate: float = 0.0,
        source: Source | None = None,
        seed: int = 0,
    ) -> None:
        self._runner = Runner()  # first: `close` needs it, also when this fails
        self._drawing = RLock()
        self._answers: dict[Settings, Answer] = {}
        self._wanted: Settings | None = None
        self._seed = seed
        if options is not None or difficulty is not None:
            if options is None or difficulty is None:
                missing = "options" if options is None else "difficulty"
                raise ValueError(f"{missing} is None; options and difficulty go "
                                 "together")  # fmt: skip
            source = Given(options, difficulty, unit=unit or "samples",
                           baselines=baselines, estimate=estimate)  # fmt: skip
        self._source: Source = source or Grid(policy)
        first = self._source.offer("", "")
        if not isinstance(self._source, Grid) and family not in first.families:
            family, domain = first.families[0], first.domains[0]
        there = self._source.offer(family, domain)
        settings = checked(
            Settings(
                family, domain, unit or there.units[0],
                binning or there.binnings[0], bins,
                samples if samples is not None else there.samples[-1]
                if there.samples else 0, charged,
                tuple(there.verifiers[:1] if verifiers is None else verifiers), counted,
            ),
            self._source,
        )  # fmt: skip
        kind = kind or there.kinds[0]
        among("kind", kind, there.kinds)
        answer = self._compute(settings)
        if baseline is not None:
            among("baseline", baseline, list(answer.base))
        self.controls = AllocationControls(settings, self._source, kind=kind)
        self.controls.take(answer, wanted=budget)
        if baseline is not None:
            self.controls.baseline.value = baseline
        self._answer = answer
        self.status_line = widgets.HTML()
        self.tiles = widgets.HTML()
        self.curves = widgets.HTML()
        self.bins = widgets.HTML()
        self.map = widgets.HTML()
        self._build()
        self.controls.observe(self._changed, self._draw)
        self._draw()

    @property
    def settings(self) -> Settings:
        """Those of what is shown."""
        return self._answer.settings

    @property
    def allocation(self) -> Allocation | None:
        """What is chosen at the budget; None if the estimate costs more."""
        return self._answer.at(self.controls.kind.value, self.controls.budget.value)

    @property
    def efficiency(self) -> Efficiency | None:
        """Against the baseline, at the budget."""
        c = self.controls
        return self._answer.efficiency(c.kind.value, c.baseline.value, c.budget.value)

    def text(self) -> str:
        """The settings, the numbers and every bin, in words."""
        with self._drawing:
            view = self._view()
            lines = panels.rows(self._answer, *view, self._shares)
            if self.status.phase == "failed":
                lines.insert(
                    0, panels.status_words(self.status, self._answer, view[0], view[2])
                )
            return "\n".join(lines)

    def figure(self) -> figures.Picture:
        """The curves as a matplotlib figure."""
        answer = self._answer
        curves = {f"compute-optimal, {kind} bins": own
                  for kind, own in answer.ours.items() if own}  # fmt: skip
        return figures.allocation_curves(
            curves | answer.base, budget=answer.settings.unit
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # the picture is for readers without a kernel
        shown = self.figure()._repr_mimebundle_()
        bundle = super()._repr_mimebundle_(**kwargs)
        return shown[0] | bundle | {"text/plain": self.text()}, shown[1]

    def _build(self) -> None:
        left = widgets.VBox([_title("Accuracy against budget"), self.curves])
        right = widgets.VBox([_title("Strategies by difficulty bin"), self.bins])
        below = widgets.VBox([_title("Who wins at which budget"), self.map])
        charts = widgets.HBox([right, widgets.VBox([left, below])])
        charts.add_class("tts-pictures")
        c = self.controls
        super().__init__(
            [sheet(), c.box, c.switches, c.checks, c.slide, self.status_line,
             self.tiles, charts],
            "tts-allocation",
        )  # fmt: skip

    def _compute(self, settings: Settings, task: Task | None = None) -> Answer:
        study = self._source.study(checked(settings, self._source))
        cancel = None if task is None else task.cancel
        answer = answered(settings, study, seed=self._seed, cancel=cancel)
        if cancel is None or not cancel.is_set():
            self._answers[settings] = answer
            while len(self._answers) > KEPT:
                del self._answers[next(iter(self._answers))]
        return answer

    def _changed(self) -> None:
        """A setting that needs another study: known, or computed in a thread."""
        with self._drawing:
            settings = self._wanted = self.controls.settings()
        known = self._answers.get(settings)
        found: list[Answer] = []

        def work(task: Task) -> None:
            task.say("choosing anew")
            found.append(known or self._compute(settings, task))

        self._runner.start(work, lambda state: self._show(settings, found, state))

    def _show(self, settings: Settings, found: list[Answer], state: Status) -> None:
        """In the runner's thread: the status, and at the end the answer."""
        with self._drawing:
            if settings != self._wanted:
                return
            if state.phase == "done":
                [self._answer] = found
                self.controls.take(self._answer)
                self._draw()
            else:
                self.status_line.value = panels.status(
                    state, self._answer, *self._view()[::2]
                )

    def _view(self) -> tuple[str, str, float]:
        c = self.controls
        return c.kind.value, c.baseline.value, c.budget.value

    def _draw(self) -> None:
        with self._drawing:
            answer = self._answer
            kind, baseline, budget = self._view()
            bins = answer.study.difficulty[kind].bins
            names = panels.bin_names(bins)
            self._shares = answer.by_bin(kind, budget, seed=self._seed)
            self.tiles.value = panels.tiles(answer, kind, baseline, budget)
            self.tiles.value += panels.under(answer, baseline)
            self.curves.value = charts.curves(answer, baseline, budget)
            self.bins.value = charts.bins(
                self._shares, answer.at(kind, budget), names
            ) + charts.legend(self._shares)
            self.map.value = charts.winner_map(answer, kind, budget, names)
            state = self.status if self.status.phase == "failed" else Status("done")
            self.status_line.value = panels.status(state, answer, kind, budget)


def _title(words: str) -> widgets.HTML:
    return widgets.HTML(f'<h4 class="tts-title">{words}</h4>')
