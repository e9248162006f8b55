"""Problems in words with a known answer: GSM8K, MATH, AIME, or your own file.

A problem is a question (`prompt`) with its right `answer`; `tts_lab.problems.sources`
loads them. Policies, the same everywhere:

- A trace states its answer in its last LaTeX box, else behind its last `####`, else
  after "the answer is" or "final answer". One that does not, or has an empty box, has
  no answer: None, which never votes and is never right.
- Votes compare canonical forms: `0.5`, `1/2` and `\\dfrac12` are one answer, so are
  `1,000` and `1000`, `x=5` and `5`, `2(x+1)` and `2x+2`. Units and currency do not
  count, and `50\\%` is 50. A rounded decimal is an answer of its own.
- What math-verify cannot read, or not within its time limit, is compared as text.
- `check` is right for equal forms and for what math-verify calls equivalent, which
  knows more: it takes 0.333333 for 1/3, and 50\\% for 0.5.

Not covered: steps. There is no `check_step`, since nobody knows the truth of a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from tts_lab.problems.equivalence import judge, need
from tts_lab.traces import Problem

NAME = "text"
LEVELS: tuple[int, ...] = ()

_BOX = r"\\(?:boxed|fbox|framebox)"
_MARKS = re.compile(
    rf"(?P<box>{_BOX}\s*\{{)|\\.|(?P<open>\{{)|(?P<close>\}})", re.DOTALL
)
_BARE_BOX = re.compile(rf"{_BOX}(?![a-zA-Z])[ \t]*(?![\s{{])(?P<answer>[^$\n]*)")
_PHRASE = re.compile(
    r"(?:\b(?:final|the) answer\**\s*(?:is\b|:|=)|\banswer\**\s*:)[\s:*]*+"
    r"(?!correct\b|right\b|wrong\b|the final answer)",
    re.IGNORECASE,
)
_MATH = re.compile(r"\$\$?(?P<a>[^$]+)\$|\\\((?P<b>[^\n]+?)\\\)|\\\[(?P<c>.+?)\\\]")
_SENTENCE = re.compile(
    r"[.;!?](?=\s|$)|,(?=\s(?:I|we|so|but|which|since|because|as)\b)"
)
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?P<part>\.[0-9]*)?"
)
_QUOTIENT = re.compile(
    r"(?P<sign>-?)(?:\\[dt]?frac\{(-?[0-9]+)\}\{([0-9]+)\}"
    r"|\\[dt]?frac([0-9])([0-9])|([0-9]+)/([0-9]+))"
)
_WORDS = re.compile(
    r"\(?[A-Za-z]\)?|no"
    r"|(?!(?:sin|cos|tan|log|exp|sqrt)\b)(?=.*[A-Za-z]{3})[A-Za-z][A-Za-z' -]*[A-Za-z]",
    re.IGNORECASE,
)
_SAID = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_UNIT = re.compile(
    r"([-+]?[0-9.][0-9.,/]*) *(?!and|mod|sin|cos|tan|log|exp|sqrt|times|over|choose"
    r"|hundred|thousand|million|billion|dozen)[A-Za-z]{3}[A-Za-z ]*"
)
_GROUPS = re.compile(
    r"(?<=[0-9])(?:\\[,!; ]|\{,\}|[ \u00a0\u202f])(?=[0-9]{3}(?![0-9]))"
)


def stated(text: str) -> str | None:
    """The answer that a text states, as it stands there; None when it states none.

    Promises time in proportion to the text's length, whatever it holds.

    >>> stated(r"So $x = \\boxed{\\frac{1}{2}}$."), stated("3*4=12\\n#### 12")
    ('\\\\frac{1}{2}', '12')
    >>> stated("The final answer is $2$. I hope it is correct."), stated("Hm.")
    ('2', None)
    """
    found = _boxed(text)
    if found is None:
        _head, mark, tail = text.rpartition("####")
        found = tail.strip().partition("\n")[0] if mark else _after_phrase(text)
    answer = clean(found or "")
    return answer if as_text(answer).strip("{}") else None


def extract_answer(text: str) -> str | None:
    """The answer that a text states, in canonical form; None when it states none.

    Raises
    ------
    ImportError
        Without math-verify.

    >>> [extract_answer(t) for t in (r"\\boxed{\\dfrac12}", "#### 0.5", r"\\boxed{}")]
    ['1/2', '1/2', None]
    """
    need()
    answer = stated(text)
    return None if answer is None else canonical(answer)


def canonical(answer: str) -> str:
    """The form in which answers are compared.

    A number is a fraction in lowest terms, words are in small letters, sets are
    sorted; see the module for what counts as one answer.

    >>> canonical("1,000"), canonical(r"2\\sqrt{8}"), canonical("(0.5, 3]")
    ('1000', '4*sqrt(2)', '(1/2, 3]')
    """
    return canonical_many([answer])[0]


def canonical_many(answers: Iterable[str]) -> list[str]:
    """The canonical forms of many answers, in one go.

    >>> canonical_many(["x=5", r"\\text{Tuesday}", "5 apples"])
    ['5', 'tuesday', '5']
    """
    need()
    cleaned = [clean(answer) for answer in answers]
    forms = [_plain(answer) for answer in cleaned]
    asked = [one for one, form in zip(cleaned, forms, strict=True) if form is None]
    read = iter(judge().forms(asked) if asked else ())
    return [
        form or next(read) or as_text(answer)
        for answer, form in zip(cleaned, forms, strict=True)
    ]


def check(problem: Problem, text: str) -> bool:
    """Whether the text states the problem's answer.

    Raises
    ------
    ValueError
        If the problem has no answer.
    ImportError
        Without math-verify.

    >>> problem = Problem("text", "What is half of one?", answer=r"\\frac{1}{2}")
    >>> [check(problem, t) for t in ("#### 0.5", r"\\boxed{1/2}", "one half")]
    [True, True, False]
    """
    return check_many(problem, [text])[0]


def check_many(problem: Problem, texts: Iterable[str]) -> list[bool]:
    """Whether each text states the problem's answer, in one go."""
    need()
    gold = right_answer(problem)
    answers = [stated(text) for text in texts]
    given = list(dict.fromkeys(answer for answer in answers if answer is not None))
    best, *forms = canonical_many([gold, *given])
    right = {a: form == best for a, form in zip(given, forms, strict=True)}
    # two different whole numbers need nobody's opinion
    open_ = [a for a in given if not (right[a] or (_whole(gold) and _whole(a)))]
    if open_:
        right |= zip(open_, judge().equal([(gold, a) for a in open_]), strict=True)
    return [answer is not None and right[answer] for answer in answers]


