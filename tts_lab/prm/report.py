"""How good a verifier is on held-out problems, one row per domain and level.

All verifiers read the same samples of the frozen evaluation problems, so their figures
can be compared. `tts-lab measure-verifiers` makes the shipped table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tts_lab import ladder, problems
from tts_lab.proposers import Size
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.subsets import Pool, accuracy
from tts_lab.traces import Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.metrics import auc_across, auc_within, calibration, step_accuracy

SHIPPED = Path(__file__).parent.parent / "data" / "verifiers.json"
#: the middle levels of each domain
KINDS = (("chains", 5), ("chains", 6), ("countdown", 3), ("countdown", 4))
POLICY, PROBLEMS, SAMPLES, SEED = "105k", 100, 64, 20_240_802


class StepVerifier(Protocol):
    """A verifier with a score for each step."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> Size: ...
    def steps(self, traces: Sequence[Trace]) -> Sequence[npt.NDArray[Any]]: ...
    def verify(self, traces: Sequence[Trace]) -> Sequence[float]: ...
    def tokens(self, trace: Trace) -> int: ...


@dataclass(frozen=True)
class Samples:
    """What a policy wrote on the problems of one level.

    Attributes
    ----------
    traces : list of Trace
        Those of one problem follow each other.
    right : (N,) bool array
    problem : (N,) int array
    """

    domain: str
    level: int
    traces: list[Trace]
    right: npt.NDArray[np.bool_]
    problem: npt.NDArray[np.int64]

    @classmethod
    def draw(
        cls,
        domain: str,
        level: int,
        *,
        policy: str = POLICY,
        n_problems: int = PROBLEMS,
        n: int = SAMPLES,
        seed: int = SEED,
    ) -> Samples:
        """Sample now."""
        outcomes = run(
            partial(repeated_sampling, n=n),
            problems.evaluation_set(domain, level, n_problems),
            proposer=ladder.load(policy),
            verifier=Exact(),
            seed=seed,
        )
        pairs = [pair for outcome in outcomes for pair in outcome.value]
        return cls(
            domain, level,
            [trace for trace, _ in pairs],
            np.array([score == 1 for _, score in pairs]),
            np.repeat(np.arange(n_problems), n),
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One verifier on one level.

    Attributes
    ----------
    within, across : (value, low, high)
        AUC within and across problems, with its 95% interval over problems.
    calibration_error : float or None
        Of the trace's score; None when scores are no probabilities of being right.
    step_accuracy : float or None
        Of steps' scores above one half against the exact truth.
    pass_at_1, best_of_n, coverage : float
        Best-of-n with this verifier at n = all samples, between what it starts from
        and what an exact verifier would reach.
    flops_per_trace, seconds_per_trace : float
        Of verifying; 2 FLOPs per weight and token.
    """

    verifier: str
    domain: str
    level: int
    within: tuple[float, float, float]
    across: tuple[float, float, float]
    calibration_error: float | None
    step_accuracy: float | None
    pass_at_1: float
    best_of_n: float
    coverage: float
    parameters: int
    flops_per_trace: float
    seconds_per_trace: float

    @property
    def gap_closed(self) -> float:
        """The share of the gap between pass@1 and coverage that best-of-n closes."""
        return (self.best_of_n - self.pass_at_1) / (self.coverage - self.pass_at_1)


def measure(
    verifier: StepVerifier, samples: Samples, *, name: str, probabilities: bool = True
) -> Row:
    """The row of a verifier.

    Parameters
    ----------
    verifier : StepVerifier
    samples : Samples
    name : str
    probabilities : bool
        Whether scores mean "right with this probability".
    """
    began = time.perf_counter()
    scores = np.array(verifier.verify(samples.traces))
    seconds = time.perf_counter() - began
    within = auc_within(scores, samples.right, samples.problem)
    across = auc_across(scores, samples.right, samples.problem)
    pools = [
        Pool.of(
            [samples.traces[i] for i in rows], samples.right[rows], scores[rows]
        )
        for rows in (np.flatnonzero(samples.problem == p)
                     for p in np.unique(samples.problem))
    ]  # fmt: skip
    n = len(pools[0].answer)
    tokens = np.mean([verifier.tokens(trace) for trace in samples.traces])
    return Row(
        name, samples.domain, samples.level,
        (within.value, within.low, within.high),
        (across.value, across.low, across.high),
        calibration(scores, samples.right).error if probabilities else None,
        step_accuracy(samples.traces, verifier.steps(samples.traces))
        if probabilities else None,
        float(samples.right.mean()),
        float(accuracy(pools, "best-of-n", [n]).mean[0]),
        float(accuracy(pools, "coverage", [n]).mean[0]),
        verifier.size.parameters,
        2.0 * verifier.size.parameters * float(tokens),
        seconds / len(samples.traces),
    )  # fmt: skip


def verifiers() -> dict[str, tuple[StepVerifier, bool]]:
    """All that learned something, by name, and whether they give probabilities."""
    from tts_lab.prm.recipes import RECIPES
    from tts_lab.verifiers.likelihood import Implicit, Likelihood
    from tts_lab.verifiers.prm import PRM

    learned = {name: (PRM(name), True) for name in RECIPES}
    return learned | {
        "likelihood-380k": (Likelihood("380k"), False),
        "implicit-380k": (Implicit("380k", "105k"), False),
    }


def measure_all(
    out: Path = SHIPPED, *, say: Callable[[str], None] = lambda line: None
) -> list[Row]:
    """Every verifier on every middle level, written as JSON."""
    rows = []
    everyone = verifiers()
    for domain, level in KINDS:
        samples = Samples.draw(domain, level)
        for name, (verifier, probabilities) in everyone.items():
            rows.append(measure(verifier, samples, name=name,
                                probabilities=probabilities))  # fmt: skip
            say(line(rows[-1]))
    out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return rows


@cache
def shipped() -> list[Row]:
    """The rows that come with the package."""
    stored = json.loads(SHIPPED.read_text())
    return [
        Row(**row | {key: tuple(row[key]) for key in ("within", "across")})
        for row in stored
    ]


def line(row: Row) -> str:
    """A row as text."""
    error = "   - " if row.calibration_error is None else f"{row.calibration_error:.3f}"
    steps = "   - " if row.step_accuracy is None else f"{row.step_accuracy:.3f}"
    return (
        f"{row.verifier:16} {row.domain:9} {row.level}  within {row.within[0]:.3f} "
        f"[{row.within[1]:.3f}, {row.within[2]:.3f}]  across {row.across[0]:.3f}  "
        f"calibration {error}  steps {steps}  best-of-n {row.pass_at_1:.2f} to "
        f"{row.best_of_n:.2f} of {row.coverage:.2f}"
    )
