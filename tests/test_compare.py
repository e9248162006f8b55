"""Comparisons: what is counted, judged, chosen by difficulty, and written down."""

from __future__ import annotations

import json
from threading import Event

import numpy as np
import pytest

from tts_lab import problems, strategies
from tts_lab.bank import Bank
from tts_lab.compare import WAYS, Way, compare, interval
from tts_lab.comparison_report import allocations, as_json, findings, markdown, write
from tts_lab.proposers import Size
from tts_lab.proposers.scripted import Scripted
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier

SOME = problems.evaluation_set("chains", 1, 32)


def script(prompt: str, text: str, row: int, stream: int) -> str:
    """Row 2 and every fourth after it is right; hard prompts never are."""
    solved = problems.domain("chains").solution(prompt.strip())
    whole = solved if row % 4 == 2 and int(prompt[0]) < 5 else "1+1=3\n#3"
    return whole[len(text) :] if whole.startswith(text) else "#3"


def likes_right(trace):
    return 0.9 if problems.domain("chains").check(trace.problem, trace.text) else 0.2


def compared(ways=("best_of_n", "majority"), **options):
    whole = {
        "proposer": Scripted(script),
        "verifier": ScriptedVerifier(likes_right, tokens_per_trace=7),
        "n": [1, 4],
    } | options
    return compare(ways, SOME, **whole)


EASY = np.array([int(p.prompt[0]) < 5 for p in SOME])


def test_answers_are_chosen_by_each_way_s_rule_and_judged():
    found = compared()
    best, most = found.of("best_of_n"), found.of("majority")
    assert [one.n for one in best] == [1, 4]
    assert not best[0].right.any() and (best[1].right == EASY).all()
    assert not most[1].right.any()  # three of four say 3
    assert (best[1].coverage == EASY).all()
    assert (best[1].passed == EASY / 4).all()


def test_a_majority_pays_for_no_verifier():
    best, most = (one for one in compared().results if one.n == 4)
    assert best.cost("tokens") == most.cost("tokens") + 4 * 7
    assert best.cost("samples") == most.cost("samples") == 4
    size = Size(1000, 2, 8)
    written = np.mean([one.generated_tokens for one in most.ledgers])
    assert most.cost("flops") == 2 * size.parameters * written


def test_ways_that_share_samples_draw_them_once():
    proposer = Scripted(script)
    compared(("best_of_n", "majority", "weighted"), proposer=proposer, n=[4])
    assert proposer.rows == 4 * len(SOME)


def test_differences_are_paired_and_named():
    found = compared(("best_of_n", "beam"), n=[4])
    base, beam = found.results
    gap = found.difference(beam)
    assert gap is not None
    assert gap[0] == pytest.approx(float(beam.right.mean() - base.right.mean()))
    assert found.difference(base) == (0, 0, 0)
    assert compared(("beam",), n=[4]).difference(beam) is None


def test_temperature_and_limit_reach_every_request():
    seen = []

    class Watching(Scripted):
        def propose(self, jobs, *, cancel=None):
            seen.extend((job.temperature, job.max_tokens, job.until) for job in jobs)
            return super().propose(jobs, cancel=cancel)

    compared(("best_of_n", "beam"), proposer=Watching(script), n=[4],
             temperature=0.6, max_tokens=30)  # fmt: skip
    assert {(heat, most) for heat, most, _ in seen} == {(0.6, 30)}
    assert {until for *_, until in seen} == {"end", "step"}


def test_a_comparison_that_broke_off_goes_on_from_the_bank(tmp_path):
    cancel = Event()

    def stop(strategy, n, done, rows):
        if n == 4 and rows >= 40:
            cancel.set()

    with Bank(tmp_path / "bank.sqlite") as bank:
        first = Scripted(script, rows_per_chunk=8)
        part = compared(bank=bank, proposer=first, on_progress=stop, cancel=cancel)
        assert not part.complete and {one.n for one in part.results} == {1}
        second = Scripted(script, rows_per_chunk=8)
        whole = compared(bank=bank, proposer=second)
    assert whole.complete and second.rows < 4 * len(SOME)
    assert first.rows + second.rows == 4 * len(SOME)
    expected = compared()
    for mine, theirs in zip(whole.results, expected.results, strict=True):
        assert (mine.right == theirs.right).all()
        assert mine.cost("flops") == theirs.cost("flops")


