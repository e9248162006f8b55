"""Three layouts in which others publish their samples, read into one.

- search-and-learn: `huggingface/search-and-learn`, `src/sal/search/best_of_n.py`,
  `beam_search.py`, `diverse_verifier_tree_search.py` and `utils/data.py`: a JSON line
  per problem with `problem`, `answer`, `completions` (texts), `scores` (of each
  completion those of its steps), `completion_tokens` (-1 for DVTS) and `pred*`.
- compute-optimal-tts: `RyanLiu112/compute-optimal-tts`,
  `src/reason/evaluation/evaluate.py` and `evaluator.py`: files
  `question_*/record_*.jsonl` with `question`, `groundtruth`, `result` and `output`, a
  list with `text`, `value` (scores of steps), `token_history`, `completion_tokens`.
  Each text has the mark " ки" at the end of a step (`src/envs/base_env.py`). Only the
  last output of a search counts `completion_tokens`, for all of them, so the tokens of
  a text are the sum of its `token_history`.
- monkey-business: the data set `ScalingIntelligence/monkey_business` of Brown et al.
  (2407.21787), a JSON array per task and model: `question`, `samples` (10,000 texts),
  `is_corrects`, and `gt_answer` where there is one (`llmonk/generate`, `evaluate`).

Not covered: the trees behind searches, which none of the three records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tts_lab.json_files import is_count
from tts_lab.problems.rows import Row, read_rows
from tts_lab.problems.sources import answer_of, column, is_text, level_of

_LARGEST = 1e300  # of a score that is finite
_INFINITE = (float("inf"), -float("inf"))
_STEP_MARK = re.compile(r"\bки(?=\s|$)")


class Record(NamedTuple):
    """One problem of a file, and what was sampled of it; None is not recorded."""

    place: str
    prompt: str
    answer: str | None
    level: int | None
    texts: list[str]
    scores: list[list[float]] | None
    correct: list[bool] | None
    tokens: list[int] | None


Reader = Callable[[Path, str], Iterator[Record]]


def search_and_learn(path: Path, delimiter: str) -> Iterator[Record]:
    """The records of a search-and-learn file or saved data set."""
    for where, row in read_rows(path):
        place = f"{path}, {where}"
        texts = _texts(column(row, ["completions"], place), "completions", place)
        tokens = row.get("completion_tokens")
        yield Record(
            place,
            _question(column(row, ["problem", "question"], place), place),
            answer_of(column(row, ["answer", "solution"], place), place),
            level_of(row),
            texts,
            _scores(row.get("scores"), len(texts), place),
            None,
            _tokens(tokens, len(texts), place) if isinstance(tokens, list) else None,
        )


def compute_optimal_tts(path: Path, delimiter: str) -> Iterator[Record]:
    """The records of a compute-optimal-tts file, or of all in a folder."""
    files = [path]
    if path.is_dir():
        files = sorted(path.rglob("record_*.jsonl"), key=_natural)
        if not files:
            raise ValueError(
                f"{str(path)!r} has no question_*/record_*.jsonl; accepted is a folder "
                "with them, or one such file"
            )
    for file in files:
        for where, row in read_rows(file):
            place = f"{file}, {where}"
            outputs = column(row, ["output"], place)
            if not (isinstance(outputs, list) and outputs):
                raise ValueError(f"{place}: 'output' is {_short(outputs)}, no list")
            if not all(isinstance(one, dict) for one in outputs):
                raise ValueError(f"{place}: 'output' is {_short(outputs)}, no list of "
                                 "objects")  # fmt: skip
            texts = _texts(
                [column(one, ["text"], place) for one in outputs], "text", place
            )
            values = [one.get("value") for one in outputs]
            known = any(value is not None for value in values)
            counts = [_written(one) for one in outputs]
            yield Record(
                place,
                _question(column(row, ["question"], place), place),
                answer_of(column(row, ["groundtruth"], place), place),
                level_of(row),
                [_steps(text, delimiter) for text in texts],
                _scores(values, len(texts), place) if known else None,
                None,
                None if None in counts else _tokens(counts, len(texts), place),
            )


def monkey_business(path: Path, delimiter: str) -> Iterator[Record]:
    """The records of one task and model of monkey_business."""
    for where, row in read_rows(path):
        place = f"{path}, {where}"
        texts = _texts(column(row, ["samples"], place), "samples", place)
        right = column(row, ["is_corrects"], place)
        if not (isinstance(right, list) and all(one in (0, 1) for one in right)):
            raise ValueError(f"{place}: 'is_corrects' is {_short(right)}, no list of "
                             "true and false")  # fmt: skip
        _same_length(right, "is_corrects", len(texts), place)
        answer = row.get("gt_answer")
        yield Record(
            place,
            _question(column(row, ["question"], place), place),
            None if answer is None else answer_of(answer, place),
            level_of(row),
            texts,
            None,
            [bool(one) for one in right],
            None,
        )


READERS: dict[str, Reader] = {
    "search-and-learn": search_and_learn,
    "compute-optimal-tts": compute_optimal_tts,
    "monkey-business": monkey_business,
}


def _question(value: object, place: str) -> str:
    if not (isinstance(value, str) and is_text(value)):
        raise ValueError(f"{place}: the question is {_short(value)}, no text")
    return value


def _texts(value: object, name: str, place: str) -> list[str]:
    if not (isinstance(value, list) and value):
        raise ValueError(f"{place}: {name!r} is {_short(value)}, no list of texts")
    for i, one in enumerate(value):
        if not isinstance(one, str) or (one.strip() and not is_text(one)):
            raise ValueError(f"{place}: {name!r} number {i} is {_short(one)}, no text")
    return value


def _scores(value: object, count: int, place: str) -> list[list[float]] | None:
    """Scores of steps, a list per sample; one number stands for one step."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"{place}: the scores are {_short(value)}, no list")
    _same_length(value, "scores", count, place)
    found = []
    for i, one in enumerate(value):
        steps = one if isinstance(one, list) else [one]
        for step, score in enumerate(steps):
            number = isinstance(score, int | float) and not isinstance(score, bool)
            if not number or not (score in _INFINITE or abs(score) <= _LARGEST):
                raise ValueError(
                    f"{place}: the score of sample {i}, step {step} is {score!r}, no "
                    "number; leave out the whole column if scores are missing"
                )
        found.append([float(score) for score in steps])
    return found


def _tokens(value: list[Any], count: int, place: str) -> list[int]:
    _same_length(value, "tokens", count, place)
    for i, one in enumerate(value):
        if not is_count(one, least=0, most=2**31 - 1):
            raise ValueError(f"{place}: the tokens of sample {i} are {one!r}, no count")
    return value


def _same_length(value: Sequence[Any], name: str, count: int, place: str) -> None:
    if len(value) != count:
        raise ValueError(f"{place}: {len(value)} {name} for {count} samples")


def _written(output: Row) -> object:
    history = output.get("token_history")
    if isinstance(history, list) and history and all(map(is_count, history)):
        return sum(history)
    return output.get("completion_tokens")


def _steps(text: str, delimiter: str) -> str:
    """The text with the lab's step delimiter instead of the mark.

    >>> _steps("2*3=6 ки\\nSo 6. ки\\n", "\\n\\n")
    '2*3=6\\n\\nSo 6.'
    """
    # blanks are taken off afterwards: a pattern with them is tried at each blank anew
    first, *rest = _STEP_MARK.split(text)
    if not rest:
        return text
    *between, last = rest
    parts = [first.rstrip(), *(part.strip() for part in between), last.lstrip()]
    return delimiter.join(filter(None, parts))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Question 2 before question 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
