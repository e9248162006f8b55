"""Unit tests as a verifier, the policy that writes programs, and the widgets."""

from __future__ import annotations

from functools import partial

import program_oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError

from tts_lab import ladder, problems
from tts_lab.ladder import data, tokenizer
from tts_lab.ladder.rungs import RUNGS, SPECIALISTS
from tts_lab.problems import programs
from tts_lab.run import run
from tts_lab.strategies import count_correct
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers import library
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.metrics import share
from tts_lab.verifiers.unit_tests import UnitTests
from tts_lab.widgets import CoverageExplorer, StrategyLab, StrategyRace
from tts_lab.widgets.another import OTHER

unhurried = settings(deadline=None, derandomize=True, max_examples=60)

#: true is x%4; x%5 passes all three tests and fails a hidden one
WEAK = Problem("programs", "x:0>0,1>1,3>3\n", 1)


def trace(text: str, problem: Problem = WEAK, finished: bool = True) -> Trace:
    return Trace(problem, text, len(text) + 1, finished)


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
    assert ladder.names("programs") == ["programs-105k"]
    assert "programs-105k" in SPECIALISTS
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


# The widgets


def test_the_explorer_offers_who_was_trained_on_the_domain() -> None:
    for picker, more in ((True, [OTHER]), (False, [])):
        start = CoverageExplorer(domain="countdown", rung="380k", picker=picker)
        controls = start.controls
        controls.domain.value = "programs"
        assert list(controls.model.options) == ["programs-105k", *more]
        assert controls.model.disabled == (not picker)  # nothing to choose from
        assert controls.settings().model == "programs-105k"
        controls.domain.value = "chains"
        assert list(controls.model.options) == [*ladder.names(), *more]
        assert not controls.model.disabled
    own = CoverageExplorer(rung="programs-105k", domain="programs", level=1)
    assert list(own.controls.model.options) == ["programs-105k", OTHER]


def test_race_and_lab_offer_what_fits_the_domain() -> None:
    for made in (StrategyRace(domain="chains", level=1), StrategyLab().controls):
        made.domain.value = "programs"
        assert made.policy.value == "programs-105k"
        assert list(made.verifier.options) == [*library.names("programs"), OTHER]
        made.domain.value = "countdown"
        assert list(made.policy.options) == [*ladder.names(), OTHER]
        assert list(made.verifier.options) == [*library.names(), OTHER]
    given = StrategyLab(verifier=UnitTests()).controls
    given.domain.value = "programs"
    assert given.verifier.value == UnitTests().name
    with pytest.raises(TraitError):
        StrategyRace(policy="2m")


def test_a_search_on_programs_in_the_lab() -> None:
    lab = StrategyLab(domain="programs", level=1, policy="programs-105k", n=8, width=2)
    lab.controls.verifier.value = "unit tests"
    lab.run()
    assert lab.wait(120)
    assert "shown" in lab.answer.value
