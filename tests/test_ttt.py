"""Test-time training before any training: views, examples, votes; no torch."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from grid_tasks import cells
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_lab.ladder import tokenizer
from tts_lab.ladder.tokenizer import BOS, EOS
from tts_lab.problems import grids
from tts_lab.problems.transformations import SEEN, WIDTH
from tts_lab.ttt.examples import (
    Examples,
    direct,
    joined,
    leave_one_out,
    pieces,
    training_set,
)
from tts_lab.ttt.views import IDENTITY, View, permuted, views
from tts_lab.ttt.vote import ballot, two_stage

unhurried = settings(deadline=None, derandomize=True, max_examples=100)
rows = st.lists(st.integers(0, 9), min_size=WIDTH, max_size=WIDTH).map(tuple)
sides = st.builds(
    lambda reverse, seed: permuted(View(reverse), 4, random.Random(seed)),
    st.booleans(),
    st.integers(0, 2**32),
)

DEMONSTRATIONS, ASKED = grids.task(SEEN["move"], random.Random(1))


# Views


@unhurried
@given(sides, rows)
def test_a_view_is_turned_back(view: View, row: grids.Row) -> None:
    seen = view.row(row)
    assert view.back(seen) == row and view.row(view.back(row)) == row
    assert seen.count(0) == row.count(0)
    assert sorted(Counter(seen).values()) == sorted(Counter(row).values())


@unhurried
@given(sides)
def test_a_seen_task_is_the_task_from_there(view: View) -> None:
    shown, asked = view.task(DEMONSTRATIONS, ASKED[0])
    assert view.back(asked) == ASKED[0]
    assert Counter((view.back(a), view.back(b)) for a, b in shown) == Counter(
        DEMONSTRATIONS
    )
    assert [(view.back(a), view.back(b)) for a, b in shown] == [
        DEMONSTRATIONS[i] for i in view.order
    ]


def test_what_a_view_looks_like() -> None:
    colours = (0, 2, 3, 1, *range(4, 10))
    assert View(colours=colours).row(cells("1203")) == cells("2301")
    assert View(True, colours).row(cells("12")) == cells("..............32")
    assert View(True, colours).back(cells("..............32")) == cells("12")
    assert IDENTITY.task(DEMONSTRATIONS, ASKED[0]) == (DEMONSTRATIONS, ASKED[0])
    assert (IDENTITY.name, View(True, colours).name) == ("identity", "reverse")


def test_the_sides_to_look_from() -> None:
    found = views(4, permutations=4, seed=3)
    assert found == views(4, permutations=4, seed=3) != views(4, permutations=4, seed=4)
    assert Counter(view.name for view in found) == {"identity": 5, "reverse": 5}
    assert {IDENTITY, View(reverse=True)} <= set(found) and len(set(found)) == 10
    for view in set(found) - {IDENTITY, View(reverse=True)}:
        assert view.colours[0] == 0 and sorted(view.colours) == list(range(10))
        assert sorted(view.order) == list(range(4))
    assert views(4, permutations=0) == [IDENTITY, View(reverse=True)]


# Examples


def texts(examples: Examples) -> list[str]:
    """The examples' texts, without what begins and ends them."""
    found = []
    for row, length in zip(examples.inputs, examples.lengths, strict=True):
        assert row[0] == BOS and not row[length - 1 :].any()
        found.append(tokenizer.decode(row[1 : length - 1].astype(np.uint8).tobytes()))
    return found


def kept(examples: Examples) -> list[str]:
    """What the loss is taken of, `$` for the end of the text."""
    return [
        tokenizer.decode(row[(row >= 0) & (row != EOS)].astype(np.uint8).tobytes())
        + "$" * int((row == EOS).sum())
        for row in examples.targets
    ]


def text_of(row: grids.Row) -> str:
    return "".join(map(str, row))


def test_each_demonstration_is_left_out_once() -> None:
    tasks = leave_one_out(DEMONSTRATIONS)
    assert [pair for _, pair in tasks] == DEMONSTRATIONS
    for shown, pair in tasks:
        assert len(shown) == 3 and pair not in shown
        assert shown == [one for one in DEMONSTRATIONS if one != pair]
    assert direct(DEMONSTRATIONS) == [([], pair) for pair in DEMONSTRATIONS]


def test_the_first_examples_are_the_tasks_as_they_stand() -> None:
    found = texts(training_set(DEMONSTRATIONS, size=4, seed=5))
    assert found == [
        grids.prompt_of(shown, row) + grids.trace_of(done)
        for shown, (row, done) in leave_one_out(DEMONSTRATIONS)
    ]


def test_every_example_is_a_left_out_task_from_some_side() -> None:
    examples = training_set(DEMONSTRATIONS, size=40, seed=5)
    chosen = pieces(DEMONSTRATIONS, size=40, seed=5)
    assert Counter(piece.number for piece in chosen) == dict.fromkeys(range(4), 10)
    for text, piece in zip(texts(examples), chosen, strict=True):
        assert text == grids.prompt_of(piece.shown, piece.pair[0]) + grids.trace_of(
            piece.pair[1]
        )
        back = [tuple(map(piece.view.back, pair)) for pair in piece.shown]
        assert tuple(map(piece.view.back, piece.pair)) == DEMONSTRATIONS[piece.number]
        others = [DEMONSTRATIONS[i] for i in piece.others]
        assert DEMONSTRATIONS[piece.number] not in others
        assert back == [others[i] for i in piece.view.order or range(3)]
        assert len(text) == examples.lengths[0] - 2
    assert {piece.view.name for piece in chosen} == {"identity", "reverse"}
    assert len({piece.view for piece in chosen}) == 37
    same = training_set(DEMONSTRATIONS, size=40, seed=5)
    assert (same.inputs == examples.inputs).all()
    other = training_set(DEMONSTRATIONS, size=40, seed=6)
    assert (other.inputs != examples.inputs).any()


