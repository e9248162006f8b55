"""The vLLM proposer on tokenizers that merge: the texts that transformers writes."""

from __future__ import annotations

import pytest
from test_transformers import BROKEN, CORPUS, TEMPLATE, checkpoint, tokenizer
from test_vllm import rows_of
from vllm_server import require_vllm

from tts_lab.proposers import Job
from tts_lab.proposers.transformers import Transformers

pytestmark = pytest.mark.vllm

#: vLLM wants heads of 32 or more
HEADS = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
PROMPTS = [CORPUS[0], "x = 12 + 34", "Two plus"]


def greedy(prompt, text="", **options):
    return Job(prompt, text, 0, range(1), temperature=0, **options)


def ends(text):
    """Pieces of a text to stop at; half of a character can be no delimiter."""
    pieces = [text[i : i + length] for length in (1, 2) for i in range(3, len(text))]
    return [piece for piece in pieces if BROKEN not in piece][::7]


@pytest.mark.parametrize("kind", ["bytes", "marks for spaces", "chat"])
def test_whole_texts_and_steps(kind, tmp_path):
    require_vllm()
    from tts_lab.proposers.vllm import VLLM

    tokenizer(
        tmp_path,
        kind="marks" if kind == "marks for spaces" else "bytes",
        template=TEMPLATE if kind == "chat" else None,
    )
    checkpoint(tmp_path, **HEADS)
    theirs = Transformers(tmp_path, device="cpu")
    ours = VLLM(tmp_path)
    try:
        assert (ours.format, ours.context) == (theirs.format, theirs.context)
        jobs = [greedy(p, max_tokens=24) for p in PROMPTS]
        jobs += [greedy(p, "1 + 2", max_tokens=24) for p in PROMPTS]
        whole = rows_of(theirs, jobs)
        found = rows_of(ours, jobs)
        assert {k: v[:3] for k, v in found.items()} == {
            k: v[:3] for k, v in whole.items()
        }
        assert any(len(v[0]) > v[1] for v in whole.values())  # they do merge
        steps = [
            greedy(job.prompt, job.text, until="step", delimiter=end, max_tokens=24)
            for i, job in enumerate(jobs)
            for end in ends(whole[i, 0][0])
        ]
        broken = {
            (job.prompt, job.text): BROKEN in whole[i, 0][0]
            for i, job in enumerate(jobs)
        }
        assert len(steps) > 12
        found, expected = rows_of(ours, steps), rows_of(theirs, steps)
        for number, step in enumerate(steps):
            text, tokens, ended, _ = found[number, 0]
            assert text.index(step.delimiter) + len(step.delimiter) == len(text)
            assert (text, ended) == (expected[number, 0][0], expected[number, 0][2])
            # vLLM holds back what may be half of a character, three bytes at most
            late = tokens - expected[number, 0][1]
            assert late == 0 or (0 < late <= 3 and broken[step.prompt, step.text])
        for prompt, text in [(p, t) for p in PROMPTS for t in ("", " 1", "a\n\nb")]:
            assert ours.count_tokens(prompt, text) == theirs.count_tokens(prompt, text)
    finally:
        ours.close()
        theirs.close()