def test_a_way_of_one_s_own():
    def twice(problem, *, n):
        return strategies.repeated_sampling(problem, n=2 * n)

    found = compared({"twice": Way(twice, "best-of-n")}, n=[2])
    assert found.results[0].cost("samples") == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": ["beem"]}, "'beem'.*accepted are.*best_of_n"),
        ({"ways": []}, "accepted are"),
        ({"n": [0]}, r"n=\[0\]; accepted"),
        ({"n": []}, r"n=\[\]; accepted"),
        ({"rule": "loudest"}, "'loudest'; accepted"),
    ],
)
def test_errors_quote_the_value(options, message):
    with pytest.raises(ValueError, match=message):
        compared(**options)


def test_no_problems():
    with pytest.raises(ValueError, match="at least one problem"):
        compare(["beam"], [], proposer=Scripted(script), verifier=Exact())


# --- the report -----------------------------------------------------------------------


def test_the_report_has_every_number(tmp_path):
    found = compared(("best_of_n", "majority", "beam"))
    paths = write(found, tmp_path / "out", notes={"backend": "scripted"})
    assert [path.name for path in paths] == ["report.md", "report.png", "report.json"]
    text = paths[0].read_text()
    for one in found.results:
        assert f"| {one.strategy} | {one.n} | {one.accuracy()[0]:.3f} " in text
    assert "backend: scripted" in text and "## Allocating by difficulty" in text
    stored = json.loads(paths[2].read_text())
    assert len(stored["problems"]) == len(SOME)
    for one, kept in zip(found.results, stored["results"], strict=True):
        assert kept["right"] == one.right.astype(int).tolist()
        assert kept["flops"] == one.costs("flops").tolist()
    assert paths[1].read_bytes()[:4] == b"\x89PNG"


def test_findings_claim_only_what_intervals_allow():
    found = compared(("best_of_n", "majority", "weighted"), n=[4])
    [sentence] = findings(found)
    assert sentence.startswith("n = 4: best_of_n is right most often")

    def clairvoyant(problem, *, n):
        return strategies.repeated_sampling(problem, n=max(n, 4))

    both = {"best_of_n": WAYS["best_of_n"], "sure": Way(clairvoyant, "best-of-n")}
    [sentence] = findings(compared(both, n=[1]))
    assert "sure is right most often" in sentence and "for sure" in sentence


def test_allocation_chooses_where_it_is_not_judged():
    found = allocations(compared(("best_of_n", "majority"), n=[1, 4]), bins=2)
    assert list(found) == ["best_of_n", "one option for all", "one option per bin"]
    last = {name: curve[-1] for name, curve in found.items()}
    assert last["one option per bin"].accuracy == last["best_of_n"].accuracy
    # on problems that nothing solves the cheapest of the equally bad is chosen
    cheap = last["one option per bin"].cost[~EASY].mean()
    assert cheap < last["best_of_n"].cost[~EASY].mean()


def test_unknown_sizes_mean_tokens_not_flops():
    found = compared(proposer=Scripted(script, size=Size(0, 0, 0)), n=[4])
    assert found.cost == "tokens"
    assert "FLOPs are not" in markdown(found)
    assert as_json(found)["results"][0]["flops"] is None


def test_few_problems_are_not_allocated():
    few = compare(["best_of_n"], SOME[:5], proposer=Scripted(script),
                  verifier=Exact(), n=[2])  # fmt: skip
    assert "left out: it needs" in markdown(few)


def test_an_interval_is_of_the_mean():
    mean, low, high = interval([0, 1] * 50)
    assert mean == 0.5 and 0.35 < low < 0.45 < 0.55 < high < 0.65
