"""How many processors a container gives, by files like the kernel's."""

from __future__ import annotations

import os

import pytest

from tts_lab.ladder import cores as module
from tts_lab.ladder.cores import cores


@pytest.fixture(autouse=True)
def a_machine_of_64(monkeypatch):
    monkeypatch.delenv("CPU_LIMIT", raising=False)
    everything = set(range(64))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: everything, raising=False)


def second_version(root, limit):
    (root / "cpu.max").write_text(f"{limit}\n")
    return root


def first_version(root, quota, period=100_000):
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return root


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1),
     ("max 100000", 64), ("900000 10000", 64), ("nonsense", 64)],
)  # fmt: skip
def test_of_cgroup_v2(tmp_path, limit, expected):
    assert cores(second_version(tmp_path, limit)) == expected


@pytest.mark.parametrize(("quota", "expected"), [(100_000, 1), (350_000, 4), (-1, 64)])
def test_of_cgroup_v1(tmp_path, quota, expected):
    assert cores(first_version(tmp_path, quota)) == expected


@pytest.mark.parametrize(
    ("told", "expected"), [("1.0", 1), ("2", 2), ("0", 64), ("", 64), ("two", 64)]
)
def test_as_jupyterhub_tells(tmp_path, monkeypatch, told, expected):
    monkeypatch.setenv("CPU_LIMIT", told)
    assert cores(tmp_path) == expected


def test_the_smallest_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("CPU_LIMIT", "3")
    assert cores(second_version(tmp_path, "200000 100000")) == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert cores(tmp_path) == 1


def test_where_nothing_is_bound(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: None)
    assert cores(tmp_path) == 1


def test_an_engine_takes_no_more(monkeypatch):
    from tts_lab import ladder
    from tts_lab.ladder import model_folder
    from tts_lab.ladder.engine import Engine

    monkeypatch.setenv("CPU_LIMIT", "1")
    assert Engine(model_folder.read(ladder.path("27k"))).threads == 1
