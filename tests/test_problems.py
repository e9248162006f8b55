"""Domains against an independent oracle: generators, splits, checkers, step truth.

The oracle below shares no code with the package: it splits strings instead of
matching patterns, computes in fractions, and finds what countdown numbers can make
by cutting the set of numbers in two, not by playing moves.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from hashlib import sha256
from itertools import combinations, islice, permutations

import program_oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_lab import problems
from tts_lab.ladder import data, tokenizer
from tts_lab.problems import chains, countdown
from tts_lab.traces import Problem

KINDS = [(name, level) for name, m in problems.DOMAINS.items() for level in m.LEVELS]
CHARACTERS = "0123456789+-*/=|# \n>x%()"

unhurried = settings(deadline=None, derandomize=True, max_examples=100)


def some(
    name: str, level: int, n: int, split: str = "test"
) -> Iterator[tuple[Problem, str]]:
    """Problems with the traces that their generator made."""
    stream = problems.examples(name, level, split=split, seed=5)
    for prompt, trace in islice(stream, n):
        yield Problem(name, prompt, level), trace


# The oracle


def number(text: str, digits: int = 12) -> int:
    if not text or len(text) > digits or not set(text) <= set("0123456789"):
        raise ValueError(text)
    return sum(ord(c) - ord("0") for c in text[-1:]) + (
        10 * number(text[:-1]) if len(text) > 1 else 0
    )


def compute(left: int, operator: str, right: int) -> Fraction:
    a, b = Fraction(left), Fraction(right)
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else Fraction(-1)}[
        operator
    ]


def read_operation(text: str) -> tuple[int, str, int]:
    [operator] = set(text) & set("+-*/")
    left, right = text.split(operator)
    return number(left, 9), operator, number(right, 9)


def chain_answer(prompt: str) -> int:
    """By reading from the right: value(a + b * c) = value(a + b) * c."""
    prompt = prompt.strip()
    at = max(prompt.rfind(operator) for operator in "+-*")
    if at < 0:
        return int(prompt)
    return int(compute(chain_answer(prompt[:at]), prompt[at], int(prompt[at + 1 :])))


def chain_right(prompt: str, text: str) -> bool:
    last = text.rstrip("\n").split("\n")[-1]
    try:
        return last.startswith("#") and number(last[1:], 400) == chain_answer(prompt)
    except ValueError:
        return False


@cache
def makeable(numbers: tuple[int, ...]) -> frozenset[int]:
    """Every value that uses each number once, all values on the way being positive."""
    if len(numbers) == 1:
        return frozenset(numbers)
    found = set()
    indices = range(len(numbers))
    for size in range(1, len(numbers)):
        for chosen in combinations(indices, size):
            left = tuple(numbers[i] for i in chosen)
            right = tuple(numbers[i] for i in indices if i not in chosen)
            for a in makeable(left):
                for b in makeable(right):
                    for operator in "+-*/":
                        value = compute(a, operator, b)
                        if value > 0 and value.denominator == 1:
                            found.add(int(value))
    return frozenset(found)


def play(numbers: list[int], step: str) -> list[int]:
    """What is left after a countdown step; ValueError or KeyError if it is wrong."""
    operation, rest = step.split("|")
    terms, result = operation.split("=")
    left, operator, right = read_operation(terms)
    if compute(left, operator, right) != number(result) or number(result) < 1:
        raise ValueError(step)
    after = Counter(numbers)
    after[left] -= 1
    after[right] -= 1
    if min(after.values()) < 0:
        raise ValueError(step)
    after[number(result)] += 1
    listed = [number(text) for text in rest.split(" ")]
    if Counter(listed) != +after:
        raise ValueError(step)
    return listed


def countdown_right(prompt: str, text: str) -> bool:
    start, target = prompt.strip().split(">")
    numbers = [int(x) for x in start.split()]
    *steps, answer = text.rstrip("\n").split("\n")
    try:
        for step in steps:
            numbers = play(numbers, step)
    except (ValueError, KeyError):
        return False
    return numbers == [int(target)] and answer == f"#{int(target)}"


ORACLE = {
    "chains": chain_right,
    "countdown": countdown_right,
    "programs": program_oracle.right,
}

#: where the prompt tells what is right; `test_grids.py` has the others
TOLD = [kind for kind in KINDS if kind[0] in ORACLE]


# Generators


@pytest.mark.parametrize(("name", "level"), KINDS)
def test_a_seed_gives_the_same_problems_in_every_run(name: str, level: int) -> None:
    first = problems.sample(name, level, 20, seed=3)
    assert first == problems.sample(name, level, 20, seed=3)
    assert first[:5] == problems.sample(name, level, 5, seed=3)
    assert first != problems.sample(name, level, 20, seed=4)
    assert len({problems.domain(name).key(p.prompt) for p in first}) == 20


@pytest.mark.parametrize("level", chains.LEVELS)
def test_chain_levels_keep_their_ranges(level: int) -> None:
    operations, operand, limit = chains.LEVELS[level]
    rng = random.Random(level)
    values, seen = [], Counter()
    for _ in range(300):
        prompt = chains.draw(level, rng)
        operators = re.findall("[-+*]", prompt)
        assert len(operators) == operations
        seen.update(operators)
        numbers = [int(x) for x in re.split("[-+*]", prompt)]
        assert all(1 <= x <= operand for x in numbers)
        at = [m.start() for m in re.finditer("[-+*]", prompt)] + [None]
        values += [chain_answer(prompt[:end]) for end in at]
    assert min(values) >= 1 and max(values) <= limit
    assert max(values) > limit / 2  # the level uses its range
    assert min(seen.values()) > 30  # and each operation


@pytest.mark.parametrize("level", countdown.LEVELS)
def test_countdown_levels_keep_their_ranges(level: int) -> None:
    rng = random.Random(level)
    for _ in range(300):
        prompt, trace = countdown.example(level, rng)
        numbers, target = countdown.parse(prompt)
        assert len(numbers) == countdown.LEVELS[level]
        assert all(1 <= x <= countdown.LARGEST_NUMBER for x in numbers)
        assert 1 <= target <= countdown.LIMIT
        values = [int(x) for x in re.findall(r"=(\d+)", trace)]
        assert len(values) == len(numbers) - 1
        assert all(1 <= x <= countdown.LIMIT for x in values)


@pytest.mark.parametrize(("name", "level"), KINDS)
def test_prompts_and_traces_fit_the_tokenizer_and_the_context(
    name: str, level: int
) -> None:
    for problem, trace in some(name, level, 50):
        text = problem.prompt + trace
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(text) + 2 <= 256


# Splits


@unhurried
@given(st.sampled_from(KINDS), st.integers(0, 2**32))
def test_the_split_is_a_function_of_the_problem(
    kind: tuple[str, int], seed: int
) -> None:
    name, level = kind
    prompt = problems.domain(name).draw(level, random.Random(seed))
    split = problems.split_of(name, prompt)
    assert split in problems.SPLITS
    assert split == problems.split_of(name, prompt.strip())


@unhurried
@given(st.lists(st.integers(1, 99), min_size=2, max_size=4), st.integers(1, 999))
def test_countdown_permutations_share_a_split(numbers: list[int], target: int) -> None:
    prompts = [f"{' '.join(map(str, p))}>{target}\n" for p in permutations(numbers)]
    assert len({problems.split_of("countdown", p) for p in prompts}) == 1
    assert len({countdown.key(p) for p in prompts}) == 1


@pytest.mark.parametrize(("name", "level"), KINDS)
def test_samples_of_different_splits_share_nothing(name: str, level: int) -> None:
    keys = {
        split: {
            problems.domain(name).key(p.prompt)
            for p in problems.sample(name, level, 150, split=split, seed=1)
        }
        for split in problems.SPLITS
    }
    for one, other in combinations(keys.values(), 2):
        assert not one & other


def test_shares_of_the_splits() -> None:
    rng = random.Random(0)
    prompts = [chains.draw(6, rng) for _ in range(20_000)]
    found = Counter(problems.split_of("chains", p) for p in prompts)
    for split, (low, high) in problems.SPLITS.items():
        assert abs(found[split] / 20_000 - (high - low) / 1000) < 0.007


# Training data


def test_the_training_corpus_holds_right_traces_of_the_train_split_only() -> None:
    corpus = data.corpus(80_000, seed=0)
    frozen = {
        (name, problems.domain(name).key(p.prompt))
        for name, level in KINDS
        if name in data.LADDER
        for p in problems.evaluation_set(name, level)
    }
    seen = Counter()
    for i in range(len(corpus)):
        piece = corpus.tokens[corpus.starts[i] : corpus.starts[i + 1]].tobytes()
        answer = int(corpus.answers[i])
        assert piece[0] == tokenizer.BOS and piece[-1] == tokenizer.EOS
        prompt = tokenizer.decode(piece[1:answer])
        trace = tokenizer.decode(piece[answer:-1])
        name = "countdown" if ">" in prompt else "chains"
        assert problems.split_of(name, prompt) == "train"
        assert (name, problems.domain(name).key(prompt)) not in frozen
        assert ORACLE[name](prompt, trace)
        seen[name] += 1
    assert min(seen.values()) > 400


def test_a_longer_corpus_begins_with_the_shorter() -> None:
    short, long = data.corpus(1_000, seed=0), data.corpus(100_000, seed=0)
    assert len(long) > len(short)
    assert (long.tokens[: len(short.tokens)] == short.tokens).all()
    assert (long.starts[: len(short.starts)] == short.starts).all()
    assert not (data.corpus(1_000, seed=1).tokens[:500] == short.tokens[:500]).all()


# Exact checkers


@pytest.mark.parametrize(("name", "level"), TOLD)
def test_generated_traces_and_solutions_are_right(name: str, level: int) -> None:
    module = problems.domain(name)
    for problem, trace in some(name, level, 25 if level < 5 else 8):
        for text in (trace, trace + "\n", module.solution(problem.prompt)):
            assert ORACLE[name](problem.prompt, text)
            assert module.check(problem, text)
            assert module.extract_answer(text) == module.reference_answer(
                problem.prompt
            )
            steps = text.rstrip("\n").split("\n")
            assert all(module.check_step(problem, steps, i) for i in range(len(steps)))


@pytest.mark.parametrize(("name", "level"), TOLD)
def test_mutated_traces_are_judged_as_the_oracle_does(name: str, level: int) -> None:
    module = problems.domain(name)
    rng = random.Random(level)
    wrong = 0
    for problem, trace in some(name, level, 12):
        for _ in range(60):
            start = rng.choice([0, len(trace) - 3])  # the answer line often
            at = rng.randrange(start, len(trace))
            new = rng.choice(["", rng.choice(CHARACTERS), trace[at] * 2])
            text = trace[:at] + new + trace[at + 1 :]
            right = ORACLE[name](problem.prompt, text)
            assert module.check(problem, text) == right, text
            wrong += not right
    assert wrong > 100


@unhurried
@given(st.sampled_from(TOLD), st.text(CHARACTERS, max_size=60))
@example(("chains", 1), "#\n#")
@example(("countdown", 1), "")
def test_any_text_is_judged_as_the_oracle_does(
    kind: tuple[str, int], text: str
) -> None:
    name, level = kind
    problem, _ = next(some(name, level, 1))
    assert problems.domain(name).check(problem, text) == ORACLE[name](
        problem.prompt, text
    )


@unhurried
@given(st.sampled_from(list(ORACLE)), st.text(max_size=40))
@example("chains", "#٨٥")
@example("countdown", "٧*3=21|21\n#21")  # noqa: RUF001
def test_other_alphabets_are_wrong_and_never_an_error(name: str, text: str) -> None:
    prompt = {
        "chains": "47+38\n", "countdown": "3 7>21\n", "programs": "x:1>3,2>5\n",
    }[name]  # fmt: skip
    problem, module = Problem(name, prompt, 1), problems.domain(name)
    assert module.check(problem, text) == ORACLE[name](prompt, text)
    assert isinstance(module.render(problem, text), str)
    steps = text.split("\n")
    for i in range(len(steps)):
        module.check_step(problem, steps, i)


COUNTDOWN = Problem("countdown", "3 7 25>46\n", 2)


@pytest.mark.parametrize(
    "text",
    [
        "3*7=21|25 21\n25+21=46|46",  # no answer line
        "3*7=21|25 21\n#46",  # a step is missing
        "#46",  # nothing but the answer
        "3*7=21|25 21\n25+21=46|46\n46",  # no mark
        "3*7=21|25 21\n25+21=46|46\n#47",  # another answer
        "3*7=21|25 21\n25+21=46|46\n#046",  # not as the target is written
        "3*7=21|25 21\n25+21=46|46\n#46\n#46",  # two answers
        "3*7=21|25 21\n25+21=46|46\n\n#46",  # an empty step
        "3*7=22|25 22\n25+21=46|46\n#46",  # wrong result
        "3*7=21|25\n25+21=46|46\n#46",  # left list too short
        "3*7=21|25 21 3\n25+21=46|46\n#46",  # left list too long
        "3*7=21|21 21\n25+21=46|46\n#46",  # another left list
        "3+3=6|7 25\n25+21=46|46\n#46",  # a number used twice
        "23*2=46|46\n#46",  # numbers that are not there
        "3-25=22|7 22\n22*7=154|154\n#46",  # a negative result
        "25/3=8|7 8\n7+8=15|15\n#46",  # a remainder
        "3*7=21 |25 21\n25+21=46|46\n#46",  # blanks
        "3*7=21|25  21\n25+21=46|46\n#46",
        " 3*7=21|25 21\n25+21=46|46\n#46",
        "3*7=21|25 21\n25+21=46|46\n#46 ",
        "3*7=21|25 21\n25+21=46|46\n#46#46",
        "3x7=21|25 21\n25+21=46|46\n#46",  # no operator
    ],
)
def test_wrong_countdown_traces(text: str) -> None:
    assert countdown.check(COUNTDOWN, "3*7=21|25 21\n25+21=46|46\n#46")
    assert countdown.check(COUNTDOWN, "7*3=21|21 25\n21+25=46|46\n#46\n")
    assert not countdown.check(COUNTDOWN, text)
    assert not countdown_right(COUNTDOWN.prompt, text)


def test_equal_numbers_are_different_cards() -> None:
    problem = Problem("countdown", "5 5 2>20\n", 2)
    assert countdown.check(problem, "5+5=10|2 10\n10*2=20|20\n#20")
    assert not countdown.check(problem, "5*2=10|5 10\n10+10=20|20\n#20")
    assert countdown.check(Problem("countdown", "5 5>1\n"), "5/5=1|1\n#1")
    assert not countdown.check(Problem("countdown", "5 5>0\n"), "5-5=0|0\n#0")


def test_an_answer_is_the_last_line_with_its_mark() -> None:
    for module in (chains, countdown):
        assert module.extract_answer("1+2=3\n#3") == "3"
        assert module.extract_answer("1+2=3\n#3\n\n") == "3"
        assert module.extract_answer("#3\n1+2=3") is None
        for text in ("", "#", "3", "# 3", "#3 ", "#3.0", "##3", "#٣", "#3\n "):
            assert module.extract_answer(text) is None, text
        assert module.extract_answer("#007") == "7"  # votes are on numbers


@pytest.mark.parametrize("prompt", ["3-5", "999999999*999999999\n", "1-9*9-9"])
def test_a_chain_of_ones_own_may_leave_the_levels_ranges(prompt: str) -> None:
    problem = Problem("chains", prompt)
    assert chains.reference_answer(prompt) == str(chain_answer(prompt))
    assert chains.check(problem, chains.solution(prompt))
    assert not chains.check(problem, "#5")


# Step truth


@pytest.mark.parametrize("level", [2, 3])
def test_countdown_step_truth_against_full_enumeration(level: int) -> None:
    rng = random.Random(level)
    seen = Counter()
    for problem, _ in some("countdown", level, 12 if level == 2 else 6):
        start, target = countdown.parse(problem.prompt)
        numbers, steps = list(start), []
        while len(numbers) > 1:
            options = [
                f"{a}{operator}{b}={value}|"
                + " ".join(map(str, [*numbers[:i], *numbers[i + 1 : j],
                                     *numbers[j + 1 :], value]))
                for i in range(len(numbers))
                for j in range(i + 1, len(numbers))
                for a, b in [(numbers[i], numbers[j]), (numbers[j], numbers[i])]
                for operator in "+-*/"
                for value in {int(compute(a, operator, b)), rng.randint(1, 99)}
                if value >= 0
            ]  # fmt: skip
            legal = []
            for step in options:
                try:
                    left = play(numbers, step)
                except (ValueError, KeyError):
                    truth = False
                else:
                    truth = target in makeable(tuple(sorted(left)))
                    legal.append(step)
                found = countdown.check_step(problem, [*steps, step], len(steps))
                assert found == truth, (problem.prompt, steps, step)
                seen[truth] += 1
            steps.append(rng.choice(legal))
            numbers = play(numbers, steps[-1])
        for answer in (f"#{target}", "#1", "", f"{numbers[0]}"):
            truth = numbers == [target] and answer == f"#{target}"
            assert countdown.check_step(problem, [*steps, answer], len(steps)) == truth
    assert min(seen.values()) > 20


@unhurried
@given(st.lists(st.integers(1, 12), min_size=2, max_size=4), st.data())
def test_reachable_is_exactly_what_can_be_made(
    numbers: list[int], draw: st.DataObject
) -> None:
    cards = tuple(sorted(numbers))
    can = makeable(cards)
    target = draw.draw(st.one_of(st.sampled_from(sorted(can)), st.integers(1, 200)))
    assert countdown.reachable(cards, target) == (target in can)
    prompt = f"{' '.join(map(str, numbers))}>{target}\n"
    if target in can:
        text = countdown.solution(prompt)
        assert countdown_right(prompt, text)
        assert countdown.check(Problem("countdown", prompt), text)
    else:
        with pytest.raises(ValueError, match="no solution"):
            countdown.solution(prompt)


def test_after_a_wrong_countdown_step_nothing_is_right() -> None:
    steps = ["3*7=22|25 22", "25+22=47|47", "#46"]
    assert not any(countdown.check_step(COUNTDOWN, steps, i) for i in range(3))
    steps = ["3*7=21|25 21", "25+21=46|46", "#46", "#46"]
    truth = [countdown.check_step(COUNTDOWN, steps, i) for i in range(4)]
    assert truth == [True, True, True, False]
    dead_end = ["25-3=22|7 22", "7*22=154|154", "#46"]
    assert [countdown.check_step(COUNTDOWN, dead_end, i) for i in range(3)] == [
        46 in makeable((7, 22)), False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("level", chains.LEVELS)
def test_chain_step_truth(level: int) -> None:
    rng = random.Random(level)
    for problem, trace in some("chains", level, 10):
        steps = trace.split("\n")
        value = int(re.match(r"\d+", problem.prompt)[0])  # type: ignore[index]
        for i, step in enumerate(steps[:-1]):
            left, operator, right = read_operation(step.split("=")[0])
            assert left == value
            value = int(compute(left, operator, right))
            assert step == f"{left}{operator}{right}={value}"
            for wrong in (
                f"{left}{operator}{right}={value + rng.choice([-1, 1, 10])}",
                step + " ",
                f"{right}{operator}{left}={value}" if left != right else "",
                steps[i + 1],
            ):
                changed = [*steps[:i], wrong, *steps[i + 1 :]]
                assert not chains.check_step(problem, changed, i)
                assert chains.check_step(problem, changed, len(steps) - 1)
        assert steps[-1] == f"#{value}" and value == chain_answer(problem.prompt)
        assert not chains.check_step(problem, [*steps, steps[-1]], len(steps))


def test_rendering_marks_each_line() -> None:
    shown = countdown.render(COUNTDOWN, "3*7=21|25 21\n25+21=47|47\n#47\n")
    assert shown.split("\n") == [
        "make 46 from 3 7 25", "  ✓ 3*7=21|25 21", "  ✗ 25+21=47|47", "  ✗ #47",
    ]  # fmt: skip
    assert countdown.render(COUNTDOWN, "") == "make 46 from 3 7 25"
    assert chains.render(Problem("chains", "3+5\n"), "") == "3+5"


# The frozen evaluation set


def test_the_evaluation_set_is_as_frozen() -> None:
    content = problems._EVALUATION.read_bytes()
    assert sha256(content).hexdigest() == problems.EVALUATION_HASH
    assert problems.freeze().encode() == content
    later = problems._PROGRAMS.read_bytes()
    assert sha256(later).hexdigest() == problems.PROGRAMS_HASH
    assert problems.freeze("programs").encode() == later
    last = problems._GRIDS.read_bytes()
    assert sha256(last).hexdigest() == problems.GRIDS_HASH
    assert problems.freeze("grids").encode() == last


@pytest.mark.parametrize(("name", "level"), KINDS)
def test_the_evaluation_set_of_a_level(name: str, level: int) -> None:
    module = problems.domain(name)
    frozen = problems.evaluation_set(name, level)
    assert len({module.key(p.prompt) for p in frozen}) == len(frozen) == 200
    assert {problems.split_of(name, p.prompt) for p in frozen} == {"test"}
    assert {(p.domain, p.level) for p in frozen} == {(name, level)}
    assert problems.evaluation_set(name, level, 7) == frozen[:7]
    if name == "countdown":
        assert len(countdown.parse(frozen[0].prompt)[0]) == countdown.LEVELS[level]
    elif name == "programs":
        true = module.reference_answer(frozen[0].prompt)
        assert sum(c in "+-*/%" for c in true) == level
    elif name == "grids":
        assert all(module.check(p, f"#{p.answer}") for p in frozen)
    else:
        operations = len(re.findall("[-+*]", frozen[0].prompt))
        assert operations == chains.LEVELS[level].operations


@pytest.mark.parametrize(
    ("file", "part", "other"),
    [("_EVALUATION", b"61-39", b"61-38"), ("_GRIDS", b"0>00", b"0>01")],
)
def test_an_altered_evaluation_set_is_refused(
    tmp_path, monkeypatch: pytest.MonkeyPatch, file: str, part: bytes, other: bytes
) -> None:
    content = getattr(problems, file).read_bytes()
    altered = tmp_path / getattr(problems, file).name
    altered.write_bytes(content.replace(part, other, 1))
    assert altered.read_bytes() != content
    monkeypatch.setattr(problems, file, altered)
    problems._evaluation.cache_clear()
    try:
        message = rf"{altered.name} was altered.*SHA-256"
        with pytest.raises(ValueError, match=message):
            problems.evaluation_set("chains", 1)
    finally:
        problems._evaluation.cache_clear()


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: problems.domain("sudoku"),
            r"'sudoku'.*\['chains', 'countdown', 'grids', 'programs', 'text'\]",
        ),
        (lambda: problems.sample("sudoku", 1, 1), r"'sudoku'.*'chains', 'countdown'"),
        (lambda: problems.sample("chains", 10, 1), r"10 of chains.*\[1, 2, .*9\]"),
        (lambda: problems.sample("chains", 0, 1), "level 0 of chains"),
        (lambda: problems.sample("countdown", "1", 1), "level '1' of countdown"),
        (lambda: problems.sample("countdown", 1.0, 1), r"level 1\.0 of countdown"),
        (lambda: problems.sample("countdown", True, 1), "level True of countdown"),
        (
            lambda: problems.sample("chains", 1, 1, split="dev"),
            "'dev'.*'test', 'train'",
        ),
        (lambda: problems.sample("chains", 1, 0), "n=0 problems.*1 to 1,000,000"),
        (lambda: problems.sample("chains", 1, -3), "n=-3"),
        (lambda: problems.sample("chains", 1, 10**9), "n=1000000000"),
        (lambda: problems.sample("chains", 1, 2.5), r"n=2\.5"),
        (lambda: problems.sample("chains", 1, "5"), "n='5'"),
        (lambda: problems.evaluation_set("sudoku", 1), "'sudoku'"),
        (lambda: problems.evaluation_set("chains", 10), "10 of chains"),
        (lambda: problems.evaluation_set("chains", 1.0), r"level 1\.0"),
        (lambda: problems.evaluation_set("chains", 1, 0), "n=0 .* has 200"),
        (lambda: problems.evaluation_set("chains", 1, 201), "n=201 .* has 200"),
        (lambda: problems.evaluation_set("chains", 1, 2.5), r"n=2\.5 .* has 200"),
        (lambda: problems.examples("sudoku", 1, split="test", seed=0), "'sudoku'"),
        (lambda: problems.examples("chains", 1, split="dev", seed=0), "'dev'"),
        (lambda: problems.split_of("sudoku", "1+1"), "'sudoku'"),
        (lambda: problems.sample("text", 1, 1), r"text .*sources\.load"),
        (lambda: problems.evaluation_set("text", 1), r"text .*sources\.load"),
    ],
)
def test_errors_quote_the_value_and_say_what_there_is(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_more_problems_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(chains.LEVELS, 1, chains.Level(1, 9, 99))
    message = r"n=1000000: the test split of chains level 1 has only about \d\d? prob"
    with pytest.raises(ValueError, match=message):
        problems.sample("chains", 1, 1_000_000)


@pytest.mark.parametrize(
    "prompt",
    ["", "47", "47+", "+47", "47/2", "4 7+3", "47+-3", "1+2\n\n", "٤+2", "a+b"],
)
def test_what_is_no_chain_is_quoted(prompt: str) -> None:
    for function in (chains.parse, chains.solution, chains.reference_answer):
        with pytest.raises(ValueError, match=re.escape(repr(prompt))):
            function(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["", "3 7", "3>7", "3 7>", ">21", "3,7>21", "3 0>3", "0 5 7>12", "-3 7>4",
     "3 7>21>3", "1 2 3 4 5 6 7 8 9>45", "3  7>21", "٣ 7>21"],
)  # fmt: skip
def test_what_is_no_countdown_problem_is_quoted(prompt: str) -> None:
    for function in (countdown.parse, countdown.solution, countdown.key):
        with pytest.raises(ValueError, match=re.escape(repr(prompt))):
            function(prompt)


def test_operators_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"operator '/'.*\+ - \*"):
        chains.apply(4, "/", 2)
    with pytest.raises(ValueError, match=r"operator '\^'.*\+ - \* /"):
        countdown.apply(4, "^", 2)
