"""A thousand requests of a real vLLM server, through a proxy that spoils answers."""

from __future__ import annotations

from typing import Any

import pytest
from fake_endpoint import gather
from fault_proxy import KINDS, FaultProxy

from tts_lab import ladder, problems
from tts_lab.proposers import Job
from tts_lab.proposers.server import Server

pytestmark = pytest.mark.vllm

KEY = "sk-very-secret-0123456789"
#: each is a request of its own
JOBS = [
    Job(problem.prompt, "", 1000 * stream + number, range(1), max_tokens=24)
    for number, problem in enumerate(problems.evaluation_set("chains", 1, 50))
    for stream in range(20)
]


def rows(url: str, jobs: list[Job], **options: Any) -> list[Any]:
    proposer = Server(url, format="plain", attempts=50, **options)
    proposer.watch = lambda _: None  # rows come in several events then
    try:
        found = gather(proposer, jobs)
        assert KEY not in f"{proposer.notes}"
    finally:
        proposer.close()
    return [found[number, 0] for number in range(len(jobs))]


def test_a_thousand_requests_end_with_exactly_the_right_samples(
    vllm_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them with a timeout shorter than a stall, half with a longer one.

    Log-probabilities may differ in their last bits, with what else was in a batch.
    """
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = vllm_server(ladder.path("105k"))
    expected = rows(url, JOBS)
    with FaultProxy(url, seed=7, share=0.25) as proxy:
        found = rows(proxy.url, JOBS[:500], timeout=4.0)
        found += rows(proxy.url, JOBS[500:], timeout=60.0)
    assert len(found) == 1000
    assert [one[:3] for one in found] == [one[:3] for one in expected]
    for (*_, here), (*_, there) in zip(found, expected, strict=True):
        assert here == pytest.approx(there, abs=1e-4)
    assert set(proxy.injected) == set(KINDS)
    assert sum(proxy.injected.values()) > 200
