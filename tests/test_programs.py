"""The domain of programs: its interpreter, its functions, its tests that err."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product

import program_oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_lab import ladder, problems
from tts_lab.ladder import data, tokenizer
from tts_lab.ladder.rungs import RUNGS, SPECIALISTS
from tts_lab.problems import expressions, programs
from tts_lab.problems.expressions import ExpressionError, compile, evaluate
from tts_lab.problems.functions import functions
from tts_lab.run import run
from tts_lab.strategies import count_correct
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers import library
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.metrics import share
from tts_lab.verifiers.unit_tests import UnitTests

unhurried = settings(deadline=None, derandomize=True, max_examples=300)

#: true is x%4; x%5 passes all three tests and fails a hidden one
WEAK = Problem("programs", "x:0>0,1>1,3>3\n", 1)


def trace(text: str, problem: Problem = WEAK, finished: bool = True) -> Trace:
    return Trace(problem, text, len(text) + 1, finished)


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
        program = compile(text)
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
        program = compile(text)
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
            evaluate(compile(text), x)
    else:
        assert evaluate(compile(text), x) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2+3*x", 17), ("2-3-4", -5), ("60/x/2", 6), ("7-x%3*2", 3), ("-x*-2", 10),
     ("-7/2", -4), ("-7%3", 2), ("7%(0-3)", -2), ("--x", 5), ("2*(x+1)", 12)],
)  # fmt: skip
def test_precedence_signs_and_rounding(text: str, expected: int) -> None:
    assert evaluate(compile(text), 5) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("x+", "'x\\+' has the end where"), ("x y", "has ' '"), ("2x", "goes on with 'x'"),
     ("(x", "closing"), ("x**2", r"has \* where"), ("1234567", "6 digits"),
     ("x" * 61, "61 characters"), ("(" * 11 + "x", "nested more than 10")],
)  # fmt: skip
def test_errors_quote_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        compile(text)


def test_values_that_there_are_not() -> None:
    with pytest.raises(ExpressionError, match=r"6/0 at x=3: a division by zero"):
        evaluate(compile("6/(x-3)"), 3)
    with pytest.raises(ExpressionError, match="beyond 1,000,000,000"):
        evaluate(compile("*".join(["999999"] * 8)), 3)


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


def test_texts_are_shortest_and_mean_their_values() -> None:
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


# Unit tests as a verifier


def test_fewer_tests_pass_more() -> None:
    some = [trace(f"#{text}") for text in ("x%4", "x%5", "x*x", "x+1", "x+")]
    assert Exact().verify(some) == [1, 0, 0, 0, 0]
    assert (
        UnitTests().verify(some) == UnitTests(first=9).verify(some) == [1, 1, 0, 0, 0]
    )
    assert UnitTests(first=2).verify(some) == [1, 1, 1, 0, 0]
    assert UnitTests(share=True).verify(some) == [1, 1, pytest.approx(2 / 3), 0, 0]
    assert UnitTests(first=2, share=True).verify(some) == [1, 1, 1, 0, 0]
    assert UnitTests().verify([trace("#x%4", finished=False), trace("")]) == [0, 0]
    assert UnitTests().tokens(some[0]) == 0
    names = {UnitTests().name, UnitTests(first=1).name, UnitTests(share=True).name}
    assert len(names) == 3


@unhurried
@given(st.sampled_from([1, 2, 3]), st.integers(0, 199))
def test_right_programs_pass_whatever_is_tested(level: int, number: int) -> None:
    problem = problems.evaluation_set("programs", level)[number]
    solved = trace(programs.solution(problem.prompt), problem)
    for name in library.names("programs"):
        if name != "noisy":
            assert library.load(name).verify([solved]) == [1.0]


def test_unit_tests_refuse_what_they_cannot_judge() -> None:
    with pytest.raises(ValueError, match="first is 0; accepted is 1 or more"):
        UnitTests(first=0)
    with pytest.raises(ValueError, match=r"'chains:1\+2' has no unit tests"):
        UnitTests().verify([trace("#3", Problem("chains", "1+2\n"))])


def test_a_share_of_traces() -> None:
    same = share([2, 2, 2], [8, 8, 8])
    assert (same.value, same.low, same.high, same.problems) == (0.25, 0.25, 0.25, 3)
    assert share([0, 3], [0, 4]).value == 0.75
    for part, whole in (([2], [1]), ([0], [0]), ([1, 1], [2])):
        with pytest.raises(ValueError, match="is no part of whole"):
            share(part, whole)


# The policy


def test_the_ladder_is_what_it_was_and_the_specialist_beside_it() -> None:
    assert ladder.names() == list(RUNGS) == ladder.names("countdown")
    assert ladder.names("programs") == list(SPECIALISTS)
    assert data.mixture(data.LADDER) == data.MIXTURE
    assert {name for name, _ in data.MIXTURE} == {"chains", "countdown"}
    corpus = data.corpus(3_000, seed=0, domains=("programs",))
    for i in range(len(corpus)):
        piece = corpus.tokens[corpus.starts[i] : corpus.starts[i + 1]].tobytes()
        at = int(corpus.answers[i])
        prompt, text = tokenizer.decode(piece[1:at]), tokenizer.decode(piece[at:-1])
        assert problems.split_of("programs", prompt) == "train"
        assert i > 100 or program_oracle.right(prompt, text)


def test_the_policy_solves_some_and_passes_tests_with_wrong_programs() -> None:
    """Coverage grows with samples, and the shown tests let wrong programs through."""
    some = problems.evaluation_set("programs", 2, 40)
    counts = {}
    for verifier in (Exact(), UnitTests(), UnitTests(first=1)):
        outcomes = run(
            partial(count_correct, n=64), some, proposer=ladder.load("programs-105k"),
            verifier=verifier, seed=0,
        )  # fmt: skip
        counts[verifier.name] = [outcome.value.correct for outcome in outcomes]
    exact, three, one = counts.values()
    assert all(a <= b <= c for a, b, c in zip(exact, three, one, strict=True))
    assert sum(three) > 1.2 * sum(exact) and sum(one) > 1.5 * sum(three)
    pass_at_1, coverage = sum(exact) / 64 / 40, sum(c > 0 for c in exact) / 40
    assert 0.02 < pass_at_1 < 0.6 and coverage > 2 * pass_at_1
