"""The parts of the grid: pools of samples, chains of revisions, runs of a search.

Each knows its outcomes, problem by problem, and what they cost in samples, tokens or
FLOPs. Not covered: files (`tts_lab.grid.store`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tts_lab import ladder
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.ladder.rungs import rung
from tts_lab.subsets import Pool

Cost = Literal["samples", "tokens", "flops"]


@dataclass(frozen=True)
class Pools:
    """Samples of every problem, as numbers.

    Attributes
    ----------
    policy, domain : str
    answer : (P, n) int array
        As in `tts_lab.subsets.Pool`.
    right : (P, n) bool array
    tokens : (P, n) int array
        Written by the policy.
    scores : dict of verifier to (P, n) float array
    read : dict of verifier to (P, n) int array
        Tokens its model read.
    greedy : (P,) bool array
        Whether the one answer at temperature 0 is right.
    seed : int
    """

    policy: str
    domain: str
    answer: IntArray
    right: npt.NDArray[np.bool_]
    tokens: IntArray
    scores: dict[str, FloatArray]
    read: dict[str, IntArray]
    greedy: npt.NDArray[np.bool_]
    seed: int

    @property
    def n(self) -> int:
        return int(self.right.shape[1])

    def of(self, verifier: str | None = None) -> list[Pool]:
        """One pool per problem; without a verifier all scores are 0."""
        score = np.zeros(self.right.shape) if verifier is None else self.scores[
            self._checked(verifier)
        ]  # fmt: skip
        return [Pool(a, r, s) for a, r, s in zip(self.answer, self.right, score,
                                                  strict=True)]  # fmt: skip

    def cost(
        self, n: int, of: Cost, verifier: str | None = None, *, counted: bool = True
    ) -> FloatArray:
        """Per problem, of n samples; FLOPs are 2 per weight and token.

        Parameters
        ----------
        n : int
        of : str
            "samples", "tokens" (written, and read by the verifier) or "flops".
        verifier : str, optional
        counted : bool
            Whether the verifier's part is counted.
        """
        if of == "samples":
            return np.full(len(self.right), float(n))
        written: FloatArray = self.tokens.mean(axis=1) * n
        read = np.zeros(len(written))
        if verifier is not None and counted:
            read = self.read[self._checked(verifier)].mean(axis=1) * n
        if of == "tokens":
            return written + read
        return flops(self.policy, written, verifier, read)

    def _checked(self, verifier: str) -> str:
        if verifier not in self.scores:
            raise ValueError(
                f"{self.policy} on {self.domain} has no scores of {verifier!r}; "
                f"there are {list(self.scores)}"
            )
        return verifier


@dataclass(frozen=True)
class Chains:
    """Chains of revisions of every problem.

    Attributes
    ----------
    reviser, domain, verifier : str
    rows : (P,) int array
        Which of the grid's problems.
    answer : (P, chains, steps) int array
    right : (P, chains, steps) bool array
    score : (P, chains, steps) float array
    tokens : (P, chains, steps) int array
        Written; what the reviser reads of earlier attempts is in `seen`.
    seen : (P, chains, steps) int array
        Tokens of context read before the attempt.
    seed : int
    """

    reviser: str
    domain: str
    verifier: str
    rows: IntArray
    answer: IntArray
    right: npt.NDArray[np.bool_]
    score: FloatArray
    tokens: IntArray
    seen: IntArray
    seed: int

    @property
    def chains(self) -> int:
        return int(self.right.shape[1])

    @property
    def steps(self) -> int:
        return int(self.right.shape[2])


@dataclass(frozen=True)
class Cell:
    """One strategy at one n, with one policy and verifier, on a domain.

    Attributes
    ----------
    per_level : int
        Problems of each level.
    repeats : int
        Runs with different seeds, averaged.
    right : dict of rule to tuple of float
        Per problem, how often the rule's answer is right.
    generated, read : tuple of float
        Per problem, tokens written, and read by the verifier.
    """

    domain: str
    policy: str
    verifier: str
    strategy: str
    n: int
    per_level: int
    repeats: int
    seed: int
    right: Mapping[str, tuple[float, ...]]
    generated: tuple[float, ...]
    read: tuple[float, ...]

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.domain, self.policy, self.verifier, self.strategy, self.n

    def cost(self, of: Cost, *, counted: bool = True) -> FloatArray:
        """Per problem, as in `Pools.cost`; samples count lookahead's n (k + 1)."""
        if of == "samples":
            ahead = self.strategy.removeprefix("lookahead ")
            times = 1 + int(ahead) if ahead.isdecimal() else 1
            return np.full(len(self.generated), float(self.n * times))
        written: FloatArray = np.array(self.generated)
        read = np.array(self.read) if counted else np.zeros(len(written))
        if of == "tokens":
            return written + read
        return flops(self.policy, written, self.verifier, read)


def flops(
    policy: str, written: FloatArray, verifier: str | None, read: FloatArray
) -> FloatArray:
    """2 N per token, of the policy's and the verifier's own N."""
    total: FloatArray = 2.0 * parameters(policy) * written
    if verifier is not None and read.any():
        total = total + 2.0 * _verifier_parameters(verifier) * read
    return total


def policy_folder(name: str) -> Path:
    """The folder of a policy: a rung, a reviser, or a rung's checkpoint.

    >>> policy_folder("380k-3000000").name
    '380k-3000000'
    """
    base, _, tokens = name.rpartition("-")
    if base and tokens.isdecimal():
        return ladder.path(base, int(tokens))
    return ladder.folder(name)


def parameters(policy: str) -> int:
    """Weights of a policy.

    >>> parameters("380k-3000000")
    380064
    """
    base, _, tokens = policy.rpartition("-")
    return rung(base if base and tokens.isdecimal() else policy).parameters


@cache
def _verifier_parameters(name: str) -> int:
    """As on the shipped table, so that no model is loaded for it; or of the model."""
    from tts_lab.prm.report import shipped

    known = {row.verifier: row.parameters for row in shipped()}
    if name in known:
        return known[name]
    from tts_lab.verifiers import library

    size = getattr(library.load(name), "size", None)
    return 0 if size is None else int(size.parameters)
