"""Trajectories to learn revision from: wrong attempts, then a right one.

After Snell et al. (2408.03314, sec. 6.1 and appendix H): up to four wrong attempts of
the policy stand before a right one, the last of them close to it by edit distance, so
that the right one is a correction and no coincidence. Only the right one is learned.
Theirs never see a right attempt in the context, and the reviser spoils many; in a share
of ours the last attempt is right and is to be kept (LOG.md has both measured).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tts_lab import problems
from tts_lab.ladder import tokenizer
from tts_lab.ladder.data import MIXTURE, Corpus
from tts_lab.ladder.rungs import CONTEXT
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.strategies.revision import WINDOW, context
from tts_lab.traces import Problem
from tts_lab.verifiers.exact import Exact

PROBLEMS_AT_ONCE = 1000
COMPARED = 8  # wrong attempts of which the closest is taken


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


def draw(
    policy: Proposer,
    n_tokens: int,
    *,
    samples: int = 16,
    keep: float = 0.0,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda tokens: None,
) -> Corpus:
    """Trajectories of training problems, at least so many tokens of them.

    Parameters
    ----------
    policy : Proposer
        Writes the attempts.
    n_tokens : int
    samples : int
        Attempts at each problem. Where none is right, the domain's own right trace
        ends the trajectory.
    keep : float
        The share of trajectories, where there is a right attempt to see, in which it
        stands last and is written again.
    seed : int
    on_progress : callable
        Called with the tokens there are.

    Returns
    -------
    Corpus
        What `tts_lab.ladder.train` reads: only the last attempt is a target.
    """
    rng = random.Random(seed)
    kinds = list(MIXTURE)
    streams = {k: problems.examples(*k, split="train", seed=seed + 1) for k in kinds}
    pieces: list[bytes] = []
    answers: list[int] = []
    total = 0
    batch = 0
    while total < n_tokens:
        chosen = rng.choices(kinds, list(MIXTURE.values()), k=PROBLEMS_AT_ONCE)
        known = {}
        for kind in chosen:
            prompt, trace = next(streams[kind])
            known[Problem(kind[0], prompt, kind[1])] = trace
        outcomes = run(
            partial(repeated_sampling, n=samples), list(known), proposer=policy,
            verifier=Exact(), seed=seed + batch,
        )  # fmt: skip
        batch += 1
        for outcome in outcomes:
            done = [(t.text, score) for t, score in outcome.value if t.finished]
            right = [text for text, score in done if score == 1]
            wrong = [text for text, score in done if score != 1]
            for attempts in range(WINDOW + 1):
                end = rng.choice(right) if right else known[outcome.problem]
                if right and attempts and rng.random() < keep:
                    some = rng.sample(wrong, min(attempts - 1, len(wrong)))
                    texts = [*some, end, end]
                else:
                    texts = trajectory(wrong, end, attempts, rng)
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
