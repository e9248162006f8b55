"""Logits that vLLM gives every token of some texts, in a process of its own.

Called as `python vllm_scores.py FOLDER TEXTS OUT`: TEXTS is JSON, a list of lists of
token ids; OUT gets a list of lists of logits. vLLM and numba do not share a process:
one replaces what the other finds by name.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(folder: str, texts: str, out: str) -> None:
    for name, value in {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
    }.items():
        os.environ.setdefault(name, value)
    from vllm import LLM
    from vllm.config import PoolerConfig

    model = LLM(
        folder,
        runner="pooling",
        dtype="float32",
        enforce_eager=True,
        pooler_config=PoolerConfig(use_activation=False),
    )
    prompts = [{"prompt_token_ids": ids} for ids in json.loads(Path(texts).read_text())]
    found = model.encode(prompts, pooling_task="token_classify", use_tqdm=False)
    logits = [one.outputs.data.float().flatten().tolist() for one in found]
    Path(out).write_text(json.dumps(logits))


if __name__ == "__main__":
    main(*sys.argv[1:])
