"""The ladder's training data: its domains, all levels, one fixed order.

A corpus is a flat array of token ids with, for each example, where it starts and
where its answer begins. It depends on seed and size alone, so every rung reads the
same examples in the same order; a specialist reads those of its own domain. Only
problems of the train split are used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tts_lab import problems
from tts_lab.ladder import tokenizer
from tts_lab.problems import grids

#: the domains that every rung reads
LADDER = ("chains", "countdown")

#: how often each (domain, level) is drawn; harder levels need more examples
MIXTURE: dict[tuple[str, int], float] = {
    ("chains", 1): 2,
    ("chains", 2): 2,
    ("chains", 3): 3,
    ("chains", 4): 3,
    ("chains", 5): 4,
    ("chains", 6): 4,
    ("chains", 7): 4,
    ("chains", 8): 3,
    ("countdown", 1): 3,
    ("countdown", 2): 6,
    ("countdown", 3): 7,
    ("countdown", 4): 6,
    ("countdown", 5): 4,
}

#: the same for specialists; as the domain says, no level is likelier than another;
#: of grids only the first: the other levels are what pretraining never saw
_SPECIALISTS: dict[tuple[str, int], float] = {
    **{("programs", n): 1 for n in (1, 2, 3)},
    ("grids", 1): 1,
}


def mixture(domains: tuple[str, ...]) -> dict[tuple[str, int], float]:
    """What a policy of these domains reads, and how often.

    >>> mixture(("chains", "countdown")) == MIXTURE, list(mixture(("programs",)))
    (True, [('programs', 1), ('programs', 2), ('programs', 3)])
    """
    return {k: w for k, w in (MIXTURE | _SPECIALISTS).items() if k[0] in domains}


@dataclass(frozen=True)
class Corpus:
    """Examples as one flat array; each is BOS, prompt, trace, EOS."""

    tokens: NDArray[np.uint8]
    starts: NDArray[np.int64]  # (examples + 1,)
    answers: NDArray[np.int32]  # offset of the first trace token in its example
    taught: NDArray[np.bool_] | None = None  # (tokens,) None: what follows `answers`

    def __len__(self) -> int:
        return len(self.answers)


def corpus(n_tokens: int, *, seed: int, domains: tuple[str, ...] = LADDER) -> Corpus:
    """At least `n_tokens` tokens of examples, whole examples only."""
    rng = random.Random(seed)
    weights = mixture(domains)
    kinds = list(weights)
    streams = {k: problems.examples(*k, split="train", seed=seed) for k in kinds}
    pieces: list[bytes] = []
    answers: list[int] = []
    marks: list[str] = []
    total = 0
    while total < n_tokens:
        for kind in rng.choices(kinds, weights=list(weights.values()), k=1000):
            prompt, trace = next(streams[kind])
            piece = b"\x01" + tokenizer.encode(prompt + trace) + b"\x02"
            pieces.append(piece)
            answers.append(1 + len(prompt))
            total += len(piece)
            if kind[0] == grids.NAME:
                marks.append("0" + grids.taught(prompt, trace))
                answers[-1] = 1
    starts = np.cumsum([0] + [len(p) for p in pieces])
    tokens = np.frombuffer(b"".join(pieces), np.uint8)
    taught = np.frombuffer("".join(marks).encode(), np.uint8) == ord("1")
    return Corpus(
        tokens, starts, np.array(answers, np.int32), taught if marks else None
    )


def cached_corpus(
    n_tokens: int, *, seed: int, folder: Path, domains: tuple[str, ...] = LADDER
) -> Corpus:
    """The same, kept in `folder` for the next run."""
    of = "" if domains == LADDER else f"{'-'.join(domains)}-"
    path = folder / f"corpus-{of}{seed}-{n_tokens}.npz"
    return kept(path, lambda: corpus(n_tokens, seed=seed, domains=domains))


def kept(path: Path, make: Callable[[], Corpus]) -> Corpus:
    """The corpus of a file; made and written there when there is none."""
    if not path.exists():
        parts = {name: v for name, v in vars(make()).items() if v is not None}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **parts)
        partial.replace(path)
    with np.load(path) as stored:
        return Corpus(**{name: stored[name] for name in stored.files})


@dataclass(frozen=True)
class Group:
    """Some rows of one batch, padded to their own longest."""

    inputs: NDArray[np.int64]  # (rows, length)
    targets: NDArray[np.int64]  # (rows, length); -1 where no loss is taken


def batches(
    data: Corpus, tokens_per_batch: int, *, first: int = 0, groups: int = 3
) -> Iterator[tuple[int, int, list[Group]]]:
    """Consecutive batches from example `first` on, in the corpus's order.

    Yields (next example, tokens of the batch, groups). The rows of a batch are
    sorted by length and cut into groups, so that little is padding.
    """
    while first < len(data):
        stop = int(np.searchsorted(data.starts, data.starts[first] + tokens_per_batch))
        stop = min(max(stop, first + 1), len(data))
        rows = np.arange(first, stop)
        lengths = data.starts[rows + 1] - data.starts[rows]
        order = rows[np.argsort(lengths, kind="stable")]
        made = [_group(data, part) for part in np.array_split(order, groups)]
        count = int(data.starts[stop] - data.starts[first])
        yield stop, count, [g for g in made if len(g.inputs)]
        first = stop


def _group(data: Corpus, rows: NDArray[np.int64]) -> Group:
    lengths = data.starts[rows + 1] - data.starts[rows]
    width = int(lengths.max(initial=1)) - 1
    inputs = np.zeros((len(rows), width), np.int64)
    targets = np.full((len(rows), width), -1, np.int64)
    for i, row in enumerate(rows):
        piece = data.tokens[data.starts[row] : data.starts[row + 1]]
        answer = int(data.answers[row])
        inputs[i, : len(piece) - 1] = piece[:-1]
        targets[i, answer - 1 : len(piece) - 1] = piece[answer:]
        if data.taught is not None:
            mine = data.taught[data.starts[row] : data.starts[row + 1]]
            targets[i, : len(piece) - 1][~mine[1:]] = -1
    return Group(inputs, targets)
