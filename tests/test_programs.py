"""The domain of programs: its interpreter, its functions, its tests that err."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from itertools import product

import program_oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_lab import problems
from tts_lab.ladder import tokenizer
from tts_lab.problems import expressions, programs
from tts_lab.problems.expressions import ExpressionError, evaluate, parse
from tts_lab.problems.functions import functions
from tts_lab.traces import Problem

unhurried = settings(deadline=None, derandomize=True, max_examples=300)

#: true is x%4; x%5 passes all three tests and fails a hidden one
WEAK = Problem("programs", "x:0>0,1>1,3>3\n", 1)


# The interpreter


@unhurried
@given(st.text(max_size=80) | st.text("x0123456789+-*/%() ", max_size=80))
@example("x" * 61)
@example("(" * 30 + "x" + ")" * 30)
@example("-" * 60)
@example("9" * 60)
@example("٣+x")
@example("x²")
@example("__import__('os')")
@example("")
def test_any_text_has_a_value_or_the_documented_error(text: str) -> None:
    try:
        program = parse(text)
    except ExpressionError as error:
        assert text[:20] in str(error) or repr(text)[1:10] in str(error)
        return
    for x in (0, 7, 10**6):
        with suppress(ExpressionError):
            assert abs(evaluate(program, x)) <= expressions.MAGNITUDE


def trees() -> st.SearchStrategy[tuple[str, Callable[[int], int]]]:
    """Texts with every parenthesis beside the function that they mean."""
    leaves = st.one_of(
        st.just(("x", lambda x: x)),
        st.integers(0, 99).map(lambda c: (str(c), lambda x, c=c: c)),
    )

    def bigger(some: st.SearchStrategy) -> st.SearchStrategy:
        def join(one, operator, other):
            act = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
                "/": lambda a, b: (a - a % b) // b,
                "%": lambda a, b: a - b * ((a - a % b) // b),
            }[operator]
            (left, f), (right, g) = one, other
            return f"({left}{operator}{right})", lambda x: act(f(x), g(x))

        return st.builds(join, some, st.sampled_from("+-*/%"), some)

    return st.recursive(leaves, bigger, max_leaves=8)


@unhurried
@given(trees(), st.integers(-50, 50))
def test_values_are_those_of_the_tree(tree, x: int) -> None:
    text, function = tree
    try:
        program = parse(text)
    except ExpressionError as error:
        assert "nested" in str(error) or "characters" in str(error)
        return
    try:
        found = evaluate(program, x)
    except ExpressionError as error:
        assert "zero" in str(error) or "beyond" in str(error)
        return
    assert found == function(x)


@unhurried
@given(st.text("x12+-*/%()", min_size=1, max_size=12), st.integers(0, 23))
def test_what_is_accepted_and_its_value_are_the_oracles(text: str, x: int) -> None:
    try:
        expected = program_oracle.value(text, x)
    except (ValueError, ZeroDivisionError):
        with pytest.raises(ExpressionError):
            evaluate(parse(text), x)
    else:
        assert evaluate(parse(text), x) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2+3*x", 17), ("2-3-4", -5), ("60/x/2", 6), ("7-x%3*2", 3), ("-x*-2", 10),
     ("-7/2", -4), ("-7%3", 2), ("7%(0-3)", -2), ("--x", 5), ("2*(x+1)", 12)],
)  # fmt: skip
def test_precedence_signs_and_rounding(text: str, expected: int) -> None:
    assert evaluate(parse(text), 5) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("x+", "'x\\+' has the end where"), ("x y", "has ' '"), ("2x", "goes on with 'x'"),
     ("(x", "closing"), ("x**2", r"has \* where"), ("1234567", "6 digits"),
     ("x" * 61, "61 characters"), ("(" * 11 + "x", "nested more than 10")],
)  # fmt: skip
def test_errors_quote_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        parse(text)


def test_values_that_there_are_not() -> None:
    with pytest.raises(ExpressionError, match=r"6/0 at x=3: a division by zero"):
        evaluate(parse("6/(x-3)"), 3)
    with pytest.raises(ExpressionError, match="beyond 1,000,000,000"):
        evaluate(parse("*".join(["999999"] * 8)), 3)


# The functions


def test_every_expression_of_one_operator_is_a_function_of_the_first_level() -> None:
    known, seen = functions(), set()
    for a, operator, b in product("x12345", "+-*/%", "x12345"):
        if (operator in "/%" and b == "x") or "x" not in (a, b):
            continue
        values = tuple(program_oracle.value(a + operator + b, x) for x in range(24))
        if len(set(values)) > 1 and values != tuple(range(24)):
            seen.add(values)
    assert seen == {tuple(known.values[i].tolist()) for i in known.of_level(1)}


def test_texts_mean_their_values_and_have_no_idle_parentheses() -> None:
    known = functions()
    assert len({row.tobytes() for row in known.values}) == len(known.texts)
    for i in random.Random(0).sample(range(len(known.texts)), 300):
        text = known.texts[i]
        assert sum(c in "+-*/%" for c in text) == known.level[i]
        values = [program_oracle.value(text, x) for x in range(24)]
        assert values == known.values[i].tolist()
        assert programs.extract_answer(f"#{text}") == text
        for at in range(len(text)):  # no parenthesis can go
            if text[at] == "(":
                shorter = text[:at] + text[at + 1 :].replace(")", "", 1)
                assert programs.extract_answer(f"#{shorter}") != text


# Problems


def test_the_truth_fits_what_is_shown_and_depends_on_nothing_else() -> None:
    rng = random.Random(0)
    for level in programs.LEVELS:
        for _ in range(40):
            prompt, text = programs.example(level, rng)
            shown = programs.parse(prompt)
            assert len(shown) == programs.SHOWN and max(shown) < 12
            assert all(program_oracle.value(text[1:], x) == y for x, y in shown.items())
            pairs = prompt.strip()[2:].split(",")
            turned = "x:" + ",".join(reversed(pairs))
            assert programs.solution(turned) == programs.solution(prompt) == text
            assert problems.split_of("programs", turned) == problems.split_of(
                "programs", prompt
            )
            assert tokenizer.decode(tokenizer.encode(prompt + text)) == prompt + text


def test_truths_are_drawn_as_often_as_levels_and_functions_say() -> None:
    """The share of a level among what fits is how often its functions are true."""
    known, rng = functions(), random.Random(1)
    expected = found = 0.0
    for _ in range(400):
        made = rng.choice(known.of_level(rng.choice([1, 2, 3])))
        shown = sorted(rng.sample(range(12), 3))
        prompt = "x:" + ",".join(f"{x}>{known.values[made, x]}" for x in shown)
        fits = known.through(programs.parse(prompt))
        weights = known.weight[fits]
        expected += float(weights[known.level[fits] == 1].sum() / weights.sum())
        true = programs.reference_answer(prompt)
        found += sum(c in "+-*/%" for c in true) == 1
    assert abs(found - expected) < 30
    assert abs(expected - 400 / 3) < 40


@pytest.mark.parametrize(
    "prompt",
    ["", "x:", "1>3", "x:1>3,", "x:1>3,1>4", "x:24>1", "x:01>3", "x:1>3 ", "x:1>+3",
     "x:1>3;2>5", "y:1>3", "x:٣>1", "x:1>3\n\n", "x:-1>3"],
)  # fmt: skip
def test_what_shows_no_examples_is_quoted(prompt: str) -> None:
    for function in (programs.parse, programs.key, programs.solution):
        with pytest.raises(ValueError, match="is not a program's examples") as error:
            function(prompt)
        assert repr(prompt) in str(error.value)


def test_examples_that_nothing_fits() -> None:
    problem = Problem("programs", "x:1>3,2>400\n")
    with pytest.raises(ValueError, match=r"'x:1>3,2>400' fits no function"):
        programs.solution(problem.prompt)
    assert not programs.check(problem, "#397*x-394")
    assert programs.passed(problem, "#397*x-394") == [True, True]
    assert "✗ #x" in programs.render(problem, "#x")


def test_hidden_examples_judge() -> None:
    assert programs.reference_answer(WEAK.prompt) == "x%4"
    assert programs.check(WEAK, "#x%4") and programs.check(WEAK, "#x-x/4*4\n")
    for text in ("#x%5", "#x", "#x%4#", "x%4", "#x%4\n\n#", "#", "#6/x*0+x%4", "# x%4"):
        assert not programs.check(WEAK, text), text
    assert programs.passed(WEAK, "#x%5") == [True] * 3
    assert programs.passed(WEAK, "#6/x*0+x%4") == [False, True, True]
    shown = programs.render(WEAK, "#x%5\n#x%4")
    assert "✗ #x%5 (shown 3 of 3, hidden " in shown
    assert "✓ #x%4 (shown 3 of 3, hidden 21 of 21)" in shown


def test_votes_are_on_functions() -> None:
    assert programs.extract_answer("#1+x") == programs.extract_answer("#x+2-1") == "x+1"
    assert programs.extract_answer("#x*99") == "x*99"  # beyond the domain's functions
    assert programs.extract_answer("#6/x") == "6/x"
    assert programs.extract_answer("#x+") is None
