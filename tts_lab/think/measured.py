"""Long traces of a thinker, measured once and shipped: budgets are read off them.

Every trace was forced to go on until its context was full. Since what is written does
not depend on what comes later, a trace at any limit, with any number of forced waits,
is a beginning of the long one: no budget needs a run of its own. Not covered: texts;
what is kept of an attempt is where it ended, whether it was right, and its check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tts_lab import ladder
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.grid.store import LEVELS, evaluated, read_arrays, write_arrays
from tts_lab.ladder.rungs import rung
from tts_lab.problems import domain as module_of
from tts_lab.run import run
from tts_lab.strategies.thinking import RIGHT, WAIT, WRONG, Thinking, think, thoughts
from tts_lab.traces import Problem
from tts_lab.verifiers.exact import Exact

FOLDER = Path(__file__).parent.parent / "data" / "thinking"
THINKER, SAMPLES, SEED = "thinker-380k", 4, 20_250_131
LONGEST = 10**6  # more forced waits than any trace has room for

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Thoughts:
    """Long traces of every problem, as numbers; attempts are padded with `end` 0.

    Attributes
    ----------
    thinker, domain : str
    prompt : (P,) int array
        Tokens of the problem, BOS included.
    end : (P, S, A) int array
        Generated tokens when an attempt's answer line was written.
    right : (P, S, A) bool array
    verdict : (P, S, A) int array
        Of its check: 1 for "ok", 2 for "x", 0 when there was no room for it.
    stops : (P, S, A) int array
        Generated tokens when the model ended the trace after that attempt by itself;
        0 when it went on.
    tokens : (P, S) int array
        Generated in all.
    seed : int
    """

    thinker: str
    domain: str
    prompt: IntArray
    end: IntArray
    right: BoolArray
    verdict: IntArray
    stops: IntArray
    tokens: IntArray
    seed: int

    def length(self, limit: int | None = None, *, waits: int = 0) -> FloatArray:
        """(P, S) thinking tokens at a limit, when so many ends are suppressed."""
        stop = self._stop(waits)
        shorter: FloatArray = np.minimum(stop, np.inf if limit is None else limit)
        return shorter

    def accuracy(self, limit: int | None = None, *, waits: int = 0) -> FloatArray:
        """(P, S) whether the last whole attempt within that length is right.

        Parameters
        ----------
        limit : int, optional
            Thinking tokens at most.
        waits : int
            Ends that are suppressed; a number beyond all there are thinks on until
            the limit.
        """
        within = self.end <= self.length(limit, waits=waits)[:, :, None]
        counted = within & (self.end > 0)
        last = counted.sum(axis=2) - 1
        found = np.take_along_axis(self.right, np.maximum(last, 0)[:, :, None], 2)
        right: FloatArray = (found[:, :, 0] & (last >= 0)).astype(np.float64)
        return right

    def flops(self, limit: int | None = None, *, waits: int = 0) -> FloatArray:
        """(P, S) FLOPs of that thinking, attention over the context counted.

        See `sequence_flops`.
        """
        written = self.length(limit, waits=waits)
        return sequence_flops(self.thinker, self.prompt[:, None], written)

    def _stop(self, waits: int) -> FloatArray:
        """Where a trace ends when the first so many ends are suppressed."""
        stops = np.where(self.stops > 0, self.stops, np.inf)
        ordered = np.sort(stops, axis=2)
        if waits >= ordered.shape[2]:
            return self.tokens.astype(np.float64)
        stop: FloatArray = np.minimum(ordered[:, :, waits], self.tokens)
        return stop


def sequence_flops(
    policy: str, prompt: npt.NDArray[Any], tokens: npt.NDArray[Any]
) -> FloatArray:
    """FLOPs of reading prompts and writing so many tokens behind them.

    Brown et al. (2407.21787v3): 2 (N + 2 layers hidden context) for each token.

    Parameters
    ----------
    policy : str
        A rung, or one tuned from it.
    prompt, tokens : arrays that broadcast against each other

    Examples
    --------
    >>> sequence_flops("27k", np.array([1]), np.array([0])).tolist()
    [54848.0]
    """
    shape = rung(policy)
    total = prompt + tokens
    context = total * (total + 1) / 2
    cost: FloatArray = 2.0 * (
        shape.parameters * total + 2 * shape.layers * shape.hidden * context
    )
    return cost


def of_thinking(problem: Problem, found: Thinking) -> list[tuple[int, bool, int, int]]:
    """The attempts of one trace: (end, right, verdict, stop), see `Thoughts`.

    >>> from tts_lab.traces import Trace
    >>> problem, text = Problem("chains", "4+8\\n", 1), "4+8=12\\n#12\\n?12 ok"
    >>> of_thinking(problem, Thinking(Trace(problem), 1.0, text, (18,), False))
    [(10, True, 1, 18)]
    """
    check = module_of(problem.domain).check
    rows = []
    place = 0  # generated tokens before the thought: forced text is not among them
    ends = list(found.ends)
    parts = found.text.split(f"\n{WAIT}")
    for number, (part, one) in enumerate(
        zip(parts, thoughts(problem, found.text), strict=False)
    ):
        again = len(problem.prompt) if number and part.startswith(problem.prompt) else 0
        end = place + again + len(one.attempt)
        after = place + len(part)
        stop = 0
        if ends and ends[0] == after + 1:  # the end token is one more
            stop = ends.pop(0)
            place = stop
        else:
            place = after + 1 + len(WAIT)
        verdict = {RIGHT: 1, WRONG: 2, None: 0}[one.verdict]
        whole = one.attempt.rpartition("\n")[2].startswith("#")
        if whole:
            rows.append((end, check(problem, one.attempt), verdict, stop))
    return rows


def measure(
    domain: str,
    *,
    thinker: str | Path = THINKER,
    samples: int = SAMPLES,
    seed: int = SEED,
    some: Sequence[Problem] | None = None,
) -> Thoughts:
    """Let the thinker think as long as it can, several times on each problem.

    Parameters
    ----------
    domain : str
    thinker : str or Path
    samples : int
        S, traces of each problem.
    seed : int
    some : sequence of Problem, optional
        The shipped grid's by default.
    """
    chosen = evaluated(domain) if some is None else list(some)
    proposer = ladder.load(thinker)
    outcomes = run(
        partial(think, least=10**6), [p for p in chosen for _ in range(samples)],
        proposer=proposer, verifier=Exact(), seed=seed,
    )  # fmt: skip
    rows = [of_thinking(outcome.problem, outcome.value) for outcome in outcomes]
    most = max(1, max(map(len, rows)))
    shape = (len(chosen), samples, most)
    columns = np.zeros((4, len(rows), most), np.int64)
    for i, row in enumerate(rows):
        if row:
            columns[:, i, : len(row)] = np.array(row, np.int64).T
    return Thoughts(
        Path(thinker).name, domain,
        np.array([proposer.count_tokens(problem.prompt) for problem in chosen]),
        columns[0].reshape(shape), columns[1].reshape(shape).astype(np.bool_),
        columns[2].reshape(shape), columns[3].reshape(shape),
        np.array([o.value.answer.tokens for o in outcomes]).reshape(shape[:2]), seed,
    )  # fmt: skip


def write(made: Thoughts, folder: Path = FOLDER) -> None:
    """Store traces as `thoughts-<thinker>-<domain>.npz`."""
    write_arrays(
        folder / f"thoughts-{made.thinker}-{made.domain}.npz",
        {"prompt": made.prompt.astype(np.uint8), "end": made.end.astype(np.uint16),
         "right": made.right, "verdict": made.verdict.astype(np.uint8),
         "stops": made.stops.astype(np.uint16),
         "tokens": made.tokens.astype(np.uint16), "seed": np.array(made.seed)},
    )  # fmt: skip


def shipped(domain: str, thinker: str = THINKER, folder: Path = FOLDER) -> Thoughts:
    """The traces that come with the package.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.
    """
    stored = read_arrays(folder / f"thoughts-{thinker}-{domain}.npz")

    def whole(name: str) -> IntArray:
        return stored[name].astype(np.int64)

    return Thoughts(
        thinker, domain, whole("prompt"), whole("end"),
        stored["right"].astype(np.bool_), whole("verdict"), whole("stops"),
        whole("tokens"), int(stored["seed"]),
    )  # fmt: skip


def measure_all(folder: Path = FOLDER, *, say: Callable[[str], object] = print) -> None:
    """Make what the folder lacks: the thinker's long traces on both domains."""
    for domain in LEVELS:
        if (folder / f"thoughts-{THINKER}-{domain}.npz").exists():
            continue
        made = measure(domain)
        write(made, folder)
        short, long = made.accuracy().mean(), made.accuracy(waits=LONGEST).mean()
        say(
            f"{THINKER} on {domain}: {short:.3f} at {made.length().mean():.0f} tokens, "
            f"{long:.3f} at {made.tokens.mean():.0f}"
        )
