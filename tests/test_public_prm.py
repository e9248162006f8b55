"""Public reward models: the published scoring rules, and one score for every step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prm_rules import RULES

from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.public import PublicPRM

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from prm_models import MAKERS  # noqa: E402  (needs both)

pytestmark = pytest.mark.hf

QUESTION = "Natalia sold 48 clips, then half as many. What is the total?"
STEPS = [
    "Step 1: Natalia sold 48/2 = 24 clips then.",
    "Step 2: the total is 48+24 = 72 - so more.",
    "The answer is \\boxed{72}.",
]


def trace(steps: list[str], end: str = "\n\n", *, question: str = QUESTION) -> Trace:
    text = end.join(steps)
    return Trace(Problem("text", question, delimiter=end), text, 9, bool(steps))


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("prms")
    return {name: make(root / called) for name, (make, called) in MAKERS.items()}


@pytest.fixture(params=list(MAKERS))
def family(request) -> str:
    return request.param


def test_scores_are_those_of_the_published_rule(folders, family):
    prm = PublicPRM(folders[family])
    assert prm.family.name == family
    for end in prm.family.accepts:
        traces = [trace(STEPS, end), trace(STEPS[:1], end), trace(STEPS[::-1], end)]
        found = prm.steps(traces)
        for one, scores in zip(traces, found, strict=True):
            expected = RULES[family](folders[family], QUESTION, [s.text for s in one.steps])
            assert scores.shape == (len(one.steps),)
            np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert np.ptp(np.concatenate(found)) > 0.02  # the rule is seen
    prm.close()