def right_answer(problem: Problem) -> str:
    """The right answer, out of a whole solution if that is what `answer` holds.

    >>> right_answer(Problem("text", "6*7?", answer="6*7=42\\n#### 42"))
    '42'

    Raises
    ------
    ValueError
        If the problem has none.
    """
    answer = problem.answer
    found = None if answer is None else stated(answer) or clean(answer)
    if not found:
        raise ValueError(
            f"problem {problem.id[:80]!r} has answer={answer!r}; to be checked, a text "
            "problem needs its right answer: Problem('text', prompt, answer=...)"
        )
    return found


def key(prompt: str) -> str:
    """What makes two problems the same problem: here, the prompt."""
    return prompt.strip()


def parse(prompt: str) -> str:
    """The prompt, if there is one.

    Raises
    ------
    ValueError
        When it is blank.
    """
    if not prompt.strip():
        raise ValueError(f"{prompt!r} is not a question")
    return prompt


def render(problem: Problem, text: str) -> str:
    """The trace for people; its steps have no marks, since nobody knows their truth.

    >>> print(render(Problem("text", "What is 6*7?"), "6*7 is 42.\\n#### 42"))
    What is 6*7?
      6*7 is 42.
      #### 42
    """
    lines = text.rstrip("\n").split("\n") if text else []
    return "\n".join([problem.prompt.strip(), *(f"  {line}" for line in lines)])


