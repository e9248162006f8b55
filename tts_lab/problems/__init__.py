"""Domains: seeded generators with disjoint splits, exact checkers, exact step truth.

A domain is a module with `LEVELS`, `example`, `draw`, `key`, `check`, `check_step`,
`extract_answer` and `render`, and `reference_answer` and `solution` where the prompt
tells the answer; the functions here choose the module by name and add what all domains
share: splits, validation of what the user gave, and the frozen evaluation set.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b, sha256
from numbers import Integral
from pathlib import Path
from types import ModuleType

from tts_lab.problems import chains, countdown, grids, programs, text
from tts_lab.traces import Problem

DOMAINS: dict[str, ModuleType] = {
    m.NAME: m for m in (chains, countdown, programs, grids)
}

#: problems that are read, not made: no levels, splits, or exact step truth
_READ: dict[str, ModuleType] = {m.NAME: m for m in (text,)}

#: share of all problems, in thousandths, that each split holds
SPLITS = {"test": (0, 50), "validation": (50, 100), "train": (100, 1000)}


def domain(name: str) -> ModuleType:
    """The module of a domain.

    >>> domain("chains").NAME
    'chains'
    """
    every = DOMAINS | _READ
    if name not in every:
        raise ValueError(f"domain {name!r} is unknown; there are {sorted(every)}")
    return every[name]


def split_of(name: str, prompt: str) -> str:
    """Which split a problem belongs to, by a hash of what makes it that problem.

    The split is a function of the problem, so no problem can be in two.

    >>> split_of("countdown", "3 7>21") == split_of("countdown", "7 3>21")
    True
    """
    key = f"{name}:{domain(name).key(prompt)}".encode()
    bucket = int.from_bytes(blake2b(key, digest_size=8).digest(), "little") % 1000
    return next(s for s, (low, high) in SPLITS.items() if low <= bucket < high)


def examples(
    name: str, level: int, *, split: str, seed: int
) -> Iterator[tuple[str, str]]:
    """An endless stream of (prompt, right trace) of one split."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; there are {sorted(SPLITS)}")
    _check_level(name, level)
    make = DOMAINS[name].example
    rng = random.Random(f"{name}:{level}:{split}:{seed}")

    def stream() -> Iterator[tuple[str, str]]:
        while True:
            prompt, trace = make(level, rng)
            if split_of(name, prompt) == split:
                yield prompt, trace

    return stream()


def sample(
    name: str, level: int, n: int, *, split: str = "test", seed: int = 0
) -> list[Problem]:
    """`n` different random problems of one level and split.

    Raises
    ------
    ValueError
        For an unknown domain, level or split, or a number of problems out of range.

    >>> [p.prompt for p in sample("chains", 2, 2, seed=1)]
    ['62-5-35\\n', '68-42+7\\n']
    """
    if not _is_int(n) or not 1 <= n <= 1_000_000:
        raise ValueError(f"n={n!r} problems; accepted is 1 to 1,000,000")
    found: dict[str, Problem] = {}
    repeats = 0  # since the last new problem
    for prompt, trace in examples(name, level, split=split, seed=seed):
        key = DOMAINS[name].key(prompt)
        repeats = repeats + 1 if key in found else 0
        found.setdefault(key, _problem(name, prompt, level, trace))
        if len(found) == n:
            return list(found.values())
        if repeats > 500 + len(found):
            break
    raise ValueError(
        f"n={n!r}: the {split} split of {name} level {level} has only about "
        f"{len(found)} problems"
    )


def _problem(name: str, prompt: str, level: int, trace: str) -> Problem:
    """With its answer where no checker can work it out from the prompt."""
    if name != grids.NAME:
        return Problem(name, prompt, level)
    return Problem(name, prompt, level, grids.extract_answer(trace))


def _stored(problem: Problem) -> str:
    """A problem as a frozen file has it: its prompt, or the whole task with answer."""
    return grids.solved(problem) if problem.domain == grids.NAME else problem.prompt


def _read_back(name: str, stored: str, level: int) -> Problem:
    if name == grids.NAME:
        return grids.problem(stored, level)
    return Problem(name, stored, level)


#: SHA-256 of `evaluation.json`
EVALUATION_HASH = "c6aa7b54ec06368536fd4a9ce6d76863e8e23be41c059278d14408b9e103b134"
_EVALUATION = Path(__file__).with_name("evaluation.json")

#: the same of the later domains' own files, `evaluation_programs.json` and so on
PROGRAMS_HASH = "d628793d3bbb536aac276bfc69eca97a50d68502757ff9bb2cc1c1c2ca9fdae0"
_PROGRAMS = Path(__file__).with_name("evaluation_programs.json")
GRIDS_HASH = "70c5416611c39de259e152ba4020317de9b5f83e050eda50b9f0997851d187e8"
_GRIDS = Path(__file__).with_name("evaluation_grids.json")


def evaluation_set(name: str, level: int, n: int | None = None) -> list[Problem]:
    """The frozen test problems of one level (the first `n` of 200).

    Raises
    ------
    ValueError
        For an unknown domain or level, an `n` beyond the set, or an altered file.

    >>> len(evaluation_set("countdown", 3))
    200
    """
    _check_level(name, level)
    stored = _evaluation()[name][str(level)]
    if n is not None and not (_is_int(n) and 1 <= n <= len(stored)):
        raise ValueError(f"n={n!r} problems; the evaluation set has {len(stored)}")
    return [_read_back(name, text, level) for text in stored[:n]]


def _check_level(name: str, level: object) -> None:
    levels = domain(name).LEVELS
    if name in _READ:
        raise ValueError(
            f"{name} problems are not made but read: tts_lab.problems.sources.load"
        )
    if not _is_int(level) or level not in levels:
        raise ValueError(
            f"level {level!r} of {name} is unknown; there are {list(levels)}"
        )


def _is_int(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


@cache
def _evaluation() -> dict[str, dict[str, list[str]]]:
    return (
        _unaltered(_EVALUATION, EVALUATION_HASH)
        | _unaltered(_PROGRAMS, PROGRAMS_HASH)
        | _unaltered(_GRIDS, GRIDS_HASH)
    )


def _unaltered(path: Path, expected: str) -> dict[str, dict[str, list[str]]]:
    content = path.read_bytes()
    found = sha256(content).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path.name} was altered: its SHA-256 is {found}, not {expected}"
        )
    stored: dict[str, dict[str, list[str]]] = json.loads(content)
    return stored


def freeze(*names: str) -> str:
    """The content of a frozen file, made anew: 200 test problems per level.

    Without names it is `evaluation.json`, whose domains came first. Where answers
    cannot be worked out from prompts, they stand behind them.
    """
    made = {
        name: {
            str(level): [_stored(p) for p in sample(name, level, 200, seed=2024)]
            for level in domain(name).LEVELS
        }
        for name in names or ("chains", "countdown")
    }
    return json.dumps(made, indent=0) + "\n"
