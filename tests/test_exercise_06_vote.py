"""Exercise 6: wrong choices over a chain, and the cause that each is told."""

from __future__ import annotations

import random

import pytest
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.exercises import chaining, check
from tts_lab.select import hierarchical_vote
from tts_lab.traces import Problem, Trace

wrong = WrongAnswers()


def sums(answers, scores):
    found = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            found[answer] = found.get(answer, 0.0) + score
    return found


def winner(answers, scores):
    found = sums(answers, scores)
    return max(found, key=found.get, default=None)


def highest(answers, scores, of):
    return max(s for a, s in zip(answers, scores, strict=True) if a == of)


def among(answers, scores, rule, worth):
    """The vote of the chains' winners, by other rules than the right ones."""
    chosen = [rule(a, s) for a, s in zip(answers, scores, strict=True)]
    weights = [
        0.0 if one is None else worth(a, s, one)
        for a, s, one in zip(answers, scores, chosen, strict=True)
    ]
    return winner(chosen, weights)


def flattened(lists):
    return [one for chain in lists for one in chain]


@wrong("chain_vote", "last attempt of each chain is taken. Revision spoils")
def last_of_each(answers, scores):
    pairs = [
        [(a, s) for a, s in zip(*both, strict=True) if a is not None]
        for both in zip(answers, scores, strict=True)
    ]
    ends = [own[-1] for own in pairs if own]
    return winner([a for a, _ in ends], [s for _, s in ends])


@wrong("chain_vote", "every attempt of every chain may win")
def the_very_last(answers, scores):
    return flattened(answers)[-1] if flattened(answers) else None


@wrong("chain_vote", "as if nothing had been revised")
def first_of_each(answers, scores):
    pairs = [
        [(a, s) for a, s in zip(*both, strict=True) if a is not None]
        for both in zip(answers, scores, strict=True)
    ]
    begins = [own[0] for own in pairs if own]
    return winner([a for a, _ in begins], [s for _, s in begins])


@wrong("chain_vote", "thrown into one pot")
def plain_vote(answers, scores):
    return winner(flattened(answers), flattened(scores))


@wrong("chain_vote", "with the sum of its attempts' scores")
def with_the_sum(answers, scores):
    return among(answers, scores, winner, lambda a, s, one: sums(a, s)[one])


@wrong("chain_vote", "with the mean of its attempts' scores")
def with_the_mean(answers, scores):
    return among(
        answers, scores, winner, lambda a, s, one: sums(a, s)[one] / a.count(one)
    )


@wrong("chain_vote", "a majority of chains")
def chains_count_once(answers, scores):
    return among(answers, scores, winner, lambda a, s, one: 1.0)


@wrong("chain_vote", "the single highest score wins")
def best_in_each(answers, scores):
    def best(a, s):
        pairs = [(y, -i, x) for i, (x, y) in enumerate(zip(a, s, strict=True))]
        return max((p for p in pairs if p[2] is not None), default=(0, 0, None))[2]

    return among(answers, scores, best, highest)


@wrong("chain_vote", "the most frequent answer wins")
def frequent_in_each(answers, scores):
    return among(answers, scores, lambda a, s: winner(a, [1] * len(a)), highest)


@wrong("chain_vote", "the majority of all attempts")
def majority(answers, scores):
    said = flattened(answers)
    return winner(said, [1] * len(said))


@wrong("chain_vote", "this is best-of-n")
def best_of_all(answers, scores):
    pairs = zip(flattened(answers), flattened(scores), strict=True)
    known = [pair for pair in pairs if pair[0] is not None]
    return max(known, key=lambda pair: pair[1])[0] if known else None


@wrong("chain_vote", "the winner with the highest score is taken")
def best_winner(answers, scores):
    chosen = [
        (winner(a, s), highest(a, s, winner(a, s)))
        for a, s in zip(answers, scores, strict=True)
        if winner(a, s) is not None
    ]
    return max(chosen, key=lambda pair: pair[1])[0] if chosen else None


@wrong("chain_vote", "as if None were an answer")
def none_votes(answers, scores):
    named = [[-1 if a is None else a for a in own] for own in answers]
    found = among(named, scores, winner, highest)
    return None if found == -1 else found


@wrong("chain_vote", "the last seen is taken")
def last_of_equals(answers, scores):
    return among(answers, scores, lambda a, s: winner(a[::-1], s[::-1]), highest)


def test_the_vote_is_that_of_the_library():
    problem = Problem("chains", "3+4\n", 1)
    rng = random.Random(3)
    for _ in range(300):
        chains = []
        for _ in range(rng.randrange(1, 5)):
            said = [rng.choice([None, 6, 7, 8]) for _ in range(rng.randrange(1, 6))]
            texts = ["no answer" if one is None else f"#{one}" for one in said]
            chains.append(
                [(Trace(problem, t, 9, True), rng.randrange(8) / 8) for t in texts]
            )
        choice = hierarchical_vote(chains)
        answers = [
            [int(t.text[1:]) if t.text[0] == "#" else None for t, _ in own]
            for own in chains
        ]
        found = chaining.voted(answers, [[s for _, s in own] for own in chains])
        assert found == (None if choice is None else int(choice.answer))


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(chain_vote=chaining._VOTES),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", ["chain_vote"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", ["chain_vote"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


def test_another_way_to_write_it_is_right():
    assert check("chain_vote", lambda a, s: among(a, s, winner, highest)).passed
