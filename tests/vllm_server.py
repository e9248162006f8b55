"""A real vLLM server on this machine's processor, for tests.

`start` runs vLLM's OpenAI-compatible server over a model folder in a process of its
own, on a free port, and waits until it answers. Tests use the fixture `vllm_server`,
which keeps one server a folder for the whole session.

What this does not cover: more than one device, and keys.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

PATIENCE = 300  # seconds; a busy machine needs most of them
#: one thread, a small cache, nothing from the network
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "",  # three processes import it all
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "INFO",
    "VLLM_NO_USAGE_STATS": "1",
}
OPTIONS = (
    *("--dtype", "float32", "--enforce-eager"),
    *("--block-size", "32", "--max-num-seqs", "64"),
    *("--kv-cache-memory-bytes", str(64 << 20)),
)
POOLING = ("--runner", "pooling", "--pooler-config", '{"task": "token_classify"}')


def require_vllm() -> None:
    """Without vLLM skip, or fail where CI=true says that it must be there."""
    if find_spec("vllm") is not None:
        return
    reason = "vLLM is not installed here; `make test-vllm` runs these tests"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and the engine process it started."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and its engine, as a machine that fails does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


@contextmanager
def start(
    model: Path, log: Path, *options: str, pooling: bool = False
) -> Iterator[str]:
    """Serve a folder; yields `http://127.0.0.1:PORT`, without `/v1`; see `started`."""
    with started(model, log, *options, pooling=pooling) as (url, _):
        yield url


@contextmanager
def started(
    model: Path, log: Path, *options: str, pooling: bool = False, port: int = 0
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a folder; yields the url and the process.

    The model's name there is that of the folder. With `pooling`, `/pooling` answers
    for a token classification model instead of `/v1/completions`. `options` come last
    and so override `OPTIONS`. What the server says is in `log`.
    """
    require_vllm()
    port = port or _free_port()
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--served-model-name", model.name),
        *("--host", "127.0.0.1", "--port", str(port)),
        *OPTIONS,
        *(POOLING if pooling else ()),
        *options,
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            env=os.environ | ENVIRONMENT,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-4000:]
                pytest.fail(f"no vLLM server for {model}; it said:\n{said}")
            time.sleep(0.2)
        yield url, process
    finally:
        _stop(process)