def clean(answer: str) -> str:
    """An answer without dollars, blanks, spacing commands and its full stop.

    >>> clean(" $10\\\\,000$. "), clean(r"\\boxed{5}"), clean("18 dollars")
    ('10000', '5', '18')
    """
    boxed = _boxed(answer)
    answer = answer if boxed is None else boxed
    answer = answer.replace("\\$", "").replace("$", "").strip(" \n*")
    if answer.startswith(("\\(", "\\[")) and answer.endswith(("\\)", "\\]")):
        answer = answer[2:-2]
    answer = _GROUPS.sub("", " ".join(answer.split())).lstrip(" :").rstrip(" .:,;")
    unit = _UNIT.fullmatch(answer)
    return unit[1].rstrip(".,") if unit else answer


def as_text(answer: str) -> str:
    """What is left to compare of an answer that cannot be read.

    >>> as_text(r"\\dfrac{a}{} + \\text{ Two }")
    '\\\\frac{a}{}+two'
    """
    answer = _SAID.sub(r"\1", answer).replace("dfrac", "frac").replace("tfrac", "frac")
    return re.sub(r"\\(?:left|right)(?![a-z])|\\[,;! ]|\s+", "", answer).lower()


def _boxed(text: str) -> str | None:
    """What the last box holds, `""` for an empty one; None without a closed box."""
    first = re.search(_BOX, text)
    if first is None:
        return None
    opened: list[int | None] = []  # of each brace, where its box's content begins
    start = end = -1
    for mark in _MARKS.finditer(text, first.start()):
        if mark["box"]:
            opened.append(mark.end())
        elif mark["open"]:
            opened.append(None)
        elif mark["close"] and opened:
            begun = opened.pop()
            if begun is not None:
                start, end = begun, mark.start()
    bare = _last(_BARE_BOX, text, max(end, 0))
    if bare is not None:
        return bare["answer"]
    return None if end < 0 else text[start:end]


def _after_phrase(text: str) -> str | None:
    """What follows the last "the answer is", to the end of its sentence."""
    last = _last(_PHRASE, text, 0)
    if last is None:
        return None
    math = _MATH.match(text, last.end())
    if math is not None:
        return math["a"] or math["b"] or math["c"]
    line = text[last.end() :].partition("\n")[0]
    return _SENTENCE.split(line, maxsplit=1)[0]


def _last(pattern: re.Pattern[str], text: str, start: int) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text, start):
        found = match
    return found


@lru_cache(50_000)
def _plain(answer: str) -> str | None:
    """The form of a number, a point, or words: what needs no LaTeX parser."""
    if len(answer) > 100:
        return None
    value = _rational(answer)
    if value is not None:
        return str(value)
    if answer[:1] == "(" and answer[-1] == ")":
        parts = [part.strip() for part in answer[1:-1].split(",")]
        point = [_rational(part) for part in parts]
        thousands = any(re.fullmatch("[0-9]{3}", part) for part in parts[1:])
        if len(parts) > 1 and None not in point and not thousands:
            return f"({', '.join(map(str, point))})"
    said = _SAID.sub(r"\1", answer).strip()
    if _WORDS.fullmatch(said):
        return " ".join(said.lower().strip("()").split())
    return None


def _rational(answer: str) -> Fraction | None:
    number = _NUMBER.fullmatch(answer)
    if number is not None and answer.strip("-+."):
        whole = (number["whole"] or "0").replace(",", "")
        part = (number["part"] or ".")[1:]
        value = Fraction(int(whole + part), 10 ** len(part))
        return -value if number["sign"] == "-" else value
    quotient = _QUOTIENT.fullmatch(answer)
    if quotient is not None:
        above, below = (int(one) for one in quotient.groups()[1:] if one)
        if below:
            return Fraction(above, below) * (-1 if quotient["sign"] else 1)
    return None


def _whole(answer: str) -> bool:
    return answer.removeprefix("-").isdecimal()
