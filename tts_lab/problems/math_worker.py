"""The process in which math-verify reads answers: JSON lines in, JSON lines out.

    {"text": "\\\\frac12"}                  ->  {"form": "1/2"}
    {"text": "0.5", "gold": "1/2"}         ->  {"equal": true}

Answers come from models, so they are taken for hostile: the caller
(`tts_lab.problems.equivalence`) gives each a time limit and kills this process when it
is over; this process limits its own memory and, should the caller be gone, its own
processor time. Nothing is evaluated as Python: of math-verify only the LaTeX parser
is used. Not covered: finding the answer in a text (`tts_lab.problems.text`).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

MEMORY_BYTES = 2**30  # address space
_DIGITS = 12  # of constants that have no normal form
_LONGEST = 2000  # characters of a canonical form


@lru_cache(4096)
def parsed(answer: str) -> tuple[Any, ...]:
    """What math-verify makes of an answer: a SymPy object, then its text."""
    from math_verify import parse
    from math_verify.parser import LatexExtractionConfig

    config = LatexExtractionConfig(boxed_match_priority=0)
    box = f"\\boxed{{{answer}}}"
    return tuple(parse(box, extraction_config=[config], parsing_timeout=None))


def equal(gold: str, answer: str) -> bool:
    """Whether math-verify finds the two equivalent.

    Not symmetric where the right answer is an equation: see `math_verify.verify`.
    """
    from math_verify import verify

    left, right = list(parsed(gold)), list(parsed(answer))
    return bool(verify(left, right, timeout_seconds=None))


def form(answer: str) -> str | None:
    """The canonical form of an answer; None when it cannot be parsed."""
    found = [one for one in parsed(answer) if not isinstance(one, str)]
    written = _form(found[0]) if found else None
    return written if written and len(written) <= _LONGEST else None


def _form(value: Any) -> str:
    import sympy
    from latex2sympy2_extended.logic import And
    from sympy.core.relational import Relational

    if isinstance(value, sympy.MatrixBase):
        rows = [
            [_form(value[i, j]) for j in range(value.cols)] for i in range(value.rows)
        ]
        return "[" + ", ".join(f"[{', '.join(row)}]" for row in rows) + "]"
    if isinstance(value, sympy.Tuple | tuple | list):
        return f"({', '.join(map(_form, value))})"
    if isinstance(value, sympy.FiniteSet):
        members = sorted({_form(one) for one in value.args})
        return members[0] if len(members) == 1 else f"{{{', '.join(members)}}}"
    if isinstance(value, sympy.Interval):
        left, right = "(" if value.left_open else "[", ")" if value.right_open else "]"
        return f"{left}{_form(value.start)}, {_form(value.end)}{right}"
    if isinstance(value, sympy.Union):
        return " U ".join(sorted(map(_form, value.args)))
    if isinstance(value, sympy.Set):
        return str(value)
    if isinstance(value, And | sympy.And):
        parts = list(getattr(value, "_unsorted_args", value.args))
        if _is_assignment(parts[0]) and all(isinstance(p, sympy.Eq) for p in parts):
            return _form(parts[-1].rhs)  # x = 2 + 3 = 5
        return " & ".join(sorted(map(_form, parts)))
    if _is_assignment(value):
        return _form(value.rhs)
    if isinstance(value, Relational):
        return _relation(value)
    return _expression(value)


def _is_assignment(value: Any) -> bool:
    """`x = 5` or `f(x) = 5`: the name does not matter."""
    import sympy
    from sympy.core.function import AppliedUndef

    return isinstance(value, sympy.Eq) and isinstance(
        value.lhs, sympy.Symbol | AppliedUndef
    )


def _relation(value: Any) -> str:
    """Everything on the left, so that `x > 3` and `3 < x` are one."""
    import sympy

    left, right, sign = value.lhs, value.rhs, value.rel_op
    if sign in (">", ">="):
        left, right, sign = right, left, sign.replace(">", "<")
    difference = sympy.expand((left - right).doit())
    if sign in ("==", "!=") and difference.could_extract_minus_sign():
        difference = -difference
    return f"{_expression(difference)} {sign} 0"


def _expression(value: Any) -> str:
    """A number as a fraction, sums of roots and powers of pi exactly, others rounded.

    An expression in unknowns is multiplied out, or simplified if it is no quotient
    of polynomials. A percentage is its number.
    """
    import sympy

    value = _without_percent(value).doit()
    if value.has(sympy.nan, sympy.zoo):
        raise ValueError("no number")
    value = value.xreplace(
        {f: sympy.Rational(str(f)) for f in value.atoms(sympy.Float)}
    )
    if value.is_Rational or not value.is_number:
        return str(value if value.is_Rational else _with_unknowns(value))
    exact = sympy.expand(sympy.radsimp(value))
    if all(map(_is_plain, sympy.Add.make_args(exact))):
        return str(exact)
    return str(value.evalf(_DIGITS, chop=True))


def _without_percent(value: Any) -> Any:
    from math_verify.grader import get_pct_val

    return get_pct_val(value, value)


def _with_unknowns(value: Any) -> Any:
    import sympy

    if value.is_rational_function():
        return sympy.expand(sympy.cancel(value))
    return sympy.simplify(value)


def _is_plain(term: Any) -> bool:
    """A product of rational powers of whole numbers, pi, e and i."""
    import sympy

    for factor in sympy.Mul.make_args(term):
        base, power = factor.as_base_exp()
        known = base.is_Rational or base in (sympy.pi, sympy.E, sympy.I, sympy.oo)
        if not (known and power.is_Rational):
            return False
    return True


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """One request's reply; what cannot be done is no answer, or not equal."""
    text, gold = request["text"], request.get("gold")
    try:
        if gold is None:
            return {"form": form(text)}
        return {"equal": equal(gold, text)}
    except (Exception, RecursionError, MemoryError):
        return {"form": None} if gold is None else {"equal": False}


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_AS, (min(most, MEMORY_BYTES), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """End this process if it works much longer than the caller would let it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        last = int(used.ru_utime + used.ru_stime + seconds) + 2
        _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (last, hard))


def main(arguments: Sequence[str]) -> None:
    """Answer lines until there are no more; the first line out says what went wrong."""
    seconds = float(arguments[0]) if arguments else 5.0
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout = sys.stderr  # what a library prints is no reply

    def say(reply: dict[str, Any]) -> None:
        out.write(json.dumps(reply) + "\n")
        out.flush()

    logging.disable(logging.CRITICAL)
    try:
        form("1")
        parsed.cache_clear()
        import math_verify

        say({"ready": str(getattr(math_verify, "__name__", ""))})
    except Exception as error:  # a wrong antlr4 runtime raises a bare Exception
        say({"failed": f"{type(error).__name__}: {error}"})
        return
    _limit_memory()
    for line in sys.stdin.buffer:
        _limit_time(seconds)
        say(answer(json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1:])
