"""Sweeps on a real Ray cluster of three nodes on this machine, through faults."""

from __future__ import annotations

import os
import signal

import pytest
from sweeping import PLAN, UNITS, files, results

import tts_lab
from tts_lab.sweeps.store import SweepError

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")
pytestmark = [
    pytest.mark.ray,
    # Ray's own, at its shutdown
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The plan, swept in this process."""
    out = tmp_path_factory.mktemp("sweep") / "whole"
    assert tts_lab.sweep(PLAN, out, workers=1).complete
    return out


@pytest.fixture
def cluster():
    """Three nodes, each a raylet process of its own with one CPU."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args=dict(NODE))
    made.add_node(**NODE)
    made.add_node(**NODE)
    yield made
    ray.shutdown()
    made.shutdown()


def kill_an_actor() -> None:
    """SIGKILL to one that runs, as if memory had run out."""
    running = [
        process for process in psutil.process_iter(["cmdline"])
        if "ray::_Actor" in " ".join(process.info["cmdline"] or [])
        and process.ppid() and os.getsid(process.pid) is not None
    ]  # fmt: skip
    assert running
    os.kill(running[0].pid, signal.SIGKILL)


def test_two_nodes_and_two_actors_die_and_nothing_is_lost(cluster, whole, tmp_path):
    assert len(cluster.list_all_nodes()) == 3
    done = []

    def faults(progress):
        done.append(progress.done)
        if progress.done in (3, 20):
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            cluster.add_node(**NODE)
        if progress.done in (8, 26):
            kill_an_actor()

    swept = tts_lab.sweep(
        PLAN, tmp_path / "ray", ray=cluster.address, on_progress=faults
    )
    assert swept.complete and done == list(range(UNITS + 1))
    assert files(tmp_path / "ray") == files(whole)
    assert results(tmp_path / "ray") == results(whole)


def test_a_node_that_does_not_come_back_holds_nothing_up(cluster, whole, tmp_path):
    def fault(progress):
        if progress.done == 4:
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)

    url = f"file://{tmp_path}/ray"
    swept = tts_lab.sweep(PLAN, url, ray=cluster.address, on_progress=fault)
    assert swept.complete
    assert files(tmp_path / "ray") == files(whole)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:x"])
def test_no_cluster_is_one_line(tmp_path, address):
    with pytest.raises(SweepError, match=f"'{address}': no cluster there"):
        tts_lab.sweep(PLAN, tmp_path / "out", ray=address)
