"""Step labels: exact truth, and Monte-Carlo estimates of it.

A label is the probability that everything up to and including the step is right, or
can still end right. Promises: one label per step, the answer line is a step, and a
step after a wrong one is never right. Not covered: judging how a step is written.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab import problems
from tts_lab.traces import Problem, Propose, Trace, Verify

Labels = list[NDArray[np.float32]]


def exact(traces: Sequence[Trace]) -> Labels:
    """1.0 up to the last step before the first wrong one, then 0.0.

    Raises
    ------
    ValueError
        For a domain in which the truth of a step is not known.

    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> exact([Trace(problem, "47+38=85\\n85*6=500\\n#500", 23, True)])
    [array([1., 0., 0.], dtype=float32)]
    """
    found: Labels = []
    for trace in traces:
        steps = [step.text for step in trace.steps]
        name = trace.problem.domain
        check = getattr(problems.domain(name), "check_step", None)
        if check is None:
            raise ValueError(
                f"the truth of a step of {name!r} problems is not known; there are "
                "estimates (monte_carlo) and labels by outcome (outcome)"
            )
        labels = np.zeros(len(steps), np.float32)
        for i in range(len(steps)):
            if not check(trace.problem, steps, i):
                break
            labels[i] = 1
        found.append(labels)
    return found


def outcome(traces: Sequence[Trace]) -> Labels:
    """The same label for every step: whether the finished trace is right (ORM).

    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> outcome([Trace(problem, "47+38=85\\n85*6=510\\n#510", 23, True)])
    [array([1., 1., 1.], dtype=float32)]
    """
    found: Labels = []
    for trace in traces:
        check = problems.domain(trace.problem.domain).check
        right = trace.finished and check(trace.problem, trace.text)
        found.append(np.full(len(trace.steps), right, np.float32))
    return found


def monte_carlo(
    problem: Problem,
    *,
    traces: Sequence[Trace],
    rollouts: int = 8,
) -> Generator[Propose | Verify, Any, Labels]:
    """A strategy that estimates each step's value by completing it many times.

    Parameters
    ----------
    problem : Problem
    traces : sequence of Trace
        To be labelled.
    rollouts : int
        Completions of each prefix, by the policy of the run. Equal prefixes of
        several traces share theirs.

    Returns
    -------
    list of array
        The share of completions that end right: the soft label of Math-Shepherd
        (2312.08935, sec. 3.2); `> 0` is its hard label. The last step of a finished
        trace is not completed but checked.

    Raises
    ------
    ValueError
        If rollouts is less than 1.

    Examples
    --------
    >>> from functools import partial
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.run import run
    >>> from tts_lab.verifiers.exact import Exact
    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> wrong = Trace(problem, "47+38=85\\n85*6=500\\n#500", 23, True)
    >>> table = {
    ...     "47+38*6\\n47+38=85\\n": ["85*6=510\\n#510", "85*6=500\\n#500"],
    ...     "47+38*6\\n47+38=85\\n85*6=500\\n": ["#500"],
    ... }
    >>> strategy = partial(monte_carlo, traces=[wrong], rollouts=4)
    >>> run(strategy, [problem], proposer=Scripted(table), verifier=Exact(),
    ...     seed=0)[0].value
    [array([0.5, 0. , 0. ], dtype=float32)]
    """
    if rollouts < 1:
        raise ValueError(f"rollouts must be 1 or more, got {rollouts!r}")
    values: dict[str, float] = {}
    prefixes = sorted({text for trace in traces for text in _prefixes(trace)})
    if prefixes:
        parents = [Trace(problem, text) for text in prefixes]
        completed = yield Propose(parents, rollouts)
        scores = yield Verify(completed)
        right = np.reshape(scores, (-1, rollouts)) >= 0.5
        values |= zip(prefixes, right.mean(axis=1).tolist(), strict=True)
    ended = [trace for trace in traces if trace.finished]
    scores = (yield Verify(ended)) if ended else []
    for trace, score in zip(ended, scores, strict=True):
        values[trace.text] = float(score >= 0.5)
    return [
        np.array([values.get(text, 0.0) for text in _texts(trace)], np.float32)
        for trace in traces
    ]


def _texts(trace: Trace) -> list[str]:
    """The text up to the end of each step."""
    texts, end = [], 0
    for step in trace.steps:
        end += len(step.text) + 1
        texts.append(trace.text[:end])
    return texts


def _prefixes(trace: Trace) -> list[str]:
    """Those that a rollout can go on from: whole lines, not yet an answer."""
    return [text for text in _texts(trace) if text.endswith("\n")]
