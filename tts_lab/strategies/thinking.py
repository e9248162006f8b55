"""Thinking longer: one trace that checks itself and tries again, with budget forcing.

A rung tuned by `tts_lab.think` writes

    47+38=85
    85*6=500
    #500
    ?85 510 x
    wait
    47+38*6
    47+38=85
    85*6=510
    #510
    ?85 510 ok

An attempt, a check that works every step out again as far as the first wrong one, and
behind `wait` the problem once more and the next attempt. Budget forcing (Muennighoff et
al. 2501.19393, sec. 3.1, "s1") acts on any model's thinking: where it would end too
early, the end is suppressed and "wait" is written in its place; where it goes on too
long, it is cut and must answer. Policies:

- What counts is the last whole attempt of the thinking, also when an earlier one was
  right: a forced "wait" can spoil an answer.
- A forced "wait" is no generated token; what the model writes of its own accord is.
- A model whose context is full has thought its longest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from tts_lab.traces import Problem, Propose, Trace, Verify

WAIT = "wait\n"
RIGHT, WRONG = "ok", "x"


@dataclass(frozen=True, slots=True)
class Thought:
    """One attempt of a trace and what its check said.

    Attributes
    ----------
    attempt : str
        As a rung of the ladder writes it; up to its answer line.
    verdict : str or None
        "ok", "x", or None when it was cut off before its check ended.
    """

    attempt: str
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Thinking:
    """What `think` returns.

    Attributes
    ----------
    answer : Trace
        What counts as the answer; its `tokens` are those of all the thinking.
    score : float
        The verifier's.
    text : str
        Everything, the forced parts with it.
    ends : tuple of int
        Generated tokens at each end that was suppressed.
    cut : bool
        Whether it had to stop at the limit.
    """

    answer: Trace
    score: float
    text: str
    ends: tuple[int, ...]
    cut: bool


def thoughts(problem: Problem, text: str) -> list[Thought]:
    """The attempts of a trace in order, the last one possibly cut off.

    >>> problem = Problem("chains", "4+8\\n", 1)
    >>> for thought in thoughts(problem, "4+8=13\\n#13\\n?12 x\\nwait\\n4+8\\n4+8=1"):
    ...     thought
    Thought(attempt='4+8=13\\n#13', verdict='x')
    Thought(attempt='4+8=1', verdict=None)
    """
    found = []
    for number, part in enumerate(text.split(f"\n{WAIT}")):
        body = part.removeprefix(problem.prompt) if number else part
        lines = body.split("\n")
        checks = [i for i, line in enumerate(lines) if line.startswith("?")]
        end = checks[0] if checks else len(lines)
        last = lines[end].split(" ")[-1].lstrip("?") if checks else ""
        verdict = last if last in (RIGHT, WRONG) else None
        attempt = "\n".join(lines[:end]).rstrip("\n")
        if attempt or verdict:
            found.append(Thought(attempt, verdict))
    return found


def answer(problem: Problem, text: str) -> str:
    """The attempt that a trace ends on: its last whole one, or what there is.

    >>> answer(Problem("chains", "4+8\\n"), "4+8=13\\n#13\\n?12 x\\nwait\\n4+8\\n4+8")
    '4+8=13\\n#13'
    """
    every = thoughts(problem, text)
    whole = [one.attempt for one in every if _is_whole(one.attempt)]
    if whole:
        return whole[-1]
    return every[-1].attempt if every else ""


def _is_whole(attempt: str) -> bool:
    """Whether it ends with an answer line."""
    return attempt.rpartition("\n")[2].startswith("#")


def think(
    problem: Problem,
    *,
    most: int | None = None,
    least: int = 0,
    waits: int = 0,
    wait: str = "\n" + WAIT,
    end: str = "",
    final: str = "",
    answer_tokens: int = 256,
    temperature: float = 1.0,
    read: Callable[[Problem, str], str] = answer,
) -> Generator[Propose | Verify, Any, Thinking]:
    """Let the model think once, within a budget of thinking tokens.

    Parameters
    ----------
    problem : Problem
    most : int, optional
        Generated tokens after which thinking is cut.
    least : int
        Generated tokens before which thinking may not end.
    waits : int
        How often the end is suppressed at any rate.
    wait : str
        What is written in place of the end.
    end : str
        What ends thinking in the model's own format, such as "</think>"; what it writes
        behind that is no thinking. Empty: the end of the text does.
    final : str
        Written behind a thinking that was cut, such as "</think>\\n\\nFinal answer:";
        the model then has `answer_tokens` more. Empty: the answer is read off what
        stands there.
    answer_tokens : int
    temperature : float
    read : callable
        (problem, text) -> the trace to check; `answer` reads the ladder's format, and
        with `end` the whole text stands.

    Returns
    -------
    Thinking

    Raises
    ------
    ValueError
        For numbers out of range.

    Examples
    --------
    >>> from functools import partial
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.run import run
    >>> from tts_lab.verifiers.exact import Exact
    >>> first = "4+8=13\\n#13\\n?13 ok"
    >>> table = {"4+8\\n": [first],
    ...          f"4+8\\n{first}\\nwait\\n": ["4+8\\n4+8=12\\n#12\\n?12 ok"]}
    >>> for waits in (0, 1):
    ...     found = run(partial(think, waits=waits), [Problem("chains", "4+8\\n")],
    ...                 proposer=Scripted(table), verifier=Exact(), seed=0)[0].value
    ...     found.answer.text, found.score, len(found.ends)
    ('4+8=13\\n#13', 0.0, 0)
    ('4+8=12\\n#12', 1.0, 1)
    """
    for name, value, low in (("least", least, 0), ("waits", waits, 0),
                             ("answer_tokens", answer_tokens, 1)):  # fmt: skip
        if value < low:
            raise ValueError(f"{name} is {value!r}; accepted is {low} or more")
    if most is not None and most < max(1, least):
        raise ValueError(
            f"most is {most!r} and least {least!r}; accepted is most of 1 or more, "
            "and not below least"
        )
    now, ends = Trace(problem), list[int]()
    while True:
        left = None if most is None else most - now.tokens
        before = now.tokens
        [now] = yield Propose([now], 1, "end", temperature, left)
        over = bool(end) and end in now.text
        stopped = now.finished or over
        spent = most is not None and now.tokens >= most
        if not stopped or now.tokens == before:
            break
        if spent or (len(ends) >= waits and now.tokens >= least):
            break
        thought = now.text.partition(end)[0] if over else now.text
        now = Trace(problem, thought + wait, now.tokens, False, now.logprob)
        ends.append(now.tokens)
    cut = not now.finished and not over
    if cut and final:
        whole = Trace(problem, now.text + final, now.tokens, False, now.logprob)
        [now] = yield Propose([whole], 1, "end", temperature, answer_tokens)
    text = now.text if end else read(problem, now.text)
    shown = Trace(problem, text, now.tokens, now.finished, now.logprob)
    [score] = yield Verify([shown])
    return Thinking(shown, score, now.text, tuple(ends), cut)
