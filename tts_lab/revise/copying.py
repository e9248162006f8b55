"""Rows of random numbers, to be written again: how a rung learns to look back.

A rung that does arithmetic well has little to gain from earlier attempts, and five
million tokens of trajectories did not teach it to read them. Numbers that cannot be
computed leave nothing but reading, and since they look unlike a trace, nothing is
unlearned (LOG.md has what else was tried).
"""

from __future__ import annotations

import random

import numpy as np

from tts_lab.ladder.data import Corpus
from tts_lab.revise.trajectories import encode
from tts_lab.traces import Problem


def draw(n_tokens: int, *, seed: int = 0) -> Corpus:
    """Trajectories of random numbers, at least so many tokens of them.

    One to three "attempts" stand in the context, the last of which is written again.

    >>> made = draw(200, seed=1)
    >>> int(made.starts[-1]) >= 200, len(made) > 0
    (True, True)
    """
    rng = random.Random(seed)

    def row(most: int, least: int = 1) -> str:
        return " ".join(
            "".join(rng.choices("0123456789", k=rng.choice((1, 2, 2, 3))))
            for _ in range(rng.randint(least, most))
        )

    def attempt() -> str:
        return "\n".join([row(4) for _ in range(rng.randint(1, 6))] + ["#" + row(1)])

    pieces: list[bytes] = []
    answers: list[int] = []
    total = 0
    while total < n_tokens:
        problem = Problem("chains", row(7, 3) + "\n")
        attempts = [attempt() for _ in range(rng.choice((1, 1, 2, 3)))]
        piece, answer = encode(problem, [*attempts, attempts[-1]])
        pieces.append(piece)
        answers.append(answer)
        total += len(piece)
    starts = np.cumsum([0] + [len(piece) for piece in pieces])
    tokens = np.frombuffer(b"".join(pieces), np.uint8)
    return Corpus(tokens, starts, np.array(answers, np.int32))


def mixed(copies: Corpus, drawn: Corpus, *, seed: int = 0) -> Corpus:
    """The copies shuffled among as many tokens of trajectories, then the rest."""
    half = int(np.searchsorted(drawn.starts, copies.starts[-1]))
    parts = [(copies, i) for i in range(len(copies))]
    parts += [(drawn, i) for i in range(min(half, len(drawn)))]
    random.Random(seed).shuffle(parts)
    parts += [(drawn, i) for i in range(half, len(drawn))]
    pieces = [one.tokens[one.starts[i] : one.starts[i + 1]] for one, i in parts]
    return Corpus(
        np.concatenate(pieces),
        np.cumsum([0] + [len(piece) for piece in pieces]),
        np.array([one.answers[i] for one, i in parts], np.int32),
    )