def test_without_transformations_rows_stay_as_they_are() -> None:
    given_rows = {text_of(row) for pair in DEMONSTRATIONS for row in pair}
    found = texts(training_set(DEMONSTRATIONS, size=30, transformations=False, seed=1))
    for text in found:
        parts = text.replace(">\n#", ">").replace("|", ">").split(">")
        assert set(parts) <= given_rows and len(parts) == 8
    assert len(set(found)) > 12  # demonstrations are permuted all the same


def test_the_loss_is_of_outputs_from_the_second_on() -> None:
    chosen = pieces(DEMONSTRATIONS, size=12, seed=2)
    whole = kept(training_set(DEMONSTRATIONS, size=12, seed=2))
    last = kept(training_set(DEMONSTRATIONS, size=12, demonstration_loss=False, seed=2))
    for piece, some, one in zip(chosen, whole, last, strict=True):
        outputs = "".join(text_of(output) for _, output in piece.shown[1:])
        assert one == f"#{text_of(piece.pair[1])}$"
        assert some == outputs + one


def test_direct_examples_show_nothing() -> None:
    examples = training_set(DEMONSTRATIONS, size=10, leave_out=False, seed=0)
    found = texts(examples)
    assert all("|" not in text and len(text) == 2 * WIDTH + 3 for text in found)
    assert found[:4] == [
        f"{text_of(row)}>\n#{text_of(done)}" for row, done in DEMONSTRATIONS
    ]
    assert kept(examples) == [text.partition("\n")[2] + "$" for text in found]


def test_targets_are_the_next_tokens() -> None:
    examples = training_set(DEMONSTRATIONS, size=6, seed=0)
    shifted = examples.inputs[:, 1:]
    aim = examples.targets[:, :-1]
    assert (aim[aim >= 0] == shifted[aim >= 0]).all() and (aim >= 0).any()


def test_sets_are_joined_with_padding() -> None:
    some = training_set(DEMONSTRATIONS, size=3, seed=0)
    short = training_set(DEMONSTRATIONS[:2], size=2, seed=0)
    both = joined([some, short])
    assert texts(both) == texts(some) + texts(short)
    assert kept(both) == kept(some) + kept(short)
    assert both.tokens == some.tokens + short.tokens == both.lengths.sum()
    with pytest.raises(ValueError, match="no tasks to join"):
        joined([])


def test_tokens_are_those_of_the_texts() -> None:
    examples = training_set(DEMONSTRATIONS, size=9, seed=0)
    assert examples.tokens == sum(len(text) + 2 for text in texts(examples))
    assert len(examples) == 9


def test_what_no_examples_can_be_made_of() -> None:
    with pytest.raises(ValueError, match=r"1 demonstrations; .* takes 2 or more"):
        training_set(DEMONSTRATIONS[:1], size=4)
    assert len(training_set(DEMONSTRATIONS[:1], size=4, leave_out=False)) == 4
    with pytest.raises(ValueError, match="size is 0; accepted is 1 or more"):
        training_set(DEMONSTRATIONS, size=0)


# Votes


@pytest.mark.parametrize(
    ("found", "answers"),
    [
        # the most frequent of all
        ("iA iB rB rB", "BA"),
        # a tie: what the identity found more often, whatever was seen first
        ("rB iA", "AB"),
        ("rB rB iB iA iA iA", "AB"),
        # a tie without the identity: what was seen first
        ("rC rA rB", "CA"),
        # each transformation elects three: D's vote of the identity is lost
        ("iA iA iA iB iB iC iC iD rD", "AB"),
        ("iA iA iB iB iC iC iD rD rD", "AB"),
        # nothing was found, and one only
        ("", ""),
        ("i- r- r-", ""),
        ("i- i- i- iA r-", "A"),
    ],
)
def test_votes_counted_by_hand(found: str, answers: str) -> None:
    names = {"i": "identity", "r": "reverse"}
    votes = [(names[v[0]], None if v[1] == "-" else v[1]) for v in found.split()]
    assert "".join(two_stage(votes)) == answers


def test_both_stages_of_a_ballot() -> None:
    votes = [("identity", x) for x in "AAABBCCD"] + [("reverse", x) for x in "DDAE"]
    found = ballot(votes)
    assert found.each == {
        "identity": {"A": 3, "B": 2, "C": 2, "D": 1},
        "reverse": {"D": 2, "A": 1, "E": 1},
    }
    assert found.elected == {"A": 4, "B": 2, "C": 2, "D": 2, "E": 1}
    assert list(found.elected) == list("ABCDE")  # D had one vote of the identity
    assert found.answers == ["A", "B"]


@unhurried
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["identity", "reverse", "third"]),
            st.none() | st.sampled_from([(1,), (2,), (3,), (4,), (5,)]),
        ),
        max_size=30,
    )
)
def test_votes_in_general(found: list[tuple[str, tuple[int, ...] | None]]) -> None:
    answers = two_stage(found)
    said = {answer for _, answer in found if answer is not None}
    assert len(answers) == min(2, len(said)) == len(set(answers))
    assert set(answers) <= said
    assert two_stage([*found, ("identity", None), ("third", None)]) == answers
    assert two_stage([(name, (a, "x") if a else None) for name, a in found]) == [
        (answer, "x") for answer in answers
    ]
