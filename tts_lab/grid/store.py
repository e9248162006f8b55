"""The shipped grid: pools of samples, runs of searches, chains of revisions.

A file per part under `tts_lab/data/grid`, as plain NumPy arrays and JSON, so that it
reads in milliseconds and nothing in it is code. All parts of a domain are about the
same problems, level after level; a part on a share of them holds the first of every
level. Not covered: texts; what is kept of a sample is its answer, whether it is right,
its scores and its tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tts_lab import ladder, problems
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.ladder.rungs import rung
from tts_lab.subsets import Pool
from tts_lab.traces import Problem

FOLDER = Path(__file__).parent.parent / "data" / "grid"
LEVELS = {"chains": (4, 5, 6, 7, 8), "countdown": (2, 3, 4, 5)}
PER_LEVEL = {"chains": 50, "countdown": 60}

Cost = Literal["samples", "tokens", "flops"]


def evaluated(domain: str, per_level: int | None = None) -> list[Problem]:
    """The grid's problems, level after level, of the frozen evaluation set."""
    each = PER_LEVEL[domain] if per_level is None else per_level
    return [
        problem
        for level in LEVELS[domain]
        for problem in problems.evaluation_set(domain, level, each)
    ]


def levels(domain: str, per_level: int | None = None) -> IntArray:
    """The level of each of them."""
    each = PER_LEVEL[domain] if per_level is None else per_level
    return np.repeat(LEVELS[domain], each)


def rows(
    domain: str,
    per_level: int,
    of: int | None = None,
    *,
    some: Sequence[int] | None = None,
) -> IntArray:
    """Which of the grid's problems a part with fewer of each level is about.

    Parameters
    ----------
    domain : str
    per_level : int
    of : int, optional
        Problems of each level that the grid has, when it is not the shipped one.
    some : sequence of int, optional
        Levels; all of the grid by default.

    >>> rows("countdown", 2).tolist()
    [0, 1, 60, 61, 120, 121, 180, 181]
    """
    each = PER_LEVEL[domain] if of is None else of
    wanted = LEVELS[domain] if some is None else some
    first = np.array([LEVELS[domain].index(one) for one in wanted])[:, None] * each
    return (first + np.arange(per_level)).ravel()


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


def pools(policy: str, domain: str, *, folder: Path = FOLDER) -> Pools:
    """The samples of a policy on a domain.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.

    >>> pools("105k", "chains").right.shape
    (250, 256)
    """
    stored = read_arrays(folder / f"pools-{policy}-{domain}.npz")
    verifiers = [name.removeprefix("score ") for name in stored
                 if name.startswith("score ")]  # fmt: skip
    return Pools(
        policy, domain,
        stored["answer"].astype(np.int64), stored["right"].astype(np.bool_),
        stored["tokens"].astype(np.int64),
        {v: stored[f"score {v}"].astype(np.float64) for v in verifiers},
        {v: stored[f"read {v}"].astype(np.int64) for v in verifiers},
        stored["greedy"].astype(np.bool_), int(stored["seed"]),
    )  # fmt: skip


def write_pools(made: Pools, *, folder: Path = FOLDER) -> None:
    """Store samples; scores keep three digits."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "answer": made.answer.astype(np.int16), "right": made.right,
        "tokens": made.tokens.astype(np.uint8), "greedy": made.greedy,
        "seed": np.array(made.seed),
    }  # fmt: skip
    for verifier, score in made.scores.items():
        arrays[f"score {verifier}"] = _three_digits(score)
        arrays[f"read {verifier}"] = made.read[verifier].astype(np.uint8)
    write_arrays(folder / f"pools-{made.policy}-{made.domain}.npz", arrays)


def chains(reviser: str, domain: str, *, folder: Path = FOLDER) -> list[Chains]:
    """The revisions of a reviser on a domain, one for each number of chains.

    Raises
    ------
    ValueError
        When there are none; the message lists what there is.
    """
    there = sorted(folder.glob(f"chains-{reviser}-{domain}-*.npz"))
    found = []
    for path in there or [folder / f"chains-{reviser}-{domain}.npz"]:
        stored = read_arrays(path)
        found.append(Chains(
            reviser, domain, str(stored["verifier"]), stored["rows"].astype(np.int64),
            stored["answer"].astype(np.int64), stored["right"].astype(np.bool_),
            stored["score"].astype(np.float64), stored["tokens"].astype(np.int64),
            stored["seen"].astype(np.int64), int(stored["seed"]),
        ))  # fmt: skip
    return sorted(found, key=lambda one: one.chains)


def write_chains(made: Chains, *, folder: Path = FOLDER) -> None:
    """Store revisions; scores keep three digits."""
    write_arrays(
        folder / f"chains-{made.reviser}-{made.domain}-{made.chains}.npz",
        {"answer": made.answer.astype(np.int16), "right": made.right,
         "score": _three_digits(made.score), "tokens": made.tokens.astype(np.uint8),
         "seen": made.seen.astype(np.uint8), "seed": np.array(made.seed),
         "verifier": np.array(made.verifier), "rows": made.rows.astype(np.int16)},
    )  # fmt: skip


def cells(domain: str, *, folder: Path = FOLDER) -> dict[
    tuple[str, str, str, str, int], Cell
]:  # fmt: skip
    """All searches on a domain, by (domain, policy, verifier, strategy, n)."""
    return {cell.key: cell for cell in _cells(folder / f"searches-{domain}.json")}


@cache
def _cells(path: Path) -> tuple[Cell, ...]:
    found = []
    for record in json.loads(_existing(path).read_text()):
        record["right"] = {rule: tuple(v) for rule, v in record["right"].items()}
        record |= {key: tuple(record[key]) for key in ("generated", "read")}
        found.append(Cell(**record))
    return tuple(found)


def write_cells(domain: str, made: Iterable[Cell], *, folder: Path = FOLDER) -> None:
    """Store all searches of a domain, in place of those there are."""
    lines = [json.dumps(asdict(cell), separators=(",", ":")) for cell in made]
    path = folder / f"searches-{domain}.json"
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    partial.replace(path)
    _cells.cache_clear()


@cache
def read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """A stored part; an error that lists what there is when it is not there."""
    with np.load(_existing(path), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Store a part, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    read_arrays.cache_clear()


def _three_digits(score: FloatArray) -> npt.NDArray[np.float32]:
    """Rounded to three significant digits, which pack well and keep the order."""
    values = np.asarray(score, np.float64)
    power = np.floor(np.log10(np.maximum(np.abs(values), 1e-30)))
    step = 10.0 ** (power - 2)
    return (np.round(values / step) * step).astype(np.float32)


def _existing(path: Path) -> Path:
    if not path.exists():
        there = sorted(one.stem for one in path.parent.glob("*.*"))
        raise ValueError(f"the grid has no {path.stem!r}; there are {there}")
    return path
