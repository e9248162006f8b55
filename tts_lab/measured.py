"""Coverage counts that take minutes to sample: made once by a recipe, shipped.

`tts-lab measure` makes them anew: for each rung and domain, how many of n samples
were right on each of the first problems of the frozen evaluation set, at temperature
1. Notebooks redraw from them in an instant and sample a smaller part live.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from tts_lab import ladder, problems

SHIPPED = Path(__file__).parent / "data" / "coverage.json"
SEED = 20_240_731
PROBLEMS = 100
#: the level of each domain at which rungs are compared
LEVELS = {"chains": 5, "countdown": 3}
#: samples per problem; larger rungs cost more and need fewer
SAMPLES = {"27k": 10_000, "105k": 10_000, "380k": 1_000, "812k": 200, "1.5m": 200}


@dataclass(frozen=True)
class Measured:
    """What n samples of each problem of one level amount to, with one model.

    Attributes
    ----------
    n : int
        Samples per problem.
    correct, distinct_traces, distinct_answers, tokens : tuple of int
        Per problem, in the order of the evaluation set; `tokens` are generated ones.
    flops : float
        Brown's formula, all problems together.
    fingerprint : str
        Of the model's weights.
    """

    rung: str
    domain: str
    level: int
    n: int
    seed: int
    fingerprint: str
    flops: float
    seconds: float
    correct: tuple[int, ...]
    distinct_traces: tuple[int, ...]
    distinct_answers: tuple[int, ...]
    tokens: tuple[int, ...]


def coverage_counts(rung: str, domain: str) -> Measured:
    """The shipped counts of a rung on a domain's middle level.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.
    """
    stored = _stored(SHIPPED)
    if (rung, domain) not in stored:
        raise ValueError(f"no counts of {(rung, domain)!r}; there are {list(stored)}")
    return stored[rung, domain]


def count(
    rung: str, domain: str, level: int, *, n: int, n_problems: int, seed: int
) -> Measured:
    """Sample now: the counts of `n` samples of each of the first problems."""
    from tts_lab.run import run
    from tts_lab.strategies import count_correct
    from tts_lab.verifiers.exact import Exact

    proposer = ladder.load(rung)
    outcomes = run(
        partial(count_correct, n=n),
        problems.evaluation_set(domain, level, n_problems),
        proposer=proposer,
        verifier=Exact(),
        seed=seed,
    )
    counts = [outcome.value for outcome in outcomes]
    return Measured(
        rung=rung,
        domain=domain,
        level=level,
        n=n,
        seed=seed,
        fingerprint=proposer.fingerprint,
        flops=sum(o.ledger.flops_brown(proposer.size) for o in outcomes),
        seconds=round(sum(o.ledger.seconds for o in outcomes), 1),
        correct=tuple(c.correct for c in counts),
        distinct_traces=tuple(c.distinct_traces for c in counts),
        distinct_answers=tuple(c.distinct_answers for c in counts),
        tokens=tuple(o.ledger.generated_tokens for o in outcomes),
    )


def measure(rungs: Sequence[str], path: Path, *, say: Callable[[str], object]) -> None:
    """Make the shipped counts; what is there for the same weights is kept."""
    unknown = [rung for rung in rungs if rung not in SAMPLES]
    if unknown:
        raise ValueError(f"rungs {unknown} are unknown here; there are {[*SAMPLES]}")
    stored = _stored(path) if path.exists() else {}
    stored = dict(stored)
    for rung in rungs or ladder.names():
        for domain, level in LEVELS.items():
            held = stored.get((rung, domain))
            fresh = held and held.fingerprint == ladder.load(rung).fingerprint
            if not fresh:
                made = count(
                    rung, domain, level,
                    n=SAMPLES[rung], n_problems=PROBLEMS, seed=SEED,
                )  # fmt: skip
                stored[rung, domain] = made
                save(list(stored.values()), path)
            m = stored[rung, domain]
            say(
                f"{rung} {domain} {level}: pass@1 "
                f"{sum(m.correct) / m.n / len(m.correct):.4f}, coverage at {m.n}: "
                f"{sum(c > 0 for c in m.correct) / len(m.correct):.2f} "
                f"({m.seconds:.0f} s)"
            )


def save(every: Sequence[Measured], path: Path) -> None:
    """Write counts, a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(asdict(one)) for one in every)
    path.write_text(f"[\n{lines}\n]\n")


def load(path: Path) -> tuple[Measured, ...]:
    """The counts of a file that `save` wrote."""
    return _read(path, path.stat().st_mtime)


@cache
def _read(path: Path, changed: float) -> tuple[Measured, ...]:
    def frozen(stored: dict[str, Any]) -> Measured:
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()
        }
        return Measured(**fields)

    return tuple(frozen(stored) for stored in json.loads(path.read_text()))


def _stored(path: Path) -> dict[tuple[str, str], Measured]:
    return {(one.rung, one.domain): one for one in load(path)}
