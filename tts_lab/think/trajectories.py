"""Training data for thinking longer: a rung's own attempts, checked by the exact rules.

Attempts of one problem follow each other until one is right, which ends the trace. What
is learned: every check, to go on after a wrong attempt, and of attempts what stands
before the first wrong line; the rest is only read. (Learning right attempts alone left
so little arithmetic that it was unlearned, see LOG.md.) Where no attempt is right, the
domain's own right trace ends it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tts_lab.ladder import tokenizer
from tts_lab.ladder.data import Corpus
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.strategies.thinking import WAIT
from tts_lab.think.checks import check_line, sound
from tts_lab.traces import Problem
from tts_lab.tuning import TrainingProblems
from tts_lab.verifiers.exact import Exact

PROBLEMS_AT_ONCE = 1000
ROOMS = (256, 384, 512, 768, 1024)  # tokens that a trajectory may have, in turns


def trajectory(
    attempts: Sequence[tuple[str, bool]], right: str, rng: random.Random
) -> list[str]:
    """Different attempts in random order up to the first right one.

    Examples
    --------
    >>> trajectory([("#9", False), ("#9", False)], "#85", random.Random(0))
    ['#9', '#85']
    """
    some = list(dict.fromkeys(attempts))
    rng.shuffle(some)
    found = []
    for text, is_right in some:
        found.append(text)
        if is_right:
            return found
    return [*found, right]


def encode(
    problem: Problem, attempts: Sequence[str], room: int
) -> tuple[bytes, str] | None:
    """Token ids of a trajectory and a mark for each token that is learned (`1`).

    The first attempts are left out until it fits into `room` tokens; None when not
    even the last one does.

    >>> some = ["4+8=12\\n#9", "4+8=12\\n#12"]
    >>> tokens, marks = encode(Problem("chains", "4+8\\n", 1), some, 256)
    >>> text = tokenizer.decode(tokens[1:-1])
    >>> text
    '4+8\\n4+8=12\\n#9\\n?12 x\\nwait\\n4+8\\n4+8=12\\n#12\\n?12 ok'
    >>> "".join(c for c, mark in zip(text, marks[1:-1]) if mark == "1")
    '4+8=12\\n?12 x\\nwait\\n4+8\\n4+8=12\\n#12\\n?12 ok'
    """
    parts: list[tuple[str, bool]] = []
    for number, text in enumerate(attempts):
        line = check_line(problem, text)
        end = sound(problem, text)
        whole = end == len(text)
        if number < len(attempts) - 1:
            line += f"\n{WAIT}{problem.prompt}"
        parts += [(text[:end], True), (text[end:] + "\n", whole), (line, True)]
    while sum(len(text) for text, _ in parts) + len(problem.prompt) + 2 > room:
        parts = parts[3:]
    if not parts:
        return None
    text = problem.prompt + "".join(text for text, _ in parts)
    learned = "".join(str(int(good)) * len(piece) for piece, good in parts)
    tokens = bytes([tokenizer.BOS]) + tokenizer.encode(text) + bytes([tokenizer.EOS])
    return tokens, "0" * (1 + len(problem.prompt)) + learned + "1"


def draw(
    policy: Proposer,
    n_tokens: int,
    *,
    rooms: Sequence[int] = ROOMS,
    samples: int = 16,
    each: int = 3,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda tokens: None,
) -> Corpus:
    """Trajectories of training problems, at least so many tokens of them.

    Parameters
    ----------
    policy : Proposer
        Writes the attempts.
    n_tokens : int
    rooms : sequence of int
        Tokens that a trajectory may have, taken at random.
    samples : int
        Attempts at each problem.
    each : int
        Trajectories of each problem.
    seed : int
    on_progress : callable
        Called with the tokens there are.

    Returns
    -------
    Corpus
        What `tts_lab.ladder.train` reads; `taught` marks what is learned.
    """
    rng = random.Random(seed)
    source = TrainingProblems(seed + 2)
    made: list[tuple[bytes, str]] = []
    total = 0
    batch = 0
    while total < n_tokens:
        known = dict(source.draw(rng, PROBLEMS_AT_ONCE))
        outcomes = run(
            partial(repeated_sampling, n=samples), list(known), proposer=policy,
            verifier=Exact(), seed=seed + batch,
        )  # fmt: skip
        batch += 1
        for outcome in outcomes:
            done = [(t.text, score == 1) for t, score in outcome.value if t.finished]
            for _ in range(each):
                texts = trajectory(done, known[outcome.problem], rng)
                piece = encode(outcome.problem, texts, rng.choice(rooms))
                if piece is not None:
                    made.append(piece)
                    total += len(piece[0])
        on_progress(total)
    rng.shuffle(made)
    marks = "".join(marks for _, marks in made)
    return Corpus(
        np.frombuffer(b"".join(tokens for tokens, _ in made), np.uint8),
        np.cumsum([0] + [len(tokens) for tokens, _ in made]),
        np.ones(len(made), np.int32),
        np.frombuffer(marks.encode(), np.uint8) == ord("1"),
    )
