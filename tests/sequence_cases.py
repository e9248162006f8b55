"""A small workload for each widget that has a run: see `sequences`."""

from __future__ import annotations

from typing import Any

import allocation_world as world
import numpy as np
from sequences import Case

from tts_lab import problems as domains
from tts_lab.proposers.scripted import Scripted, random_script
from tts_lab.think.measured import Thoughts
from tts_lab.traces import Problem
from tts_lab.ttt.frames import Frame, Guess, Plan
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier
from tts_lab.widgets import (
    Adaptation,
    AllocationExplorer,
    CoverageExplorer,
    ModelPicker,
    StrategyLab,
    StrategyRace,
    ThinkingExplorer,
)

PROBLEMS = domains.evaluation_set("chains", 1, 4)
LINES = {"3+4=7\n": 0.9, "3+4=7\n7*2=14\n": 0.9}


def _guess(prompt: str, text: str, row: int, stream: int) -> str:
    """The first problem always right, the next less often."""
    place = [problem.prompt for problem in PROBLEMS].index(prompt)
    right = (stream // 7 + 31 * row) % (1 + 2 * place) == 0
    return domains.domain("chains").solution(prompt) if right else "1+1=3\n#3"


def _slow(script: Any, rows: int = 4) -> Scripted:
    return Scripted(script, seconds_per_chunk=0.002, rows_per_chunk=rows)


def _put(controls: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(controls, name).value = value


def _some(widget: Any, settings: dict[str, Any]) -> None:
    _put(widget.controls, settings)


def _press(widget: Any) -> None:
    widget.controls.run.click()


def _coverage() -> Case:
    def caption(settings: dict[str, Any]) -> str:
        return f"temperature {settings['temperature']:g} · seed {settings['seed']}"

    def fits(widget: CoverageExplorer, settings: dict[str, Any]) -> bool:
        said, chart = widget.text(), widget.chart.value
        drawn = caption(settings) in chart
        return caption(settings) in said and drawn == ("tts-curve" in chart)

    return Case(
        lambda: CoverageExplorer(proposer=_slow(_guess), problems=PROBLEMS, samples=10),
        tuple(
            {"samples": samples, "seed": seed, "temperature": 1 + seed / 10}
            for seed in range(3) for samples in (10, 20)
        ),
        _some, _press,
        lambda w: (
            w.counts.n, tuple(w.counts.c), w.text().splitlines()[0],
            w.text().splitlines()[0] in w.chart.value, w.progress.value,
        ),
        fits,
        more=(lambda w: w.controls.compare.set_trait("value", True),
              lambda w: w.controls.budget.set_trait("value", "flops"),
              lambda w: w.controls.budget.set_trait("value", "samples")),
    )  # fmt: skip


def _line(prompt: str, text: str, row: int, stream: int) -> str:
    first = "3+4=7\n" if (row + stream) % 2 == 0 else f"3+4={8 + row}\n"
    rest = "7*2=14\n#14" if row % 2 == 0 else "9*2=18\n#18"
    if not text:
        return first + rest
    return rest if text.count("\n") == 1 else rest.partition("\n")[2]


def _lab() -> Case:
    def fits(widget: StrategyLab, settings: dict[str, Any]) -> bool:
        seed = f"seed {settings['seed']}"
        return seed in widget.text().splitlines()[0]

    return Case(
        lambda: StrategyLab(
            proposer=_slow(_line),
            verifier=ScriptedVerifier(lambda t: LINES.get(t.text, 0.2)),
            problems=[Problem("chains", "3+4*2\n", 2)], n=4, width=2,
        ),
        tuple(
            {"strategy": strategy, "seed": seed}
            for seed in range(3) for strategy in ("best-of-n", "beam search", "DVTS")
        ),
        _some,
        # Run goes on with a search that waits for Step; this begins anew
        lambda w: (w.cancel(), w.run()),
        lambda w: (w.tree.text(), w.text().splitlines()[0], w.answer.value,
                   w.tree.samples, w.outcome.complete),
        fits,
        more=(lambda w: w.controls.step.click(),),
    )  # fmt: skip


def _race() -> Case:
    def guess(prompt: str, text: str, row: int, stream: int) -> str:
        right = (stream // 7 + row) % 3 == 0
        whole = domains.domain("chains").solution(prompt) if right else "1+1=3\n#3"
        return whole[len(text) :] if whole.startswith(text) else "#3"

    def points(widget: StrategyRace) -> Any:
        return tuple(
            (p.strategy, p.n, tuple(sorted(p.right.items())), p.samples, p.tokens)
            for p in widget.points
        )

    def fits(widget: StrategyRace, settings: dict[str, Any]) -> bool:
        chosen = {point.strategy for point in widget.points}
        return chosen <= set(settings["strategies"])

    return Case(
        lambda: StrategyRace(
            proposer=_slow(guess, 8), scorer=Exact(), domain="chains", level=1,
            n_problems=10, n=(1, 2), chosen=("best-of-n",),
        ),
        tuple(
            {"strategies": strategies, "level": level, "rule": rule}
            for strategies in (("best-of-n",), ("beam search",), ("DVTS", "best-of-n"))
            for level in (1, 2) for rule in ("best-of-n", "majority")
        ),
        _put, lambda w: w.run_button.click(),
        lambda w: (w.axis.set_trait("value", "samples"), points(w), w.text(),
                   w.progress.value, w.chart.value),
        fits,
        more=(lambda w: w.axis.set_trait("value", "samples"),
              lambda w: w.axis.set_trait("value", "flops")),
    )  # fmt: skip


def _thinking() -> Case:
    rng = np.random.default_rng(0)
    end = np.cumsum(rng.integers(8, 60, (6, 2, 4)), axis=2)
    thoughts = Thoughts(
        "thinker-380k", "chains", np.full(6, 5), end, rng.random(end.shape) < 0.4,
        np.zeros(end.shape, np.int64), end + 5, end.max(axis=2) + 20, 0,
    )  # fmt: skip

    def fits(widget: ThinkingExplorer, settings: dict[str, Any]) -> bool:
        shown = widget.text()
        begun = "attempt 1, " in shown or "tts-attempt" in widget.thought.value
        return widget.thinking is None and (not begun or _asked(settings) in shown)

    def _asked(settings: dict[str, Any]) -> str:
        return f"problem {settings['number']}, temperature 1, seed {settings['seed']}"

    return Case(
        lambda: ThinkingExplorer(
            thoughts={"chains": thoughts}, domain="chains", limit=64, waits=1,
            policy=_slow(random_script),
        ),
        tuple(
            {"number": number, "seed": seed, "waits": waits}
            for number in (1, 2) for seed in (0, 1) for waits in ("0", "2", "4")
        ),
        _some, _press,
        lambda w: (w.thinking.text, w.thinking.score, w.thought.value,
                   w.text().splitlines()[-1]),
        fits,
        more=(lambda w: w.controls.cost.set_trait("value", "flops"),),
    )  # fmt: skip


def _recorded(family: str) -> Frame:
    plan = Plan(family, permutations=1, size=32)
    truth = tuple(map(int, plan.problem().answer or ""))
    losses = tuple(2 / (i + 1) for i in range(plan.steps))
    return Frame(
        plan, "tiny", 1000, losses, (100,) * plan.steps,
        (Guess(0, None), Guess(plan.steps, truth)), (truth, truth), 700, 68, 2.0, 0.5,
    )  # fmt: skip


def _adaptation() -> Case:
    frames = {family: _recorded(family) for family in ("echo", "rotate", "mirror")}

    def fits(widget: Adaptation, settings: dict[str, Any]) -> bool:
        shown, family = widget.frame, settings["family"]
        return shown.plan.family == family and family in widget.text()

    return Case(
        lambda: Adaptation(family="echo", recorded=frames),
        tuple({"family": family} for family in frames),
        _some, _press,
        lambda w: (w.frame, w.text().splitlines()[0], w.tiles.value, w.votes.value,
                   w.controls.progress.value),
        fits,
    )  # fmt: skip


def trained() -> Case:
    """The adaptation that trains, for where torch is: seconds differ, rows do not."""
    from tiny_policy import tiny_policy

    policy = tiny_policy()
    options = {"epochs": 1, "permutations": 0, "size": 16}

    def found(widget: Adaptation) -> Any:
        frame = widget.frame
        return (frame.plan, frame.losses, frame.guesses, frame.answers,
                widget.controls.progress.value)  # fmt: skip

    def fits(widget: Adaptation, settings: dict[str, Any]) -> bool:
        return widget.frame.plan.family == settings["family"]

    return Case(
        lambda: Adaptation(policy=policy, family="echo", recorded=False, **options),
        tuple({"family": family} for family in ("echo", "rotate", "mirror")),
        _some, _press, found, fits,
    )  # fmt: skip


def _allocation() -> Case:
    def fits(widget: AllocationExplorer, settings: dict[str, Any]) -> bool:
        return widget.settings.caption() in widget.text()

    return Case(
        lambda: AllocationExplorer(
            options=world.options(24), unit="samples", estimate=16.0, bins=3,
            difficulty=world.oracle(24), binning="quantiles",
        ),
        tuple(
            {"bins": bins, "charged": charged}
            for bins in (2, 3, 4, 5) for charged in (False, True)
        ),
        _some, lambda w: w._changed(),
        lambda w: (  # at the smallest budget: the slider stands where it was moved
            w.controls.budget.set_trait("index", 0), w.settings, w.bins.value,
            w.map.value, w.curves.value,
        ),
        fits,
        more=(lambda w: w.controls.budget.set_trait("index", 1),
              lambda w: w.controls.budget.set_trait("index", 0)),
    )  # fmt: skip


def _picker() -> Case:
    def load(widget: ModelPicker) -> None:
        widget.loads = getattr(widget, "loads", 0) + 1
        if widget.loads % 2:
            widget.controls.unload.click()  # does nothing while a load goes on
        widget.load(widget.chosen)

    def fits(widget: ModelPicker, settings: str) -> bool:
        names = [one.model.name for one in widget.loaded]
        return len(names) == len(set(names))

    return Case(
        ModelPicker, ("27k", "105k", "380k"),
        lambda w, spec: setattr(w, "chosen", spec), load,
        lambda w: (w.proposer.name, w.loaded[-1].label in w.text()),
        fits,
    )  # fmt: skip


CASES: dict[type, Case] = {
    Adaptation: _adaptation(),
    AllocationExplorer: _allocation(),
    CoverageExplorer: _coverage(),
    ModelPicker: _picker(),
    StrategyLab: _lab(),
    StrategyRace: _race(),
    ThinkingExplorer: _thinking(),
}
