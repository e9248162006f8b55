"""The fixture that serves models through a real vLLM: generation and pooling."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tts_lab import ladder
from tts_lab.ladder import tokenizer
from tts_lab.prm import spans, train
from tts_lab.proposers import Job
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.prm import PRM

pytestmark = pytest.mark.vllm

PROMPT = "47+38*6\n"


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def test_a_served_rung_writes_what_the_engine_writes(vllm_server):
    url = vllm_server(ladder.path("105k"))
    ids = [tokenizer.BOS, *tokenizer.encode(PROMPT)]
    body = {"model": "105k", "prompt": ids, "temperature": 0, "max_tokens": 64}
    [choice] = post(f"{url}/v1/completions", body)["choices"]
    job = Job(PROMPT, "", stream=1, rows=range(1), temperature=0)
    [samples] = ladder.load("105k").propose([job])
    assert choice["text"] == samples.text[0]
    assert choice["finish_reason"] == "stop"
    assert vllm_server(ladder.path("105k")) == url


def test_a_served_verifier_scores_as_the_engine_does(vllm_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "prm-a"
    train.export(train.whole(train.shipped("prm-a")), folder)
    trace = Trace(Problem("chains", PROMPT, 2), "47+38=85\n85*6=510\n#510", 23, True)
    ids = list(spans.encode(trace))
    url = vllm_server(Path(folder), pooling=True)
    body = {"model": "prm-a", "input": ids, "use_activation": False}
    [found] = post(f"{url}/pooling", body)["data"]
    logits = np.ravel(found["data"])[spans.step_ends(trace)]
    [scores] = PRM(folder).steps([trace])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-4)
