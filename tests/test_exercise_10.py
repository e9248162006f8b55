"""Exercise 10: wrong tasks, views, masks, votes and bills, and what each is told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.exercises import CheckFailed, adapting, check, paying, turning, voting
from tts_lab.exercises.comparing import grade_equal
from tts_lab.exercises.grading import Case, Mistake
from tts_lab.problems import grids
from tts_lab.ttt import examples
from tts_lab.ttt.views import View
from tts_lab.ttt.vote import two_stage as right_vote

NAMES = ("leave_one_out", "turned", "turned_back", "turned_task", "loss_mask",
         "two_stage", "adaptation_flops", "samples_bought")  # fmt: skip

wrong = WrongAnswers()


def left_out(demonstrations):
    if len(demonstrations) < 2:
        raise ValueError
    return examples.leave_one_out(demonstrations)


@wrong("leave_one_out", "only have to copy its answer")
def still_there(demonstrations):
    return left_out(demonstrations) and [(demonstrations, p) for p in demonstrations]


@wrong("leave_one_out", "leave out a place")
def by_value(demonstrations):
    left_out(demonstrations)
    return [
        ([other for other in demonstrations if other != pair], pair)
        for pair in demonstrations
    ]


@wrong("leave_one_out", "only the last demonstration is left out")
def last_only(demonstrations):
    left_out(demonstrations)
    return [(demonstrations[:-1], demonstrations[-1])]


@wrong("leave_one_out", "raise a ValueError")
def of_one_too(demonstrations):
    return examples.leave_one_out(demonstrations)


@wrong("leave_one_out", "without `return`")
def nothing(demonstrations):
    left_out(demonstrations)


@wrong("leave_one_out", "can be read once only")
def lazily(demonstrations):
    return iter(left_out(demonstrations))


@wrong("turned", "`reverse` is ignored")
def not_reversed(row, reverse, colours):
    return [colours[cell] for cell in row]


@wrong("turned", "the wrong way round")
def by_place(row, reverse, colours):
    seen = [colours.index(cell) for cell in row]
    return seen[::-1] if reverse else seen


@wrong("turned", "`colours` is ignored")
def colourless(row, reverse, colours):
    return row[::-1] if reverse else row


@wrong("turned", "the palette is reversed")
def palette_reversed(row, reverse, colours):
    if reverse:
        colours = colours[::-1]
    return [colours[cell] for cell in row]


@wrong("turned_back", "not back")
def turned_again(row, reverse, colours):
    return View(reverse, colours).row(row)


@wrong("turned_back", "the colours are not turned back")
def colours_stay(row, reverse, colours):
    return row[::-1] if reverse else row


@wrong("turned_back", "the order is not turned back")
def order_stays(row, reverse, colours):
    return [colours.index(cell) for cell in row]


@wrong("turned_back", "read backwards is not its inverse")
def backwards(row, reverse, colours):
    seen = [colours[::-1][cell] for cell in row]
    return seen[::-1] if reverse else seen


def seen(demonstrations, row, reverse, colours, order):
    return View(reverse, colours, order).task(demonstrations, row)


@wrong("turned_task", "the outputs are not turned")
def inputs_only(demonstrations, row, reverse, colours, order):
    view = View(reverse, colours)
    shown = [demonstrations[i] for i in order]
    return [(view.row(a), b) for a, b in shown], view.row(row)


@wrong("turned_task", "row that is asked for is not turned")
def row_as_it_was(demonstrations, row, reverse, colours, order):
    return seen(demonstrations, row, reverse, colours, order)[0], row


@wrong("turned_task", "`order` is ignored")
def same_order(demonstrations, row, reverse, colours, order):
    return seen(demonstrations, row, reverse, colours, ())


@wrong("turned_task", "the wrong way round: the first")
def order_inverted(demonstrations, row, reverse, colours, order):
    return seen(demonstrations, row, reverse, colours, tuple(np.argsort(order)))


@wrong("turned_task", "the list of demonstrations is reversed")
def list_reversed(demonstrations, row, reverse, colours, order):
    shown, asked = seen(demonstrations, row, reverse, colours, order)
    return shown[::-1] if reverse else shown, asked


@wrong("loss_mask", "begin with the second")
def first_too(prompt, trace):
    return adapting._mask(prompt, trace, first=0)


@wrong("loss_mask", "without demonstration loss")
def answer_only(prompt, trace):
    return "0" * len(prompt) + "1" * (len(trace) + 1)


@wrong("loss_mask", "everything counts")
def everything(prompt, trace):
    return "1" * (len(prompt) + len(trace) + 1)


@wrong("loss_mask", "the end of the text is a token as well")
def no_end(prompt, trace):
    return adapting._mask(prompt, trace)[:-1]


@wrong("loss_mask", "one place too far left")
def predicted_from(prompt, trace):
    return adapting._mask(prompt, trace)[1:] + "0"


@wrong("loss_mask", "the `#` is left out")
def cells_only(prompt, trace):
    return adapting._mask(prompt, trace, hash_=False)


@wrong("two_stage", "as if None were a row")
def none_votes(found):
    return voting.elected(found, empty=True)


@wrong("two_stage", "the first stage is missing")
def in_one_vote(found):
    votes = Counter(row for _, row in found if row is not None)
    plain = Counter(row for name, row in found if name == "identity")
    order = list(votes)
    return sorted(votes, key=lambda r: (-votes[r], -plain[r], order.index(r)))[:2]


@wrong("two_stage", "brings along the votes it had")
def once_each(found):
    return voting.elected(found, weighed=False)


@wrong("two_stage", "ties go to the row that was seen first")
def first_seen(found):
    return voting.elected(found, identity=False)


@wrong("two_stage", "elects one row")
def one_each(found):
    return voting.elected(found, per=1)


@wrong("two_stage", "one answer is returned")
def one_answer(found):
    return right_vote(found)[:1]


def bill(parameters, examples, length, epochs, views, prompt, answer):
    trained = 6 * parameters * examples * length * epochs
    return trained + 2 * parameters * views * (prompt + answer)


@wrong("adaptation_flops", "the epochs are forgotten")
def one_epoch(parameters, examples, length, epochs, views, prompt, answer):
    return bill(parameters, examples, length, 1, views, prompt, answer)


@wrong("adaptation_flops", "no backward pass")
def forward_only(parameters, examples, length, epochs, views, prompt, answer):
    whole = examples * length * epochs + views * (prompt + answer)
    return 2 * parameters * whole


@wrong("adaptation_flops", "as if the model still learnt")
def six_for_all(parameters, examples, length, epochs, views, prompt, answer):
    whole = examples * length * epochs + views * (prompt + answer)
    return 6 * parameters * whole


@wrong("adaptation_flops", "read once for all views")
def shared_prompt(parameters, examples, length, epochs, views, prompt, answer):
    whole = bill(parameters, examples, length, epochs, 0, 0, 0)
    return whole + 2 * parameters * (prompt + views * answer)


def bought(flops, parameters, prompt, answer):
    return max(0, flops // (2 * parameters) - prompt) // answer


@wrong("samples_bought", "with every sample")
def prompt_each_time(flops, parameters, prompt, answer):
    return flops // (2 * parameters * (prompt + answer))


@wrong("samples_bought", "the prompt is free")
def free_prompt(flops, parameters, prompt, answer):
    return flops // (2 * parameters * answer)


@wrong("samples_bought", "round down")
def rounded_up(flops, parameters, prompt, answer):
    left = flops / (2 * parameters) - prompt
    return int(np.ceil(max(0, left) / answer))


@wrong("samples_bought", "no negative number")
def in_debt(flops, parameters, prompt, answer):
    return (flops - 2 * parameters * prompt) // (2 * parameters * answer)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(
        leave_one_out=adapting._TASKS,
        turned=turning._THERE,
        turned_back=turning._BACK,
        turned_task=turning._WHOLE,
        loss_mask=adapting._MASKS,
        two_stage=voting._VOTES,
        adaptation_flops=paying._BILLS,
        samples_bought=paying._PURCHASES,
    ),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


def test_the_packages_own_functions_are_right():
    assert check("leave_one_out", left_out).passed
    assert check("turned", lambda row, back, c: View(back, c).row(row)).passed
    assert check("turned_back", lambda row, back, c: View(back, c).back(row)).passed
    assert check("turned_task", seen).passed
    assert check("two_stage", right_vote).passed
    assert check("adaptation_flops", bill).passed
    assert check("samples_bought", bought).passed


def test_the_mask_is_that_of_pretraining_and_of_adapting():
    for family in ("rotate", "echo"):
        [problem] = grids.of_family(family, 1, seed=4)
        trace = f"#{problem.answer}"
        assert adapting._mask(problem.prompt, trace) == grids.taught(
            problem.prompt, trace
        )


def test_a_vote_in_one_stage_is_another_vote():
    found = [("identity", (i,)) for i in range(4)] + [("reverse", (3,))]
    assert in_one_vote(found) == [(3,), (0,)]
    assert right_vote(found) == [(0,), (1,)]


def test_lists_tuples_and_arrays_are_the_same():
    cases = [Case({"n": 2}, [((0, 1), "ab")])]
    assert grade_equal("x", lambda n: [[np.arange(2), "ab"]], cases, mistakes=[]).passed
    report = grade_equal("x", lambda n: [((0, 1), "ba")], cases, mistakes=[])
    assert report.message == "wrong value"
    report = grade_equal("x", lambda n: [], cases, mistakes=[])
    assert report.message == "wrong length: 0 instead of 1"


def test_an_array_that_is_no_answer_is_no_mistake_either():
    cases = [Case({"n": 2}, [1, 2])]
    known = [Mistake("the wrong order", lambda n: [2, 1])]
    report = grade_equal("x", lambda n: np.eye(2), cases, mistakes=known)
    assert report.likely_cause == ""
    report = grade_equal("x", lambda n: np.array([2, 1]), cases, mistakes=known)
    assert report.likely_cause == "the wrong order"


def test_an_error_is_shown_with_its_line():
    with pytest.raises(CheckFailed, match="return row\\[99\\]"):
        check("turned", lambda row, reverse, colours: _fails(row))


def _fails(row):
    return row[99]
