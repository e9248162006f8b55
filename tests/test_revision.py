"""Revision: who sees what, what is returned and paid, what it is learned from."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_lab import ladder, problems
from tts_lab.ladder import tokenizer
from tts_lab.ladder.rungs import CONTEXT
from tts_lab.proposers.scripted import Scripted
from tts_lab.revise import copying, trajectories
from tts_lab.run import run
from tts_lab.strategies.revision import (
    CLOSED,
    ROOM,
    SPARE,
    WINDOW,
    by_chain,
    context,
    revise,
)  # fmt: skip
from tts_lab.traces import Problem
from tts_lab.verifiers.exact import Exact

PROBLEM = Problem("chains", "1+1\n", 1)


def counting(prompt: str, text: str, row: int, stream: int) -> str:
    """Each attempt says how many attempts it sees, and the row."""
    return f"#{text.count('?')}{row}"


def played(**options):
    [outcome] = run(
        partial(revise, **options), [PROBLEM], proposer=Scripted(counting),
        verifier=Exact(), seed=0,
    )  # fmt: skip
    return outcome


def test_an_attempt_sees_the_last_four_of_its_own_chain():
    found = [trace.text for trace, _ in played(n=7).value]
    assert [text[1] for text in found] == list("0123444")
    sequential = played(n=6, chains=2)
    assert [t.text[1] for t, _ in sequential.value] == list("001122")
    assert len(by_chain(sequential.value, 2)[1]) == 3


def test_all_parallel_is_repeated_sampling():
    outcome = played(n=5, chains=5)
    assert [trace.text for trace, _ in outcome.value] == [f"#0{i}" for i in range(5)]
    assert outcome.ledger.calls == 5


def test_a_last_round_may_be_shorter():
    outcome = played(n=5, chains=2)
    assert len(outcome.value) == 5
    assert [len(chain) for chain in by_chain(outcome.value, 2)] == [3, 2]


def test_every_attempt_is_scored_once_and_its_context_is_paid():
    outcome = played(n=3)
    ledger = outcome.ledger
    assert (ledger.calls, ledger.verifier_calls) == (3, 3)
    assert ledger.generated_tokens == sum(t.tokens for t, _ in outcome.value)
    # the problem is stated again behind the attempts: every context is read anew
    tokens = Scripted(counting).count_tokens(PROBLEM.prompt)
    first = context(PROBLEM.prompt, ["#00"])
    second = context(PROBLEM.prompt, ["#00", "#10"])
    assert ledger.prompt_tokens == tokens + len(first) + len(second)


def test_contexts_hold_what_fits_the_newest_first():
    prompt = PROBLEM.prompt
    assert context(prompt, []) == ""
    assert context(prompt, ["a"] * 9).count("?") == WINDOW
    long = "1" * ((ROOM - SPARE - len(CLOSED) - 2 * len(prompt)) // 2)
    assert context(prompt, [long]) == long + CLOSED + prompt
    assert context(prompt, ["2", long]) == long + CLOSED + prompt  # the older is left
    assert context(prompt, [long + "1"]) == ""
    assert context(prompt, ["2", "3"], room=20) == "3\n?\n2\n?\n" + prompt


@pytest.mark.parametrize("lengths", [(90,), (60, 60), (40, 30, 20, 10), (7,) * 9])
def test_an_attempt_behind_a_context_fits_into_the_ladders(lengths):
    attempts = ["1" * length for length in lengths]
    full = context("2" * 24, attempts)
    assert 1 + 24 + len(full) + max(lengths) + SPARE <= CONTEXT
    assert full


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be 1 or more, got 0"),
        ({"chains": 0}, "chains must be 1 or more, got 0"),
        ({"n": 2, "chains": 3}, "chains=3 do not fit into n=2 attempts"),
    ],
)
def test_bad_numbers_are_quoted(options, message):
    with pytest.raises(ValueError, match=message):
        played(**options)


@given(st.text("ab1#", max_size=12), st.text("ab1#", max_size=12))
def test_edit_distance_is_a_distance(a, b):
    found = trajectories.edit_distance(a, b)
    assert found == trajectories.edit_distance(b, a)
    assert (found == 0) == (a == b)
    assert abs(len(a) - len(b)) <= found <= max(len(a), len(b))


def test_edit_distance_of_known_words():
    assert trajectories.edit_distance("kitten", "sitting") == 3
    assert trajectories.edit_distance("flaw", "lawn") == 2


def test_the_closest_wrong_attempt_comes_last():
    wrong = ["#999999", "#84", "#1", "#84"]
    for attempts in range(1, 5):
        made = trajectories.trajectory(wrong, "#85", attempts, random.Random(1))
        assert made[-2:] == ["#84", "#85"]
        assert len(made) == min(attempts, 3) + 1  # three different ones
        assert len(set(made)) == len(made)
    assert trajectories.trajectory(wrong, "#85", 0, random.Random(1)) == ["#85"]
    assert trajectories.trajectory([], "#85", 3, random.Random(1)) == ["#85"]


def test_trajectories_end_right_and_are_the_same_each_time(monkeypatch):
    monkeypatch.setattr(trajectories, "PROBLEMS_AT_ONCE", 60)
    policy = ladder.load("27k")
    made, again = (
        trajectories.draw(policy, 20_000, contexts="wrong", seed=3) for _ in range(2)
    )
    assert np.array_equal(made.tokens, again.tokens)
    assert made.starts[-1] >= 20_000
    seen = set()
    for i in range(0, len(made), 7):
        piece = made.tokens[made.starts[i] : made.starts[i + 1]].tobytes()
        assert (piece[0], piece[-1]) == (tokenizer.BOS, tokenizer.EOS)
        before = tokenizer.decode(piece[1 : made.answers[i]])
        last = tokenizer.decode(piece[made.answers[i] : -1])
        prompt, _, attempts = before.partition("\n")
        name = "countdown" if ">" in prompt else "chains"
        problem = Problem(name, prompt + "\n")
        assert problems.split_of(name, problem.prompt) == "train"
        assert problems.domain(name).check(problem, last)
        wrong = attempts.split(CLOSED)
        assert wrong.pop() == (problem.prompt if wrong else "")
        assert not any(problems.domain(name).check(problem, text) for text in wrong)
        seen.add(len(wrong))
    assert {0, 1, 2} <= seen <= set(range(WINDOW + 1))


def test_sampled_contexts_keep_what_is_right_and_mend_what_is_not(monkeypatch):
    monkeypatch.setattr(trajectories, "PROBLEMS_AT_ONCE", 60)
    made = trajectories.draw(ladder.load("27k"), 20_000, seed=3)
    kept = mended = 0
    for i in range(len(made)):
        piece = made.tokens[made.starts[i] : made.starts[i + 1]].tobytes()
        before = tokenizer.decode(piece[1 : made.answers[i]])
        last = tokenizer.decode(piece[made.answers[i] : -1])
        prompt, _, attempts = before.partition("\n")
        domain = problems.domain("countdown" if ">" in prompt else "chains")
        problem = Problem("any", prompt + "\n")
        assert domain.check(problem, last)
        seen = attempts.split(CLOSED)[:-1]
        if seen and domain.check(problem, seen[0]):
            assert last == seen[0]
            kept += 1
        mended += bool(seen) and not domain.check(problem, seen[0])
    assert kept > 3 and mended > 10


def test_other_contexts_are_quoted():
    with pytest.raises(ValueError, match="contexts is 'right'"):
        trajectories.draw(Scripted(counting), 10, contexts="right")


def test_copies_end_with_the_newest_before_them():
    made = copying.draw(5_000, seed=1)
    for i in range(len(made)):
        piece = made.tokens[made.starts[i] : made.starts[i + 1]].tobytes()
        before = tokenizer.decode(piece[1 : made.answers[i]])
        last = tokenizer.decode(piece[made.answers[i] : -1])
        assert before.split(CLOSED)[0].endswith(last)  # the newest stands first
        assert len(piece) <= CONTEXT


def test_copies_stand_among_the_first_trajectories_only():
    copies = copying.draw(2_000, seed=1)
    drawn = copying.draw(9_000, seed=2)
    made = copying.mixed(copies, drawn, seed=0)
    assert len(made) == len(copies) + len(drawn)
    assert made.starts[-1] == copies.starts[-1] + drawn.starts[-1]

    def pieces(one):
        return [one.tokens[a:b].tobytes() for a, b in zip(one.starts, one.starts[1:],
                                                         strict=False)]  # fmt: skip

    mine, every = set(pieces(copies)), pieces(made)
    place = [i for i, piece in enumerate(every) if piece in mine]
    assert max(place) < 2.5 * len(copies)
    assert sorted(every) == sorted(pieces(copies) + pieces(drawn))
