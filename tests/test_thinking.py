"""Thinking longer: budget forcing, checks, training data, s1's measures."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_lab import ladder, problems
from tts_lab.ladder import tokenizer
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies.thinking import WAIT, answer, think, thoughts
from tts_lab.think import metrics
from tts_lab.think.checks import check_line, sound
from tts_lab.think.trajectories import draw, encode, trajectory
from tts_lab.traces import Problem
from tts_lab.verifiers.exact import Exact

CHAIN = Problem("chains", "4+8\n", 1)
WRONG, RIGHT = "4+8=13\n#13\n?12 x", "4+8=12\n#12\n?12 ok"


def thought(table, problem=CHAIN, **budget):
    outcomes = run(
        partial(think, **budget), [problem], proposer=Scripted(table),
        verifier=Exact(), seed=0,
    )  # fmt: skip
    return outcomes[0]


def test_the_answer_is_the_last_whole_attempt():
    text = f"{WRONG}\n{WAIT}4+8\n{RIGHT}"
    found = thought({"4+8\n": [text]}).value
    assert (found.answer.text, found.score, found.ends) == ("4+8=12\n#12", 1.0, ())
    assert [one.verdict for one in thoughts(CHAIN, text)] == ["x", "ok"]


def test_a_cut_thought_answers_with_what_stands():
    text = f"{WRONG}\n{WAIT}4+8\n{RIGHT}"
    outcome = thought({"4+8\n": [text]}, most=30)
    assert outcome.value.cut
    assert outcome.value.answer.text == "4+8=13\n#13"
    assert outcome.ledger.generated_tokens == 30


def test_a_forced_wait_is_read_and_not_generated():
    again = f"4+8\n{WRONG}"
    table = {"4+8\n": [RIGHT], f"4+8\n{RIGHT}\n{WAIT}": [again]}
    outcome = thought(table, waits=1)
    found = outcome.value
    assert found.score == 0.0  # the forced wait spoilt it
    assert found.ends == (len(RIGHT) + 1,)
    assert outcome.ledger.generated_tokens == len(RIGHT) + len(again) + 2
    assert outcome.ledger.prompt_tokens == len(CHAIN.prompt) + 1 + len(WAIT)


def test_least_forces_until_it_is_long_enough():
    table = {"4+8\n": [RIGHT], f"4+8\n{RIGHT}\n{WAIT}": [f"4+8\n{RIGHT}"]}
    assert len(thought(table, least=len(RIGHT) + 1).value.ends) == 0
    assert len(thought(table, least=len(RIGHT) + 2).value.ends) == 1


def test_another_models_format():
    """The end of thinking is a marker, and a cut one is asked for its answer."""
    problem = Problem("text", "What is 4+8?\n", None, "12")
    first = "I add. It is 13.</think>13"
    second = " no, 12.</think>The answer is \\boxed{12}"
    table = {
        problem.prompt: [first],
        f"{problem.prompt}I add. It is 13.\nWait,": [second],
        f"{problem.prompt}I add. I</think>Final answer:": [" 7"],
    }
    long = thought(table, problem, waits=1, wait="\nWait,", end="</think>").value
    assert long.text.count("</think>") == 1
    assert long.text.endswith("\\boxed{12}")
    short = thought(
        table, problem, most=8, end="</think>", final="</think>Final answer:",
        answer_tokens=2,
    ).value  # fmt: skip
    assert short.cut
    assert short.text == "I add. I</think>Final answer: 7"


def test_a_full_context_ends_it():
    thinker = ladder.load("105k")  # has never heard of waiting: its contexts fill
    [problem] = problems.sample("chains", 3, 1, seed=1)
    [outcome] = run(
        partial(think, least=10**6), [problem], proposer=thinker, verifier=Exact(),
        seed=0,
    )  # fmt: skip
    spent = thinker.count_tokens(problem.prompt, outcome.value.text)
    assert outcome.complete
    assert spent >= thinker.context - 1 - len(WAIT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"waits": -1}, "waits is -1; accepted is 0 or more"),
        ({"least": -5}, "least is -5; accepted is 0 or more"),
        ({"most": 0}, "most is 0 and least 0; accepted is most of 1 or more"),
        ({"most": 10, "least": 20}, "most is 10 and least 20"),
        ({"answer_tokens": 0}, "answer_tokens is 0; accepted is 1 or more"),
    ],
)
def test_budgets_out_of_range_are_quoted(options, said):
    with pytest.raises(ValueError, match=said):
        next(think(CHAIN, **options))


KINDS = [("chains", level) for level in (1, 3, 6, 8)]
KINDS += [("countdown", level) for level in (1, 2, 3, 5)]


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_right_traces_check_out_and_broken_ones_do_not(kind, seed):
    rng = random.Random(seed)
    prompt, trace = problems.domain(kind[0]).example(kind[1], rng)
    problem = Problem(kind[0], prompt, kind[1])
    line = check_line(problem, trace)
    values = [step.partition("=")[2].partition("|")[0]
              for step in trace.split("\n")[:-1]]  # fmt: skip
    assert line == "?" + " ".join([*values, "ok"])
    assert sound(problem, trace) == len(trace)
    number = rng.randrange(len(values))
    lines = trace.split("\n")
    head, _, rest = lines[number].partition("=")
    value, bar, left = rest.partition("|")
    wrong = str(int(value) + 1)
    if bar:
        left = " ".join([*left.split(" ")[:-1], wrong])
    lines[number] = f"{head}={wrong}{bar}{left}"
    broken = "\n".join(lines)
    verdict = "ok" if problems.domain(kind[0]).check(problem, broken) else "x"
    expected = "?" + " ".join([*values[: number + 1], verdict])
    assert check_line(problem, broken) == expected
    assert verdict == "x" or kind[0] == "chains"  # whose answer alone is checked
    assert sound(problem, broken) == sum(len(one) + 1 for one in lines[:number])


def test_a_number_used_twice_has_no_value():
    problem = Problem("countdown", "3 7>14\n", 1)
    assert check_line(problem, "7+7=14|14\n#14") == "?x"
    assert check_line(problem, "7*3=21|21\n#14") == "?21 x"


def test_a_trajectory_ends_with_the_first_right_attempt():
    attempts = [(f"#{i}", i == 7) for i in range(10)]
    for seed in range(20):
        made = trajectory(attempts, "#77", random.Random(seed))
        assert made[-1] == "#7"
        assert len(set(made)) == len(made)
    assert trajectory([("#1", False)], "#77", random.Random(0)) == ["#1", "#77"]


@pytest.mark.parametrize("room", [60, 100, 256])
def test_trajectories_fit_and_their_wrong_lines_are_not_learned(room):
    texts = ["4+8=13\n#13"] * 5 + ["4+8=12\n#12"]
    tokens, marks = encode(CHAIN, texts, room)
    assert len(tokens) == len(marks) <= room
    text = tokenizer.decode(tokens[1:-1])
    learned = "".join(c for c, mark in zip(text, marks[1:-1], strict=True)
                      if mark == "1")  # fmt: skip
    assert "13" not in learned
    assert text.endswith("4+8=12\n#12\n?12 ok")
    assert learned.endswith("4+8=12\n#12\n?12 ok")
    assert marks[0] == "0"  # BOS
    assert marks[-1] == "1"  # to end is learned
    assert encode(CHAIN, texts, 20) is None


def test_training_data_is_made_of_training_problems():
    made = draw(ladder.load("105k"), 5_000, samples=4, seed=3)
    assert made.starts[-1] >= 5_000
    assert made.taught is not None
    assert len(made.taught) == made.starts[-1]
    for i in range(0, len(made), 50):
        piece = made.tokens[made.starts[i] : made.starts[i + 1]].tobytes()
        text = tokenizer.decode(piece[1:-1])
        prompt = text.partition("\n")[0]
        domain = "countdown" if ">" in prompt else "chains"
        assert problems.split_of(domain, prompt) == "train"
        assert text.endswith("ok")


def test_the_last_attempt_counts_only_when_it_is_whole():
    text = f"{RIGHT}\n{WAIT}4+8\n4+8=1"
    assert answer(CHAIN, text) == "4+8=12\n#12"
    assert answer(CHAIN, "4+8=1") == "4+8=1"
    assert answer(CHAIN, "") == ""


def test_s1s_measures_by_hand():
    assert metrics.control([50, 100, 150], 100, 200) == pytest.approx(2 / 3)
    # pairs: (0.2/100, 0.2/300, 0.0/200)
    by_hand = (0.2 / 100 + 0.2 / 300 + 0.0) / 3
    assert metrics.scaling([400, 100, 200], [0.4, 0.2, 0.4]) == pytest.approx(by_hand)
    assert metrics.performance([0.1, 0.5, 0.2]) == 0.5
    assert metrics.log_slope([10, 20, 40], [0.1, 0.2, 0.3]) == pytest.approx(0.1)


@given(st.floats(0.01, 0.2), st.floats(-0.05, 0.05), st.integers(1, 4))
def test_a_bend_is_found_where_it_is(before, after, knot):
    x = 2.0 ** np.arange(6)
    logs = np.arange(6)
    y = 0.1 + before * np.minimum(logs - knot, 0) + after * np.maximum(logs - knot, 0)
    at, first, second = metrics.bend(x, y)
    assert first == pytest.approx(before, abs=1e-9)
    if abs(before - after) > 1e-6:
        assert at == pytest.approx(2.0**knot)
        assert second == pytest.approx(after, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.control([], 0, 1), "tokens is empty"),
        (lambda: metrics.scaling([1], [0.5]), "2 or more"),
        (lambda: metrics.scaling([1, 1], [0.5, 0.6]), "repeat"),
        (lambda: metrics.log_slope([0, 1], [0.5, 0.6]), "above 0"),
        (lambda: metrics.bend([1, 2, 3], [0, 0, 0]), "3 points; accepted are 4"),
        (lambda: metrics.performance([]), "accuracy is empty"),
    ],
)
def test_curves_that_cannot_be_measured(call, said):
    with pytest.raises(ValueError, match=said):
        call()
