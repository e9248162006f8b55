"""Published runs: read, replayed through the driver, voted on, and fitted again."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from tts_lab import importers, select
from tts_lab.bank import Bank
from tts_lab.cli import main
from tts_lab.coverage import coverage, log_ks
from tts_lab.laws import fit_power_law
from tts_lab.proposers import Job, Size
from tts_lab.proposers.recorded import Recorded
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.strategies.search import beam_search
from tts_lab.traces import Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.recorded import Recorded as RecordedScores

pytest.importorskip("math_verify", reason="text problems need the extra [text]")

TEXTS = [r"Half.\n\nSo \boxed{0.5}".replace(r"\n", "\n"), r"So \boxed{2}",
         r"So \boxed{\frac{1}{2}}", r"So \boxed{}", r"So \boxed{2.0}",
         r"So \boxed{1/2}"]  # fmt: skip
SCORES = [[0.9, 0.2], [0.95], [0.5], [0.99], [0.1], [0.3]]

LEARN = {
    "problem": "What is half of one?",
    "answer": r"\frac{1}{2}",
    "level": 3,
    "unique_id": "test/algebra/1.json",
    "completions": TEXTS,
    "scores": SCORES,
    "pred": TEXTS[3],
    "completion_tokens": [30, 10, 11, 12, 13, 14],
    "agg_scores": [s[-1] for s in SCORES],
    "pred_maj@4": r"\boxed{0.5}",
}


def optimal(text: str, value: object, tokens: list[int], total: int) -> dict[str, Any]:
    return {"path_idx": 0, "text": text, "value": value, "extracted_answer": "",
            "reward_history": value, "token_history": tokens, "prob_history": [0.5],
            "model_history": ["Llama-3.2-1B-Instruct"], "completion_tokens": total,
            "tree_completion_tokens": 0}  # fmt: skip


OPTIMAL = {
    "question": "What is half of one?",
    "groundtruth": r"It is $\boxed{\frac{1}{2}}$.",
    "result": {"majority_vote": 1, "prm_last_max": 0, "total_completion_tokens": 40},
    "output": [
        optimal("## Step 1: Halve. ки\nSo \\boxed{0.5} ки\n", [0.9, 0.2], [20, 10], 0),
        optimal("So \\boxed{2} ки ки\n", [0.95], [10], 40),
    ],
}
MONKEY = {
    "question": "How many eggs?",
    "prompt": "Question: ...\nAnswer:",
    "samples": ["#### 9", "#### 8", "Nine.\n#### 9\n"],
    "is_corrects": [True, False, True],
    "gt_answer": "16 - 7 = 9\n#### 9",
    "orig_dset_split": "test",
    "orig_dset_idx": 4,
}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    return path


def published(folder: Path, problems: int = 40, samples: int = 200) -> Path:
    """A run in the layout of monkey_business whose chances are spread out widely."""
    rng = np.random.default_rng(0)
    rows = []
    for i, chance in enumerate(rng.beta(0.35, 3.0, problems)):
        right = rng.random(samples) < chance
        wrong = rng.integers(1, 5, samples)
        said = np.where(right, i + 100, i + 100 + wrong).tolist()
        rows.append({
            "question": f"What is {i} + 100?",
            "samples": [f"It is {answer}.\n#### {answer}" for answer in said],
            "is_corrects": right.tolist(),
            "gt_answer": f"#### {i + 100}",
        })  # fmt: skip
    path = folder / "GSM8K_Llama.json"
    path.write_text(json.dumps(rows))
    return path


def test_search_and_learn(tmp_path: Path) -> None:
    path = write(tmp_path / "best_of_n_completions.jsonl", LEARN)
    found = importers.read(path, "search-and-learn")
    [problem] = found.problems
    assert (problem.prompt, problem.answer) == (LEARN["problem"], LEARN["answer"])
    assert (problem.level, problem.delimiter) == (3, "\n\n")
    [traces] = found.traces
    assert [trace.text for trace in traces] == TEXTS
    assert [trace.tokens for trace in traces] == LEARN["completion_tokens"]
    assert found.tokens_recorded and found.correct is None
    assert [len(trace.steps) for trace in traces] == [2, 1, 1, 1, 1, 1]
    assert found.scores == [SCORES]
    assert found.aggregated() == [[s[-1] for s in SCORES]]
    assert found.aggregated("min")[0][0] == 0.2
    assert found.aggregated("prod")[0][0] == pytest.approx(0.18)
    assert found.counts() == ([6], [3])
    assert found.name == "best_of_n_completions"


def test_votes_of_a_published_run_count_answers_not_strings(tmp_path: Path) -> None:
    """Half is written three ways, two is written twice, and the empty box is first."""
    path = write(tmp_path / "run.jsonl", LEARN)
    found = importers.read(path, "search-and-learn")
    [traces], [scores] = found.traces, found.aggregated()
    choice = select.majority(traces)
    assert choice is not None
    assert choice.weights == {"1/2": 3.0, "2": 2.0}
    best = select.best_of_n(traces, scores)
    assert best is not None
    assert best.answer == "2"  # the empty answer has the highest score of all
    weighted = select.weighted_vote(traces, scores)
    assert weighted is not None
    assert weighted.weights == pytest.approx({"1/2": 1.0, "2": 1.05})


def test_dvts_counts_no_tokens_and_so_they_are_estimated(tmp_path: Path) -> None:
    row = LEARN | {"completion_tokens": -1}
    found = importers.read(write(tmp_path / "d.jsonl", row), "search-and-learn")
    assert not found.tokens_recorded
    assert found.tokens == [[importers.count_words(text) + 1 for text in TEXTS]]
    del row["completion_tokens"], row["scores"]
    found = importers.read(write(tmp_path / "e.jsonl", row), "search-and-learn")
    assert found.scores is None
    with pytest.raises(ValueError, match="'e' records no scores"):
        found.aggregated()


def test_compute_optimal_tts(tmp_path: Path) -> None:
    other = OPTIMAL | {"question": "And of two?", "groundtruth": "1"}
    for question, record, row in [(0, 0, OPTIMAL), (10, 0, other), (2, 1, other),
                                  (2, 0, other)]:  # fmt: skip
        folder = tmp_path / f"question_{question}"
        folder.mkdir(exist_ok=True)
        write(folder / f"record_{record}.jsonl", row)
    (tmp_path / "config.json").write_text("{}")
    found = importers.read(tmp_path, "compute-optimal-tts", name="1B")
    assert found.name == "1B"
    assert [p.prompt for p in found.problems] == ["What is half of one?", "And of two?"]
    assert [p.answer for p in found.problems] == [r"\frac{1}{2}", "1"]
    assert [len(one) for one in found.traces] == [2, 6]
    first, second = found.traces[0]
    assert first.text == "## Step 1: Halve.\n\nSo \\boxed{0.5}"
    assert second.text == "So \\boxed{2}"
    assert [len(first.steps), len(second.steps)] == [2, 1]
    assert found.scores is not None
    assert found.scores[0] == [[0.9, 0.2], [0.95]]
    assert found.tokens[0] == [30, 10]  # not 0 and 40, as the last output counts
    one = importers.read(
        tmp_path / "question_0/record_0.jsonl", "compute-optimal-tts", delimiter="\n"
    )
    assert one.traces[0][0].text.count("\n") == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no question_\*/record_\*\.jsonl"):
        importers.read(tmp_path / "empty", "compute-optimal-tts")


def test_monkey_business(tmp_path: Path) -> None:
    path = tmp_path / "GSM8K_Llama-3-8B-Instruct.json"
    path.write_text(json.dumps([MONKEY]))
    found = importers.read(path, "monkey-business")
    [problem] = found.problems
    assert (problem.prompt, problem.answer) == ("How many eggs?", "9")
    assert found.correct == [[True, False, True]]
    assert found.counts() == ([3], [2])
    assert found.scores is None and not found.tokens_recorded
    assert [Exact().verify(one) for one in found.traces] == [[1.0, 0.0, 1.0]]
    assert RecordedScores(found).verify(found.traces[0]) == [1.0, 0.0, 1.0]
    code = {k: v for k, v in MONKEY.items() if k != "gt_answer"}
    found = importers.read(
        write(tmp_path / "CodeContests.jsonl", code), "monkey-business"
    )
    assert found.problems[0].answer is None
    assert found.counts() == ([3], [2])


def test_a_saved_data_set_can_be_imported(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([MONKEY]).save_to_disk(str(tmp_path / "saved"))
    found = importers.read(tmp_path / "saved", "monkey-business")
    assert found.counts() == ([3], [2])


def test_records_of_one_question_are_one_problem(tmp_path: Path) -> None:
    other = MONKEY | {"question": "How many hens?"}
    path = write(tmp_path / "run.jsonl", MONKEY, other, MONKEY)
    found = importers.read(path, "monkey-business", n=1)
    assert [len(one) for one in found.traces] == [6]
    assert found.counts() == ([6], [4])
    short = importers.read(path, "monkey-business", samples=2)
    assert short.counts() == ([2, 2], [1, 1])
    path = write(tmp_path / "odd.jsonl", MONKEY, MONKEY | {"gt_answer": "8"})
    with pytest.raises(ValueError, match=r"line 2: the same question .* '8', and '9'"):
        importers.read(path, "monkey-business")


def nan(scores: object) -> dict[str, Any]:
    return LEARN | {"scores": scores}


@pytest.mark.parametrize(
    ("format", "row", "message"),
    [
        ("search-and-learn", nan([*SCORES[:5], [math.nan]]),
         r"line 1: the score of sample 5, step 0 is nan"),
        ("search-and-learn", nan([*SCORES[:5], [0.1, None]]),
         r"sample 5, step 1 is None, no number"),
        ("search-and-learn", nan([*SCORES[:5], None]), r"sample 5, step 0 is None"),
        ("search-and-learn", nan(SCORES[:5]), r"line 1: 5 scores for 6 samples"),
        ("search-and-learn", nan("high"), r"the scores are 'high', no list"),
        ("search-and-learn", LEARN | {"completion_tokens": [1]}, "1 tokens for 6 samp"),
        ("search-and-learn", LEARN | {"completions": []}, r"'completions' is \[\], no"),
        ("search-and-learn", LEARN | {"completions": ["a", 3]}, "number 1 is 3, no"),
        ("search-and-learn", MONKEY, r"no 'completions'; its columns are \['gt_answ"),
        ("search-and-learn", LEARN | {"problem": ""}, "the question is '', no text"),
        ("compute-optimal-tts", LEARN, r"no 'output'; its columns are"),
        ("compute-optimal-tts", OPTIMAL | {"output": {}}, r"'output' is \{\}, no list"),
        ("monkey-business", LEARN, r"no 'samples'; its columns are"),
        ("monkey-business", MONKEY | {"is_corrects": [True]}, "1 is_corrects for 3"),
        ("monkey-business", MONKEY | {"is_corrects": "yes"}, "is 'yes', no list"),
    ],
)  # fmt: skip
def test_errors_name_the_line(
    tmp_path: Path, format: str, row: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "run.jsonl", row)
    with pytest.raises(ValueError, match=message):
        importers.read(path, format)


def test_bad_options(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", MONKEY)
    for options, message in [
        ({"format": "csv"}, r"format 'csv' is unknown; there are \['search-and-learn'"),
        ({"n": 0}, "n=0; accepted is 1 or more"),
        ({"n": 2}, r"n=2: .* has 1 problems"),
        ({"samples": 4}, r"samples=4: .*line 1 has 3 samples"),
        ({"samples": -1}, "samples=-1"),
    ]:
        with pytest.raises(ValueError, match=message):
            importers.read(path, **({"format": "monkey-business"} | options))
    unscored = LEARN | {"problem": "Another?", "scores": None}
    with_and_without = write(tmp_path / "part.jsonl", LEARN, unscored)
    with pytest.raises(ValueError, match="line 2: no scores, though other records"):
        importers.read(with_and_without, "search-and-learn")


def test_a_replayed_run_is_the_run(tmp_path: Path) -> None:
    found = importers.read(published(tmp_path), "monkey-business")
    proposer = Recorded(found)
    outcomes = run(
        partial(repeated_sampling, n=200, batch=64),
        found.problems, proposer=proposer, verifier=Exact(), seed=5,
    )  # fmt: skip
    texts = [[trace.text for trace, _ in outcome.value] for outcome in outcomes]
    assert texts == [[trace.text for trace in one] for one in found.traces]
    judged = [[score == 1 for _, score in outcome.value] for outcome in outcomes]
    assert judged == found.correct
    assert outcomes[0].ledger.generated_tokens == sum(found.tokens[0])
    assert outcomes[0].ledger.prompt_tokens == importers.count_words("What is 0 + 100?")


def test_coverage_and_its_law_can_be_fitted_again(tmp_path: Path) -> None:
    """Import, coverage, power law: the way a learner refits a published figure."""
    found = importers.read(published(tmp_path), "monkey-business")
    outcomes = run(
        partial(repeated_sampling, n=200), found.problems,
        proposer=Recorded(found), verifier=RecordedScores(found), seed=0,
    )  # fmt: skip
    right = [sum(score for _, score in outcome.value) for outcome in outcomes]
    n, c = found.counts()
    assert right == c
    ks = log_ks(200)
    curve = coverage(n, c, ks, resamples=200)
    shares = np.array(c) / 200
    assert curve.mean[0] == pytest.approx(shares.mean())
    law = fit_power_law(
        curve.k, curve.mean, per_problem=curve.per_problem, resamples=50
    )
    assert law.a < 0 and law.b < 0
    assert law.max_error < 0.03
    assert np.all(np.diff(curve.mean) > 0)


def test_a_bank_answers_instead_of_the_file(tmp_path: Path) -> None:
    path = published(tmp_path, problems=10, samples=50)
    found = importers.read(path, "monkey-business")

    def sampled(proposer: Recorded, bank: Bank | None, n: int = 50) -> list[Any]:
        return [
            outcome.value
            for outcome in run(
                partial(repeated_sampling, n=n), found.problems, proposer=proposer,
                verifier=Exact(), seed=3, bank=bank,
            )
        ]  # fmt: skip

    class Silent(Recorded):
        def propose(self, jobs: Any, *, cancel: Event | None = None) -> Any:
            raise AssertionError("the bank has it all")

    with Bank(tmp_path / "bank.sqlite") as bank:
        assert importers.into_bank(found, bank, seed=3) == 500
        assert bank.stats().rows == 500
        assert sampled(Silent(found), bank) == sampled(Recorded(found), None)
        again = importers.read(path, "monkey-business", samples=20)
        assert sampled(Silent(again), bank, n=20) == sampled(
            Recorded(again), None, n=20
        )
        with pytest.raises(AssertionError, match="has it all"):
            run(partial(repeated_sampling, n=50), found.problems, seed=4, bank=bank,
                proposer=Silent(found), verifier=Exact())  # fmt: skip
        assert importers.into_bank(found, bank, seed=3) == 500
        assert bank.stats().rows == 500


def test_the_coverage_explorer_takes_a_published_run(tmp_path: Path) -> None:
    from tts_lab.widgets.coverage import CoverageExplorer

    found = importers.read(published(tmp_path, 6, 30), "monkey-business")
    explorer = CoverageExplorer(
        proposer=Recorded(found), problems=found.problems, samples=30
    )
    explorer.run()
    assert explorer.wait(120)
    assert explorer.status.phase == "done", explorer.status
    assert explorer.counts.c.tolist() == found.counts()[1]
    explorer.controls.budget.value = "flops"  # a size that nobody gave has a logarithm
    assert "30 samples" in explorer.text()
    explorer.close()


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job("What?", "", 1, range(1)), r"'run' records no samples of 'What\?'"),
        (Job("How many eggs?", "", 1, range(4)), r"4 samples .*'run' has recorded 3"),
        (Job("How many eggs?", "", 1, range(1), until="step"), "steps cannot"),
        (Job("How many eggs?", "Nine", 1, range(1)), "continuations cannot"),
        (Job("How many eggs?", "", 1, range(3), max_tokens=6),
         r"max_tokens=6: a recorded sample has 8 tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed(tmp_path: Path, job: Job, message: str) -> None:
    found = importers.read(write(tmp_path / "run.jsonl", MONKEY), "monkey-business")
    with pytest.raises(ValueError, match=message):
        list(Recorded(found).propose([job]))


def test_a_search_cannot_be_replayed_and_says_so(tmp_path: Path) -> None:
    found = importers.read(write(tmp_path / "run.jsonl", MONKEY), "monkey-business")
    with pytest.raises(ValueError, match="searches need a model"):
        run(partial(beam_search, n=2, width=2), found.problems,
            proposer=Recorded(found), verifier=Exact(), seed=0)  # fmt: skip


def test_a_replay_can_be_cancelled_and_knows_its_size(tmp_path: Path) -> None:
    found = importers.read(write(tmp_path / "run.jsonl", MONKEY), "monkey-business")
    size = Size(parameters=8_000_000_000, layers=32, hidden=4096)
    assert Recorded(found, size=size).size == size
    assert Recorded(found).size == Size(parameters=1, layers=0, hidden=0)
    cancel = Event()
    cancel.set()
    jobs = [Job("How many eggs?", "", 1, range(3))]
    assert list(Recorded(found).propose(jobs, cancel=cancel)) == []
    assert Recorded(found).count_tokens("How many eggs?", "#### 9") == 4 + 6
    assert Recorded(found).count_tokens("How many eggs?", "Ten of") == 4 + 2


def test_a_recorded_verifier_scores_its_own_run_only(tmp_path: Path) -> None:
    found = importers.read(write(tmp_path / "run.jsonl", LEARN), "search-and-learn")
    verifier = RecordedScores(found, aggregation="min")
    assert verifier.verify(found.traces[0]) == [min(s) for s in SCORES]
    assert verifier.tokens(found.traces[0][0]) == 0
    stranger = Trace(found.problems[0], "never recorded", 2, True)
    with pytest.raises(ValueError, match="no score of the text 'never recorded'"):
        verifier.verify([stranger])
    with pytest.raises(ValueError, match=r"does not record what is right; use .*Exact"):
        RecordedScores(found)


def test_the_fingerprint_is_of_the_file(tmp_path: Path) -> None:
    one = importers.read(write(tmp_path / "a.jsonl", MONKEY), "monkey-business")
    same = importers.read(tmp_path / "a.jsonl", "monkey-business", samples=2)
    other = MONKEY | {"samples": ["#### 9", "#### 8", "#### 7"]}
    write(tmp_path / "a.jsonl", other)
    changed = importers.read(tmp_path / "a.jsonl", "monkey-business")
    assert one.fingerprint == same.fingerprint != changed.fingerprint


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = published(tmp_path, 5, 20)
    bank = tmp_path / "out.sqlite"
    asked = ["import", str(path), "--format", "monkey-business", "--bank", str(bank)]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "5 problems, 100 samples" in out and "right" in out and str(bank) in out
    with Bank(bank, read_only=True) as stored:
        assert stored.stats().rows == 100
    asked[3] = "csv"
    assert main(asked) == 2
    assert "format 'csv' is unknown" in capsys.readouterr().err
    assert main([*asked[:3], "monkey-business", *asked[4:], "--problems", "9"]) == 2
    assert "n=9" in capsys.readouterr().err
