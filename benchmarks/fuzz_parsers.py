"""Guided fuzzing of the parsers with atheris; optional, and no part of the suite.

    pip install atheris
    python benchmarks/fuzz_parsers.py answers -max_total_time=600
    python benchmarks/fuzz_parsers.py rows -max_total_time=600
    python benchmarks/fuzz_parsers.py table -max_total_time=600

What follows the target goes to libFuzzer; new inputs are kept in a folder if one is
named. An input that breaks a parser is written to `crash-...` and its traceback shown.
A parser may refuse an input with a ValueError or OSError, and with nothing else.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tts_lab"]):
    from tts_lab import importers, problems, published
    from tts_lab.problems import expressions, sources, text
    from tts_lab.problems.text import clean, stated

PROBLEMS = [problems.evaluation_set(name, 1, 1)[0] for name in problems.DOMAINS]
FOLDER = Path(tempfile.mkdtemp())


def answers(data: bytes) -> None:
    """Whatever a model writes."""
    written = data.decode(
        "utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace"
    )
    for problem in PROBLEMS:
        domain = problems.domain(problem.domain)
        domain.check(problem, written)
        domain.render(problem, written)
    stated(written), clean(written), text.as_text(written)
    expressions.parse(written)


def rows(data: bytes) -> None:
    """Problem files and published runs."""
    for suffix in (".json", ".jsonl"):
        path = FOLDER / f"some{suffix}"
        path.write_bytes(data)
        for use in (sources.load, *(_reads(format) for format in importers.FORMATS)):
            with suppress(ValueError, OSError):
                use(path)


def table(data: bytes) -> None:
    """Published tables."""
    found = published.parsed(data.decode("utf-8", "replace"))
    for name in found.rows[0] if found.rows else ():
        found.column(name)


def _reads(format: str) -> Callable[[Path], object]:
    return lambda path: importers.read(path, format)


TARGETS = {"answers": answers, "rows": rows, "table": table}


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"target {name!r} is unknown; there are {sorted(TARGETS)}")
    target = TARGETS[name]

    def refused_or_read(data: bytes) -> None:
        try:
            target(data)
        except (ValueError, OSError) as error:
            assert str(error)

    atheris.Setup(sys.argv, refused_or_read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
