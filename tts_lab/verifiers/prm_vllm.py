"""Public reward models through vLLM: an engine in this process, or a `/pooling` URL.

Both are asked by token ids, for the logits of every token, of which those at the steps'
ends are picked here; only where a family has a marker that no text can hold, for those
at the markers. A language model that says `+` or `-` is loaded as a classifier of those
two tokens, the good one last.

Not covered: Skywork's value head, for which vLLM has no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab.proposers import checkpoints
from tts_lab.verifiers.prm_families import Family
from tts_lab.verifiers.prm_tokens import Reading, Tokens


def overrides(family: Family, tokens: Tokens, name: str) -> dict[str, Any]:
    """What of the model's configuration vLLM has to read otherwise.

    Raises
    ------
    ValueError
        For a family that vLLM has no model for.
    """
    if family.head == "value":
        raise ValueError(
            f"{name!r} has a value head, for which vLLM has no model; accepted is "
            'backend="transformers"'
        )
    if family.head != "tokens":
        return {}
    assert family.candidates is not None
    architecture = checkpoints.config_of(tokens.folder)["architectures"][0]
    return {
        "architectures": [
            architecture.replace("ForCausalLM", "ForSequenceClassification")
        ],
        "classifier_from_token": [tokens.name(i) for i in family.candidates(tokens)],
        "method": "no_post_processing",
        "num_labels": 2,
    }


def pooler(family: Family, tokens: Tokens) -> dict[str, Any]:
    """vLLM's `PoolerConfig`: which tokens' logits come back.

    vLLM reads Qwen2.5-Math-PRM at token 151651 unless it is told another.
    """
    found: dict[str, Any] = {"task": "token_classify"}
    if family.marker is not None:
        found["step_tag_id"] = tokens.id(family.marker)
    return found


def server_arguments(family: Family, tokens: Tokens, name: str) -> list[str]:
    """What to start vLLM's server with, behind the model's name."""
    found = overrides(family, tokens, name)
    how = json.dumps(pooler(family, tokens))
    asked = ["--runner", "pooling", "--pooler-config", how]
    return [*asked, "--hf-overrides", json.dumps(found)] if found else asked


def _steps(rows: Any, reading: Reading, where: str) -> NDArray[np.float32]:
    """The logits at the steps' ends, of those that came back."""
    found = np.asarray(rows, np.float32)
    if found.ndim == 1:
        found = found[:, None]
    if len(found) == len(reading.ids):
        return found[list(reading.at)]
    if len(found) == len(reading.at):
        return found
    raise RuntimeError(
        f"{where} answered {len(found)} rows of scores for {len(reading.ids)} tokens "
        f"with {len(reading.at)} steps; is the same model there, loaded for "
        "token_classify?"
    )


class VLLMBackend:
    """A reward model in a vLLM engine of this process.

    Attributes
    ----------
    limit : int
        Most tokens that the engine reads.

    Raises
    ------
    ImportError
        Without vLLM; the message has the pip lines.
    ValueError
        For a family that vLLM has no model for, or if the engine cannot start.
    """

    def __init__(
        self,
        folder: Path,
        family: Family,
        tokens: Tokens,
        *,
        dtype: str,
        max_length: int | None,
        options: Mapping[str, Any],
    ) -> None:
        changed = overrides(family, tokens, folder.name)
        from tts_lab.proposers import vllm_engine

        vllm = vllm_engine.prepare(folder.name)
        from vllm.config import PoolerConfig

        asked = {
            "runner": "pooling",
            "hf_overrides": changed,
            "pooler_config": PoolerConfig(**pooler(family, tokens)),
            # text is encoded here; only the names of + and - are looked up there
            "skip_tokenizer_init": True,
        }
        if max_length is not None:
            asked["max_model_len"] = max_length
        self._name, self._stop = folder.name, vllm_engine.stop
        self._params = vllm.PoolingParams(use_activation=False)
        self._engine: Any = vllm_engine.start(
            folder, dtype=dtype, options=asked | dict(options)
        )
        model = self._engine.llm_engine.vllm_config.model_config
        self.limit: int = model.max_model_len

    def logits(self, readings: Sequence[Reading]) -> list[NDArray[np.float32]]:
        """Per reading the logits at its steps' ends, (steps, labels)."""
        if self._engine is None:
            raise RuntimeError(f"{self._name!r} is closed; load it again to score")
        found = self._engine.encode(
            [{"prompt_token_ids": list(reading.ids)} for reading in readings],
            pooling_params=self._params,
            pooling_task="token_classify",
            use_tqdm=False,
        )
        return [
            _steps(one.outputs.data.float().cpu().numpy(), reading, "vLLM")
            for one, reading in zip(found, readings, strict=True)
        ]

    def close(self) -> None:
        """Stop the engine; nothing can be scored afterwards."""
        engine, self._engine = self._engine, None
        if engine is not None:
            self._stop(engine)


class ServerBackend:
    """A reward model behind a vLLM server.

    Parameters
    ----------
    url : str
        `http://host:8000`; of several replicas, with commas between them.
    served : str, optional
        The model's name there; by default the only one there is.
    key_variable : str
        Name of the environment variable with the key.
    batch : int
        Solutions in one request.
    concurrency : int
        Requests at a time, at each server.

    Raises
    ------
    EndpointError
        If the server does not answer.
    ValueError
        If it serves no such model.
    """

    def __init__(
        self,
        url: str,
        *,
        served: str | None,
        key_variable: str,
        batch: int,
        concurrency: int,
        timeout: float,
    ) -> None:
        from tts_lab.proposers.replicas import Replicas

        self._endpoint = Replicas(
            url, keyword="served=", key_variable=key_variable, timeout=timeout
        )
        try:
            card = self._endpoint.connect(served)
        except BaseException:
            self._endpoint.close()
            raise
        self.served = str(card["id"])
        #: most tokens that it reads, if it says so
        self.limit: int | None = card.get("max_model_len")
        self._batch, self._concurrency = batch, concurrency

    def logits(self, readings: Sequence[Reading]) -> list[NDArray[np.float32]]:
        """Per reading the logits at its steps' ends, (steps, labels)."""
        groups = [
            readings[i : i + self._batch] for i in range(0, len(readings), self._batch)
        ]
        answers = self._endpoint.ask_all(
            "/pooling",
            [
                {
                    "model": self.served,
                    "input": [list(reading.ids) for reading in group],
                    "task": "token_classify",
                    "use_activation": False,
                    "encoding_format": "float",
                }
                for group in groups
            ],
            concurrency=self._concurrency,
        )
        where, found = f"{self._endpoint.root}/pooling", []
        for group, answer in zip(groups, answers, strict=True):
            rows = sorted(answer["data"], key=lambda one: one["index"])
            if len(rows) != len(group):
                raise RuntimeError(
                    f"{where} answered {len(rows)} of {len(group)} solutions"
                )
            for one, reading in zip(rows, group, strict=True):
                found.append(_steps(one["data"], reading, where))
        return found

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()
