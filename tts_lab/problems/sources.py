"""Where text problems come from: GSM8K, MATH-500, AIME 2024, the hub, your own file.

A row has its question in `problem` or `question` and its right answer in `answer` or
`solution`; of a whole solution the stated answer is kept. Files are read without
network, JSON also without any library; names go through `datasets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from tts_lab.problems import rows, text
from tts_lab.problems.rows import PIP, Row
from tts_lab.traces import Problem

QUESTIONS = ("problem", "question")
ANSWERS = ("answer", "solution")
_YOURS = 'a local .jsonl with "problem" and "answer" needs neither network nor extras'


class Source(NamedTuple):
    """A data set of the hub: its id, configuration and split."""

    id: str
    config: str | None
    split: str | None


#: Cobbe et al. (2110.14168); Hendrycks et al. (2103.03874) in the split of Lightman et
#: al. (2305.20050); the thirty problems of both AIME papers of 2024
SOURCES = {
    "gsm8k": Source("openai/gsm8k", "main", "test"),
    "math-500": Source("HuggingFaceH4/MATH-500", None, "test"),
    "aime24": Source("HuggingFaceH4/aime_2024", None, "train"),
}


def load(
    name_or_path: str | Path,
    *,
    n: int | None = None,
    split: str | None = None,
    delimiter: str = "\n\n",
    level: int | None = None,
) -> list[Problem]:
    """Text problems of a named source, a data set of the hub, or a local file.

    Parameters
    ----------
    name_or_path : str or path
        "gsm8k", "math-500", "aime24", a hub id "owner/name", or a file or folder that
        `tts_lab.problems.rows.read_rows` reads.
    n : int, optional
        Only the first so many.
    split : str, optional
        Of a hub data set; default the source's own, else "test".
    delimiter : str
        What ends a step of the problems' traces; see `tts_lab.formats`.
    level : int, optional
        Only problems whose `level` column has this number ("Level 5" has 5).

    Returns
    -------
    list of Problem
        Of domain "text", in the order of the source, repeated ones included.

    Raises
    ------
    ValueError
        If there is no such file or data set, no network, no column or value for the
        question or the answer, or fewer problems than `n`; the message names the line.
    ImportError
        If the source needs `datasets` and it is missing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.jsonl"
    ...     _ = path.write_text('{"problem": "6*7?", "answer": "42"}')
    ...     load(path)
    [Problem(domain='text', prompt='6*7?', level=None, answer='42', delimiter='\\n\\n')]
    """
    if n is not None and not (_is_int(n) and n >= 1):
        raise ValueError(
            f"n={n!r} problems; accepted is a whole number from 1, or None"
        )
    if not (isinstance(delimiter, str) and delimiter):
        raise ValueError(
            f"delimiter must be a text such as '\\n\\n', got {delimiter!r}"
        )
    name = str(name_or_path)
    found = problems_of(_rows(name, split), name, delimiter)
    if level is not None:
        found = (problem for problem in found if problem.level == level)
    made = list(islice(found, n))
    of_level = "" if level is None else f" of level {level!r}"
    if not made:
        raise ValueError(f"{name!r} has no problems{of_level}")
    if n is not None and len(made) < n:
        raise ValueError(f"n={n!r}: {name!r} has {len(made)} problems{of_level}")
    return made


def problems_of(
    places: Iterable[tuple[str, Row]], name: str, delimiter: str
) -> Iterable[Problem]:
    """Rows as problems; the errors name the row's place."""
    for where, row in places:
        place = f"{name}, {where}"
        question = column(row, QUESTIONS, place)
        if not is_text(question):
            raise ValueError(f"{place}: the question is {question!r}, no text")
        value = column(row, ANSWERS, place)
        answer = answer_of(value, place)
        if row.get("answer") is None and " " in answer and answer == value.strip():
            raise ValueError(
                f"{place}: no 'answer', and the solution states none: "
                r"accepted are \boxed{...}, #### ..., and 'the answer is ...'"
            )
        yield Problem(text.NAME, question, level_of(row), answer, delimiter)


def column(row: Row, names: Sequence[str], place: str) -> Any:
    """The value of the first of these columns that the row has.

    Raises
    ------
    ValueError
        If it has none of them; the message lists what it has.
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    wanted = " or ".join(map(repr, names))
    raise ValueError(f"{place}: no {wanted}; its columns are {sorted(row)}")


def answer_of(value: object, place: str) -> str:
    """The right answer out of a column: text, a number, or a whole solution.

    >>> answer_of("6*7=42\\n#### 42", "line 1"), answer_of(27.0, "line 2")
    ('42', '27')

    Raises
    ------
    ValueError
        If it is empty or no text and no number.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and abs(value) < 1e300:  # type: ignore[arg-type]  # no nan, no infinity
        value = str(value)
    answer = ""
    if isinstance(value, str) and is_text(value):
        answer = text.stated(value) or value.strip()
    if not answer:
        raise ValueError(f"{place}: the answer is {value!r}, no text and no number")
    return answer


def is_text(value: object) -> bool:
    """Whether it is a text that is not blank and can be written as UTF-8.

    >>> is_text("6*7?"), is_text(" "), is_text("\\ud800"), is_text(6)
    (True, False, False, False)
    """
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def level_of(row: Row) -> int | None:
    """The number in the `level` column.

    >>> level_of({"level": "Level 5"}), level_of({"level": 3}), level_of({})
    (5, 3, None)
    """
    level = row.get("level")
    if not isinstance(level, str | int | float):
        return None
    digits = re.search(r"(?<![0-9])[0-9]{1,9}(?![0-9])", str(level))
    return int(digits[0]) if digits else None


def _rows(name: str, split: str | None) -> Iterable[tuple[str, Row]]:
    source = SOURCES.get(name.lower())
    path = Path(name).expanduser()
    if source is None and (path.exists() or path.suffix in rows.KINDS):
        if split is not None and not path.is_dir():
            raise ValueError(f"split={split!r}: a file such as {name!r} has no splits")
        return rows.read_rows(path, split=split)
    if source is None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(
                f"{name!r} is no source, no file and no hub id; accepted are "
                f"{list(SOURCES)}, owner/name, and {', '.join(rows.KINDS)} files"
            )
        source = Source(name, None, None)
    return rows.dataset_rows(_fetch(source, split))


def _fetch(source: Source, split: str | None) -> Any:
    try:
        import datasets
    except ImportError:
        raise ImportError(f"{source.id!r} needs datasets: {PIP}; {_YOURS}") from None
    try:
        found = datasets.load_dataset(source.id, source.config)
    except Exception as error:  # its errors have no common class
        raise ValueError(
            f"{source.id!r} could not be had from the hub nor from its cache: "
            f"{type(error).__name__}: {error}; without network, {_YOURS}"
        ) from error
    return rows.one_split(found, split or source.split, source.id)


def _is_int(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
