"""Other people's samples in the lab's form: problems, traces, scores.

Promises: nothing is judged again that a file has judged; every text is kept as it
stands (compute-optimal-tts: with the lab's step delimiter for its step mark); problems
stand in the order of the file, and records of one question are one problem.

What files do not say: whether a sample ended by itself (all count as finished: one cut
off states no answer), and log-probabilities (0). Tokens that are not recorded are
estimated by words and signs.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tts_lab.bank import Bank
from tts_lab.import_formats import READERS, Record
from tts_lab.problems import text
from tts_lab.select import Aggregation, aggregate
from tts_lab.traces import Problem, Propose, Trace

FORMATS = tuple(READERS)
_PROBLEMS_AT_ONCE = 8  # 10,000 samples each is much to hold twice


@dataclass(frozen=True, eq=False)
class Imported:
    """A published run.

    Attributes
    ----------
    name : str
        Of the file, or as given.
    fingerprint : str
        A hash of the file and of how it was read.
    problems : list of Problem
    traces : list of lists of Trace
        Of each problem, in the order recorded.
    scores : list of lists of lists of float, or None
        Of each trace those of its steps; None when none are recorded.
    correct : list of lists of bool, or None
        What the file says is right; None when it does not.
    tokens : list of lists of int
        Of each trace, the same as its `tokens`.
    tokens_recorded : bool
        False: `tokens` are estimates.
    """

    name: str
    fingerprint: str
    problems: list[Problem]
    traces: list[list[Trace]]
    scores: list[list[list[float]]] | None
    correct: list[list[bool]] | None
    tokens: list[list[int]]
    tokens_recorded: bool

    def counts(self) -> tuple[list[int], list[int]]:
        """Samples and right samples of each problem, for `tts_lab.coverage`.

        Raises
        ------
        ValueError
            If neither the file nor its answers say what is right.
        """
        right = self.correct or [
            text.check_many(problem, [trace.text for trace in traces])
            for problem, traces in zip(self.problems, self.traces, strict=True)
        ]
        return [len(one) for one in right], [sum(one) for one in right]

    def aggregated(self, how: Aggregation = "last") -> list[list[float]]:
        """One score for each trace of each problem; see `tts_lab.select.aggregate`.

        Raises
        ------
        ValueError
            If no scores are recorded, or for another aggregation.
        """
        if self.scores is None:
            raise ValueError(f"{self.name!r} records no scores")
        return [[aggregate(steps, how) for steps in one] for one in self.scores]


def read(
    path: str | Path,
    format: str,
    *,
    n: int | None = None,
    samples: int | None = None,
    delimiter: str = "\n\n",
    name: str | None = None,
) -> Imported:
    """Read a published run.

    Parameters
    ----------
    path : path
        A file of the format (JSON, JSON lines, Parquet), a folder saved by `datasets`,
        or for compute-optimal-tts the folder with `question_*/record_*.jsonl`.
    format : str
        "search-and-learn", "compute-optimal-tts" or "monkey-business"; their layouts
        are described in `tts_lab.import_formats`.
    n, samples : int, optional
        Only the first so many problems, and of each the first so many samples.
    delimiter : str
        What ends a step of the traces.
    name : str, optional
        What to call the run; default the file's name.

    Raises
    ------
    ValueError
        For an unknown format, a file that has another layout, scores that are missing
        in part or NaN, or fewer problems or samples than asked for; the message names
        the line.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> row = '{"question": "6*7?", "gt_answer": "42", "samples": ["#### 42", "41"], '
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.json"
    ...     _ = path.write_text(row + '"is_corrects": [true, false]}')
    ...     run = read(path, "monkey-business")
    >>> run.counts(), run.traces[0][0].tokens
    (([2], [1]), 7)
    """
    if format not in READERS:
        raise ValueError(f"format {format!r} is unknown; there are {list(FORMATS)}")
    for what, value in (("n", n), ("samples", samples)):
        if value is not None and value < 1:
            raise ValueError(f"{what}={value!r}; accepted is 1 or more, or None")
    path = Path(path).expanduser()
    merged: dict[str, Record] = {}
    for record in READERS[format](path, delimiter):
        if record.prompt in merged:
            record = _joined(merged[record.prompt], record)
        elif n is not None and len(merged) == n:
            continue  # more records of the first n may follow
        merged[record.prompt] = record
    if n is not None and len(merged) < n:
        raise ValueError(f"n={n!r}: {str(path)!r} has {len(merged)} problems")
    records = [_cut(record, samples) for record in merged.values()]
    every = _same_columns(records)
    tokens = [
        record.tokens if every["tokens"] else [count_words(t) + 1 for t in record.texts]
        for record in records
    ]
    problems = [
        Problem("text", r.prompt, r.level, r.answer, delimiter) for r in records
    ]
    return Imported(
        name=name or path.stem,
        fingerprint=_fingerprint(path, format, delimiter),
        problems=problems,
        traces=[
            [Trace(p, t, n, True) for t, n in zip(r.texts, counts or [], strict=True)]
            for p, r, counts in zip(problems, records, tokens, strict=True)
        ],
        scores=[r.scores or [] for r in records] if every["scores"] else None,
        correct=[r.correct or [] for r in records] if every["correct"] else None,
        tokens=[counts or [] for counts in tokens],
        tokens_recorded=every["tokens"],
    )


def into_bank(
    imported: Imported,
    bank: Bank,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    max_tokens: int | None = None,
) -> int:
    """Store the samples where a run that replays them looks for them.

    That is `run(partial(repeated_sampling, n=...), imported.problems,
    proposer=Recorded(imported), seed=seed, bank=bank)`, or an explorer with the same
    proposer, problems, seed and bank.

    Returns
    -------
    int
        Samples that are now in the bank.

    Raises
    ------
    BankError
        If the bank cannot be written.
    """
    from tts_lab.proposers.recorded import Recorded
    from tts_lab.run import run

    counts = {
        problem.prompt: len(traces)
        for problem, traces in zip(imported.problems, imported.traces, strict=True)
    }
    strategy = partial(
        _replay, counts=counts, temperature=temperature, max_tokens=max_tokens
    )
    for start in range(0, len(imported.problems), _PROBLEMS_AT_ONCE):
        some = imported.problems[start : start + _PROBLEMS_AT_ONCE]
        run(strategy, some, proposer=Recorded(imported), seed=seed, bank=bank)
    return sum(counts.values())


def _replay(
    problem: Problem,
    *,
    counts: dict[str, int],
    temperature: float,
    max_tokens: int | None,
) -> Generator[Propose, Any, None]:
    count = counts[problem.prompt]
    yield Propose(
        [Trace(problem)], count, temperature=temperature, max_tokens=max_tokens
    )


def count_words(written: str) -> int:
    """Words, digits and signs: an estimate of tokens.

    >>> count_words("So 12 * 3 = 36.")
    9
    """
    return len(re.findall(r"[^\W\d]+|\d|[^\w\s]", written))


def _joined(first: Record, second: Record) -> Record:
    """Two records of one question as one."""
    if first.answer != second.answer:
        raise ValueError(
            f"{second.place}: the same question has the answer {second.answer!r}, and "
            f"{first.answer!r} before ({first.place})"
        )
    columns: dict[str, Any] = {"texts": first.texts + second.texts}
    for name in ("scores", "correct", "tokens"):
        one, other = getattr(first, name), getattr(second, name)
        if (one is None) != (other is None):
            raise ValueError(f"{second.place}: {name} are recorded in part only")
        columns[name] = None if one is None else one + other
    return first._replace(**columns)


def _cut(record: Record, samples: int | None) -> Record:
    if samples is None:
        return record
    if len(record.texts) < samples:
        raise ValueError(
            f"samples={samples!r}: {record.place} has {len(record.texts)} samples"
        )
    part = slice(samples)
    return record._replace(
        texts=record.texts[part],
        scores=record.scores and record.scores[part],
        correct=record.correct and record.correct[part],
        tokens=record.tokens and record.tokens[part],
    )


def _same_columns(records: list[Record]) -> dict[str, bool]:
    """Which columns all records have; those of some only are an error, but tokens."""
    found = {}
    for name in ("scores", "correct", "tokens"):
        lacking = [r.place for r in records if getattr(r, name) is None]
        if lacking and len(lacking) < len(records) and name != "tokens":
            raise ValueError(f"{lacking[0]}: no {name}, though other records have them")
        found[name] = not lacking
    return found


def _fingerprint(path: Path, *how: str) -> str:
    digest = blake2b(repr(how).encode(), digest_size=16)
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    )
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
