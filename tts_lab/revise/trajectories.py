"""Trajectories to learn revision from: attempts of the policy, then a right one.

Only the last attempt is learned. With "wrong" contexts, after Snell et al.
(2408.03314, sec. 6.1 and appendix H): up to four wrong attempts stand before a right
one, the last of them close to it by edit distance, so that the right one is a
correction and no coincidence. A reviser that never saw a right attempt spoils many.
With "sampled" contexts the attempts are what the policy writes, right or wrong, as
often as it does; a right one that stands last is written again (LOG.md has both).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np

from tts_lab.ladder import tokenizer
from tts_lab.ladder.data import Corpus
from tts_lab.ladder.rungs import CONTEXT
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.strategies.revision import WINDOW, context
from tts_lab.traces import Problem
from tts_lab.tuning import TrainingProblems
from tts_lab.verifiers.exact import Exact

PROBLEMS_AT_ONCE = 1000
COMPARED = 8  # attempts of which the closest is taken

Contexts = Literal["sampled", "wrong"]


def edit_distance(a: str, b: str) -> int:
    """Characters to insert, delete or replace to make one text the other.

    >>> edit_distance("85*6=500", "85*6=510"), edit_distance("", "ab")
    (1, 2)
    """
    left = np.frombuffer(a.encode(), np.uint8)
    place = np.arange(len(left) + 1)
    row = place.copy()
    for i, letter in enumerate(b.encode(), 1):
        new = np.empty_like(row)
        new[0] = i
        new[1:] = np.minimum(row[1:] + 1, row[:-1] + (left != letter))
        row = np.minimum.accumulate(new - place) + place
    return int(row[-1])


def trajectory(
    wrong: Sequence[str], right: str, attempts: int, rng: random.Random
) -> list[str]:
    """`attempts` wrong ones, the last one closest to the right one, which ends it.

    Fewer when there are not so many different wrong ones.

    >>> trajectory(["#9", "#185", "#80"], "#85", 2, random.Random(0))
    ['#80', '#185', '#85']
    """
    some = list(dict.fromkeys(wrong))
    if not attempts or not some:
        return [right]
    compared = rng.sample(some, min(COMPARED, len(some)))
    near = min(compared, key=lambda text: edit_distance(text, right))
    others = [text for text in some if text != near]
    chosen = rng.sample(others, min(attempts - 1, len(others)))
    return [*chosen, near, right]


def revision(
    attempts: Sequence[tuple[str, bool]], right: Sequence[str], rng: random.Random
) -> list[str]:
    """The attempts as they are, then the last one again if right, or a right one.

    Of the right ones the closest to the last attempt; any when there is no attempt.

    >>> revision([("#80", False)], ["#185", "#81"], random.Random(0))
    ['#80', '#81']
    >>> revision([("#80", False), ("#185", True)], ["#81"], random.Random(0))
    ['#80', '#185', '#185']
    """
    texts = [text for text, _ in attempts]
    if not attempts:
        return [rng.choice(right)]
    last, is_right = attempts[-1]
    if is_right:
        return [*texts, last]
    some = list(dict.fromkeys(right))
    compared = rng.sample(some, min(COMPARED, len(some)))
    return [*texts, min(compared, key=lambda text: edit_distance(text, last))]


def draw(
    policy: Proposer,
    n_tokens: int,
    *,
    contexts: Contexts = "sampled",
    samples: int = 16,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda tokens: None,
) -> Corpus:
    """Trajectories of training problems, at least so many tokens of them.

    Parameters
    ----------
    policy : Proposer
        Writes the attempts.
    n_tokens : int
    contexts : str
        "sampled" or "wrong", see above.
    samples : int
        Attempts at each problem. Where none is right, the domain's own right trace
        ends the trajectory.
    seed : int
    on_progress : callable
        Called with the tokens there are.

    Returns
    -------
    Corpus
        What `tts_lab.ladder.train` reads: only the last attempt is a target.

    Raises
    ------
    ValueError
        For other contexts.
    """
    if contexts not in get_args(Contexts):
        raise ValueError(
            f"contexts is {contexts!r}; accepted are {list(get_args(Contexts))}"
        )
    rng = random.Random(seed)
    source = TrainingProblems(seed + 1)
    pieces: list[bytes] = []
    answers: list[int] = []
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
            right = [text for text, is_right in done if is_right]
            right = right or [known[outcome.problem]]
            wrong = [text for text, is_right in done if not is_right]
            for attempts in range(WINDOW + 1):
                if contexts == "wrong":
                    texts = trajectory(wrong, rng.choice(right), attempts, rng)
                else:
                    seen = rng.sample(done, min(attempts, len(done)))
                    texts = revision(seen, right, rng)
                piece, answer = encode(outcome.problem, texts)
                pieces.append(piece)
                answers.append(answer)
                total += len(piece)
        on_progress(total)
    order = list(range(len(pieces)))
    rng.shuffle(order)
    pieces = [pieces[i] for i in order]
    starts = np.cumsum([0] + [len(piece) for piece in pieces])
    tokens = np.frombuffer(b"".join(pieces), np.uint8)
    return Corpus(tokens, starts, np.array([answers[i] for i in order], np.int32))


def encode(problem: Problem, attempts: Sequence[str]) -> tuple[bytes, int]:
    """Token ids of a trajectory, and where its last attempt begins."""
    last = tokenizer.encode(attempts[-1]) + bytes([tokenizer.EOS])
    seen = context(problem.prompt, attempts[:-1], CONTEXT - 1 - len(last))
    before = tokenizer.encode(problem.prompt + seen)
    return bytes([tokenizer.BOS]) + before + last, 1 + len(before)
