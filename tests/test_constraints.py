"""The two files of pins: what they share is the same, and neither names a machine."""

from __future__ import annotations

import pytest

SHARED = ("pip", "torch", "transformers", "pytest", "httpx", "datasets", "math-verify")


def pins(path) -> dict[str, str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and line[0] != "#")


@pytest.mark.parametrize("name", SHARED)
def test_both_environments_have_the_same_version(repository, name):
    main = pins(repository / "constraints.txt")
    vllm = pins(repository / "constraints-vllm.txt")
    assert main[name] == vllm[name]


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-vllm.txt"])
def test_versions_are_those_of_the_index(repository, file):
    for name, version in pins(repository / file).items():
        assert "+" not in version, f"{name} is a local build"
        assert name == name.strip() and " " not in version


def test_what_vllm_brings_and_nobody_needs_is_not_pinned(repository):
    found = pins(repository / "constraints-vllm.txt")
    assert {"torchvision", "torchaudio", "torchcodec", "triton"} & set(found) == set()
