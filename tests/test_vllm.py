"""The vLLM proposer, on a real engine in this process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from threading import Event, Thread

import numpy as np
import pytest
from vllm_server import require_vllm

from tts_lab import ladder
from tts_lab.proposers import Job
from tts_lab.run import run
from tts_lab.traces import Problem, Propose, Trace

pytestmark = pytest.mark.vllm

RUNG = "105k"
PROMPT = "47+38*6-59+12\n"


def rows_of(proposer, jobs, **options):
    """(job, row) -> (text, tokens, finished, logprob); no row twice."""
    found = {}
    for samples in proposer.propose(jobs, **options):
        for job, row, *rest in zip(
            *(np.asarray(column).tolist() for column in samples), strict=True
        ):
            assert (job, row) not in found
            found[job, row] = tuple(rest)
    return found


def wild(stream, rows):
    """So hot that two rows that draw for themselves are never the same."""
    prompt = "47+38*6-59+12-3*2+8-41*3+7-55\n"
    return Job(prompt, "", stream, rows, temperature=2, max_tokens=100)


def texts(proposer, job):
    return [value[0] for _, value in sorted(rows_of(proposer, [job]).items())]


@pytest.fixture(scope="module")
def proposer():
    require_vllm()
    from tts_lab.proposers.vllm import VLLM

    one = VLLM(RUNG)
    yield one
    one.close()
    gc.collect()


def unfinished(proposer):
    return proposer._engine.unfinished()


def test_rows_do_not_depend_on_how_they_are_asked_for(proposer):
    whole = texts(proposer, wild(5, range(24)))
    assert len(set(whole)) == 24
    assert texts(proposer, wild(5, range(7, 12))) == whole[7:12]
    assert texts(proposer, wild(5, range(0, 24, 5))) == whole[::5]
    both = rows_of(proposer, [wild(6, range(3)), wild(5, range(24))])
    assert [both[1, row][0] for row in range(24)] == whole


def test_neither_streams_nor_neighbours_share_rows(proposer):
    streams = [texts(proposer, wild(s, range(16))) for s in (0, 1, 2, 2**63)]
    assert len({text for texts in streams for text in texts}) == 4 * 16


def test_log_probabilities_are_those_of_the_ladder_at_the_temperature(proposer):
    engine = ladder.load(RUNG)
    for temperature in (0, 0.5, 1.3):
        job = Job(PROMPT, "", 3, range(8), temperature=temperature)
        for text, tokens, finished, logprob in rows_of(proposer, [job]).values():
            again = Job(PROMPT, "", 4, range(400), temperature=temperature)
            theirs = {v[0]: v for v in rows_of(engine, [again]).values()}
            if text in theirs:
                assert theirs[text][1:3] == (tokens, finished)
                assert theirs[text][3] == pytest.approx(logprob, abs=1e-3)
        assert any(
            v[0] in theirs for v in rows_of(proposer, [job]).values()
        )  # or nothing was compared


def test_steps_end_with_their_delimiter_and_go_on_from_there(proposer):
    first = Job(PROMPT, "", 1, range(8), until="step")
    for text, tokens, finished, _ in rows_of(proposer, [first]).values():
        assert text.endswith("\n") and text.count("\n") == 1
        assert tokens == len(text) and not finished
    last = Job("47+38\n", "47+38=85\n", 1, range(8), until="step", temperature=0)
    for text, tokens, finished, _ in rows_of(proposer, [last]).values():
        assert text == "#85" and tokens == 4 and finished


def test_limits_leave_rows_unfinished(proposer):
    job = Job(PROMPT, "", 1, range(4), max_tokens=5)
    for text, tokens, finished, _ in rows_of(proposer, [job]).values():
        assert len(text) == tokens == 5 and not finished


def test_a_full_context_gives_empty_rows_and_a_long_prompt_an_error(proposer):
    assert proposer.context == 256
    room = proposer.context - proposer.count_tokens("1+1\n")
    [row] = rows_of(proposer, [Job("1+1\n", "1" * room, 1, range(1))]).values()
    assert row == ("", 0, False, 0)
    [row] = rows_of(proposer, [Job("1+1\n", "1" * (room - 1), 1, range(1))]).values()
    assert row[1] == 1
    with pytest.raises(ValueError, match="a prompt of 257 tokens"):
        next(proposer.propose([Job("1" * 256, "", 1, range(1))]))
    for job, words in (
        (Job("1\n", "", 1, range(1), temperature=-1), "temperature -1"),
        (Job("1\n", "", 1, range(1), temperature=2.5), "accepted by vLLM is 0"),
        (Job("1\n", "", 1, range(1), max_tokens=0), "max_tokens 0"),
        (Job("1\n", "", 1, range(1), delimiter=""), "delimiter ''"),
        (Job("é\n", "", 1, range(1)), "'é'"),
    ):
        with pytest.raises(ValueError, match=words):
            next(proposer.propose([job]))
    assert unfinished(proposer) == 0


def test_cancel_empties_the_engine_and_leaves_it_usable(proposer):
    whole = texts(proposer, Job(PROMPT, "", 9, range(8)))
    cancel, seen = Event(), []
    proposer.watch = lambda writing: (seen.append(writing), cancel.set())
    try:
        jobs = [wild(s, range(5000)) for s in range(2)]
        got = rows_of(proposer, jobs, cancel=cancel)
    finally:
        proposer.watch = None
    assert seen and len(got) < 10_000
    assert unfinished(proposer) == 0
    generator = proposer.propose(jobs)
    next(generator)
    assert 0 < unfinished(proposer) <= 128  # not all 10,000 rows at once
    generator.close()
    assert unfinished(proposer) == 0
    assert texts(proposer, Job(PROMPT, "", 9, range(8))) == whole


def test_watching_sees_rows_grow(proposer, monkeypatch):
    monkeypatch.setattr("tts_lab.proposers.vllm.SECONDS_BETWEEN_WATCHES", 0)
    seen = []
    proposer.watch = seen.append
    try:
        found = rows_of(proposer, [Job(PROMPT, "", 2, range(3))])
    finally:
        proposer.watch = None
    assert {w.of for w in seen} == {3}
    tokens = [w.tokens for w in seen]
    assert tokens == sorted(tokens) and len(set(tokens)) > 2
    assert tokens[-1] <= sum(v[1] for v in found.values())
    partial = {w.text for w in seen if w.rows == 0 and w.text}
    assert len(partial) > 1
    assert all(any(v[0].startswith(p) for v in found.values()) for p in partial)


def test_siblings_read_their_beginning_once(proposer):
    before = proposer.cached_tokens
    trace = "47+38=85\n85*6=510\n510-59=451\n451+12=463\n"
    read = proposer.count_tokens(PROMPT, trace)
    rows_of(proposer, [Job(PROMPT, trace, 1, range(1))])
    begun = proposer.cached_tokens
    rows_of(proposer, [Job(PROMPT, trace, 2, range(4))])
    assert proposer.cached_tokens - begun == 4 * (read // 32 * 32)
    assert before <= begun


def test_two_threads_write_side_by_side(proposer):
    alone = [texts(proposer, wild(s, range(20))) for s in (1, 2)]
    found = {}

    def write(stream):
        found[stream] = texts(proposer, wild(stream, range(20)))

    threads = [Thread(target=write, args=(s,)) for s in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[1], found[2]] == alone
    assert unfinished(proposer) == 0


def test_the_driver_counts_the_same_tokens_as_with_the_ladder(proposer):
    def greedy(problem):
        traces = [Trace(problem)]
        while not traces[0].finished:
            traces = yield Propose(traces, until="step", temperature=0)
        return traces[0].text

    problems = [Problem("chains", p) for p in (PROMPT, "47+38\n", "5*6-7\n")]
    ours = run(greedy, problems, proposer=proposer, seed=1)
    theirs = run(greedy, problems, proposer=ladder.load(RUNG), seed=1)
    assert [o.value for o in ours] == [o.value for o in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.ledger.generated_tokens == b.ledger.generated_tokens
        assert a.ledger.prompt_tokens == b.ledger.prompt_tokens


def test_closed_engines_say_so_and_others_go_on(proposer):
    from tts_lab.proposers.vllm import VLLM

    whole = texts(proposer, Job(PROMPT, "", 9, range(4)))
    second = VLLM(RUNG, engine_options={"max_model_len": 64, "max_num_seqs": 2})
    assert second.context == 64
    assert second.size == proposer.size
    assert second.fingerprint != proposer.fingerprint
    assert texts(second, Job(PROMPT, "", 9, range(4))) == whole
    second.close()
    second.close()
    with pytest.raises(RuntimeError, match="'105k' is closed"):
        next(second.propose([Job(PROMPT, "", 9, range(4))]))
    assert texts(proposer, Job(PROMPT, "", 9, range(4))) == whole


def test_what_cannot_be_started_is_said(tmp_path):
    require_vllm()
    from tts_lab.proposers.vllm import VLLM

    with pytest.raises(ValueError, match="is no rung, no folder"):
        VLLM("./nothing-here")
    with pytest.raises(ValueError, match=r"has no config\.json"):
        VLLM(tmp_path)
    with pytest.raises(ValueError, match=r"could not start .*no_such_option"):
        VLLM(RUNG, engine_options={"no_such_option": 1})
    with pytest.raises(ValueError, match=r"needs a chat template"):
        VLLM(RUNG, format="chat")


ONE_PROCESS = """
from tts_lab import ladder
from tts_lab.proposers import Job
from tts_lab.proposers.vllm import VLLM

job = Job("47+38*6\\n", "", 1, range(2), temperature=0)

def texts(proposer):
    return [text for samples in proposer.propose([job]) for text in samples.text]

def with_vllm():
    one = VLLM("105k")
    found = texts(one)
    one.close()
    return found

def with_ladder():
    return texts(ladder.load("105k"))
"""


@pytest.mark.parametrize("last", ["with_vllm", "with_ladder"])
def test_one_process_holds_both_engines_and_nothing_is_printed(last):
    require_vllm()
    first = {"with_vllm": "with_ladder", "with_ladder": "with_vllm"}[last]
    check = f"\na = {first}()\nassert a == {last}() == {first}(), a\n"
    done = subprocess.run(
        [sys.executable, "-c", ONE_PROCESS + check],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
