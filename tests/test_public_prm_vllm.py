"""Public reward models on vLLM: in this process and behind a real server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vllm_server import require_vllm

from tts_lab.prm import train
from tts_lab.verifiers.prm import PRM
from tts_lab.verifiers.public import PublicPRM, server_arguments

pytest.importorskip("torch")
pytest.importorskip("transformers")

from prm_models import LINES, MAKERS, STEPS, make, trace

pytestmark = pytest.mark.vllm

TRACES = [trace(STEPS), trace(STEPS[:1]), trace([]), trace(STEPS[::-1])]


@pytest.fixture(scope="session")
def own(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "prm-b"
    train.export(train.whole(train.shipped("prm-b")), folder)
    return folder


def close(found, expected) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_ladders_own_in_this_process(own):
    require_vllm()
    prm = PublicPRM(own, backend="vllm")
    try:
        close(prm.steps(LINES), PRM("prm-b").steps(LINES))
        assert prm.max_length == 256
    finally:
        prm.close()
    with pytest.raises(RuntimeError, match="'prm-b' is closed; load it again"):
        prm.steps(LINES)


def test_the_ladders_own_behind_a_server(own, vllm_server):
    url = vllm_server(own, *server_arguments(own))
    prm = PublicPRM(own, backend=url, batch=2)
    close(prm.steps(LINES), PRM("prm-b").steps(LINES))
    assert prm.max_length == 256
    prm.close()


@pytest.mark.parametrize("family", [name for name in MAKERS if name != "skywork"])
def test_a_public_family_in_this_process(family, tmp_path):
    require_vllm()
    folder = make(family, tmp_path)
    prm = PublicPRM(folder, backend="vllm")
    try:
        close(prm.steps(TRACES), PublicPRM(folder).steps(TRACES))
    finally:
        prm.close()


@pytest.mark.parametrize("family", ["rlhflow-mistral", "qwen2.5-math-prm"])
def test_a_public_family_behind_a_server(family, tmp_path_factory, vllm_server):
    folder = make(family, tmp_path_factory.mktemp("served"))
    prm = PublicPRM(folder, backend=vllm_server(folder, *server_arguments(folder)))
    close(prm.steps(TRACES), PublicPRM(folder).steps(TRACES))
    prm.close()


def test_a_value_head_is_refused(tmp_path):
    require_vllm()
    with pytest.raises(ValueError, match='accepted is backend="transformers"'):
        PublicPRM(make("skywork", tmp_path), backend="vllm")
