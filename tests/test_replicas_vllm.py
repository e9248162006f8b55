"""Two real vLLM servers as one proposer, one of them killed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import gather
from vllm_server import kill, started

from tts_lab import ladder, problems
from tts_lab.proposers import Job, Writing
from tts_lab.proposers.server import Server

pytestmark = pytest.mark.vllm

JOBS = [
    Job(problem.prompt, "", stream, range(8))
    for stream, problem in enumerate(problems.evaluation_set("chains", 3, 60))
]


def test_nothing_is_lost_or_doubled_when_one_is_killed(
    vllm_server: Any, tmp_path: Path
) -> None:
    url = vllm_server(ladder.path("105k"))
    single = Server(url, format="plain")
    expected = gather(single, JOBS)
    assert len(expected) == 480
    with started(ladder.path("105k"), tmp_path / "log") as (other, process):
        proposer = Server([url, other], format="plain", concurrency=2)
        assert proposer.fingerprint == single.fingerprint
        killed = False

        def watch(writing: Writing) -> None:
            nonlocal killed
            if writing.rows >= 100 and not killed:
                killed = True
                kill(process)

        proposer.watch = watch
        found = gather(proposer, JOBS)
        stays, dead = proposer.replicas
        proposer.close()
    single.close()
    assert killed
    assert (stays.state, stays.failures) == ("up", 0)
    assert dead.state == "down"
    assert dead.requests > 0
    assert dead.failures > 0
    assert found.keys() == expected.keys()
    for key, (*row, logprob) in expected.items():
        assert [*found[key][:3]] == row
        assert found[key][3] == pytest.approx(logprob, abs=1e-4)
