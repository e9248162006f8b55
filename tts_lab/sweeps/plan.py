"""A sweep's plan: what is crossed with what, read from TOML and checked.

Promises: an unknown key or a value out of range is a ValueError that quotes it and says
what is accepted; names are safe as parts of a path; what the plan asks for is counted
before anything runs. Not covered: whether models and problems exist, which is seen when
they are opened.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tts_lab.compare import WAYS
from tts_lab.models import hidden
from tts_lab.race import chooser
from tts_lab.requests import short

MAX_BYTES = 1 << 20  # of a plan file
MAX_ENTRIES = 10_000  # of one list
MAX_BUDGET = 1_000_000
MAX_UNITS = 1_000_000
MAX_PARTS = 100  # of a line's keys
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAMES = "1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"


@dataclass(frozen=True, slots=True)
class Model:
    """A policy or verifier: the name of its partition, and how it is opened.

    Attributes
    ----------
    name : str
    spec : str
        As of `tts_lab.models.plan`: rung, name, folder, hub id or URL.
    backend, format, family, served, tokenizer : str, optional
        As of `tts_lab.models.open_policy` and `open_verifier`.
    """

    name: str
    spec: str
    backend: str | None = None
    format: str | None = None
    family: str | None = None
    served: str | None = None
    tokenizer: str | None = None

    def public(self) -> dict[str, str]:
        """What may be written down: no passwords, no keys."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        return {key: hidden(value) for key, value in given.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """A grid: every combination of the tuples is measured.

    Attributes
    ----------
    policies, verifiers : tuple of Model
    strategies : tuple of str
        Names of `tts_lab.compare.WAYS`.
    budgets : tuple of int
        Samples, or candidates a round.
    problems : tuple of str
        Specifications such as "chains:5:50", "math-500" or a JSONL file.
    seeds : tuple of int
    rule : str
        How a search's answer is chosen.
    temperature : float
    max_tokens : int or None
    chunk : int
        Problems in one unit of work.
    """

    policies: tuple[Model, ...]
    verifiers: tuple[Model, ...]
    strategies: tuple[str, ...]
    budgets: tuple[int, ...]
    problems: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    rule: str = "weighted vote"
    temperature: float = 1.0
    max_tokens: int | None = None
    chunk: int = 25

    def public(self) -> dict[str, Any]:
        """The plan as JSON takes it, without secrets."""
        whole = {field.name: getattr(self, field.name) for field in fields(self)}
        for key in ("policies", "verifiers"):
            whole[key] = [model.public() for model in whole[key]]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in whole.items()}


def read(path: str | os.PathLike[str]) -> Plan:
    """The plan in a TOML file.

    Raises
    ------
    ValueError
        For a file that is no TOML, or as `parse`; the message names the file.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> text = '''policies = ["105k"]
    ... verifiers = ["exact"]
    ... strategies = ["best_of_n", "majority"]
    ... budgets = [4, 16]
    ... problems = ["chains:5:50"]
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plan.toml"
    ...     _ = path.write_text(text)
    ...     plan = read(path)
    >>> plan.budgets, plan.seeds
    ((4, 16), (0,))
    """
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: longer than {MAX_BYTES:,} bytes; accepted is less")
    try:
        text = content.decode("utf-8")
        _refuse_deep(text)
        return parse(tomllib.loads(text))
    except RecursionError:
        raise ValueError(f"{path}: brackets are nested too deeply") from None
    except ValueError as error:  # of TOML, of UTF-8, or of what it says
        raise ValueError(f"{path}: {error}") from None


def parse(given: Mapping[str, Any]) -> Plan:
    """A plan from a mapping with the keys of a plan file.

    Raises
    ------
    ValueError
        For an unknown or missing key, or a value that is not accepted.

    Examples
    --------
    >>> parse({"policy": ["105k"]})
    Traceback (most recent call last):
    ...
    ValueError: key 'policy' is unknown; accepted are policies, verifiers, strategies,
    budgets, problems, seeds, rule, temperature, max_tokens, chunk
    """
    accepted = [field.name for field in fields(Plan)]
    for key in given:
        if key not in accepted:
            raise ValueError(
                f"key {_quoted(key)} is unknown; accepted are {', '.join(accepted)}"
            )
    for key in accepted[:5]:
        if key not in given:
            raise ValueError(f"key {key!r} is missing; it is a list")
    read_by: dict[str, Callable[[str, Any], Any]] = {
        "policies": lambda key, value: _models(key, value, "format"),
        "verifiers": lambda key, value: _models(key, value, "family"),
        "strategies": lambda key, value: _list(key, value, _strategy),
        "budgets": lambda key, value: _list(key, value, _whole(1, MAX_BUDGET)),
        "problems": lambda key, value: _list(key, value, _words),
        "seeds": lambda key, value: _list(key, value, _whole(0, 2**63 - 1)),
        "rule": _rule,
        "temperature": _temperature,
        "max_tokens": _whole(1, 2**31 - 1),
        "chunk": _whole(1, 100_000),
    }
    plan = Plan(**{key: read_by[key](key, value) for key, value in given.items()})
    points = (
        len(plan.policies) * len(plan.verifiers) * len(plan.strategies)
        * len(plan.budgets) * len(plan.seeds)
    )  # fmt: skip
    if points > MAX_UNITS:
        raise ValueError(
            f"{points:,} combinations; accepted are {MAX_UNITS:,} or fewer: shorten a "
            "list"
        )
    return plan


def _refuse_deep(text: str) -> None:
    """A key of n parts (a.a.a) takes tomllib n * n steps: a megabyte takes hours."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_PARTS:
            bare = _STRING.sub("", line).partition("#")[0]
            if bare.count(".") > MAX_PARTS:
                raise ValueError(f"line {number}: a key is nested too deeply")


def _list(key: str, value: Any, one: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_ENTRIES:
        raise ValueError(
            f"{key} = {_quoted(value)}; accepted is a list of 1 to {MAX_ENTRIES:,} "
            "entries"
        )
    entries = tuple(one(key, entry) for entry in value)
    seen: set[Any] = set()
    for entry in entries:
        if entry in seen:
            raise ValueError(
                f"{key}: {_quoted(entry)} is there twice; accepted is once"
            )
        seen.add(entry)
    return entries


def _models(key: str, value: Any, own: str) -> tuple[Model, ...]:
    accepted = ("spec", "name", "backend", own, "served", "tokenizer")

    def one(key: str, entry: Any) -> Model:
        if isinstance(entry, str):
            entry = {"spec": entry}
        if not isinstance(entry, Mapping) or "spec" not in entry:
            raise ValueError(
                f'{key}: {_quoted(entry)}; accepted is a text such as "105k", or a '
                f"table with spec and, if you like, {', '.join(accepted[1:])}"
            )
        for word in entry:
            if word not in accepted:
                raise ValueError(
                    f"{key}: key {_quoted(word)} is unknown; accepted are "
                    f"{', '.join(accepted)}"
                )
        given = {word: _words(f"{key}: {word}", text) for word, text in entry.items()}
        if "name" not in given:
            rough = re.sub(r"[^A-Za-z0-9._-]+", "-", hidden(given["spec"]))
            given["name"] = rough.strip("-._")[:64] or "model"
        if not _NAME.fullmatch(given["name"]):
            raise ValueError(
                f"{key}: name {_quoted(given['name'])}; accepted are {_NAMES}"
            )
        return Model(**given)

    models = _list(key, value, one)
    names = Counter(model.name.lower() for model in models)  # some disks know no case
    for name, times in names.items():
        if times > 1:
            raise ValueError(
                f"{key}: two of them are called {name!r}; give each a name of its own, "
                'such as { spec = "...", name = "first" }'
            )
    return models


def _words(key: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= 4096:
        raise ValueError(f"{key}: {_quoted(value)}; accepted is a text in quotes")
    if not value.isprintable():
        raise ValueError(f"{key}: {_quoted(value)} has signs that cannot be printed")
    return value.strip()


def _strategy(key: str, value: Any) -> str:
    if not isinstance(value, str) or value not in WAYS:
        raise ValueError(f"{key}: {_quoted(value)}; accepted are {', '.join(WAYS)}")
    return value


def _rule(key: str, value: Any) -> str:
    chooser(_words(key, value))
    return str(value)


def _temperature(key: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 <= value <= 100 and math.isfinite(value)):
        raise ValueError(
            f"{key} = {_quoted(value)}; accepted is a number from 0 to 100"
        )
    return float(value)


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def check(key: str, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and low <= value <= high):
            raise ValueError(
                f"{key}: {_quoted(value)}; accepted are whole numbers from {low:,} to "
                f"{high:,}"
            )
        return int(value)

    return check


def _quoted(value: Any) -> str:
    """A value as typed, cut short; numbers may have more digits than Python prints."""
    try:
        return short(value)
    except ValueError:
        return f"a {type(value).__name__} with too many digits to print"
