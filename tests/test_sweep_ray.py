"""Sweeps on a real Ray cluster of three nodes on this machine, through faults."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import suppress

import pytest
from fake_endpoint import FakeEndpoint
from sweeping import PLAN, UNITS, files, results

import tts_lab
import tts_lab.sweeps
from tts_lab.sweeps.store import Store, SweepError
from tts_lab.sweeps.tasks import Task

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")
pytest.importorskip("pyarrow")
pytest.importorskip("httpx")
pytestmark = [
    pytest.mark.ray,
    # Ray's own, at its shutdown
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
PATIENCE = 300  # seconds; a loaded machine is slow


@pytest.fixture(scope="module")
def cluster():
    """Three nodes, each a raylet process of its own with one CPU; none is left over."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="r")  # short: sockets lie in it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 starves them on a busy machine
        made = Cluster(initialize_head=True, head_node_args=NODE | {"temp_dir": folder})
        try:
            for _ in range(2):
                made.add_node(**NODE)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
    left = [one for one in psutil.Process().children(recursive=True) if is_ray(one)]
    assert not left


def is_ray(process: psutil.Process) -> bool:
    try:
        return any(word in process.name() for word in ("raylet", "gcs_server", "ray::"))
    except psutil.NoSuchProcess:
        return False


class Gate(FakeEndpoint):
    """Holds requests back while a fault is prepared: who waits here is amid a unit."""

    def __enter__(self) -> Gate:
        super().__enter__()
        gate, plain = self, self.server.RequestHandlerClass
        self.ports: list[int] = []  # of the clients that wait
        self.news = threading.Condition()
        self.passable = threading.Event()
        self.passable.set()

        class Held(plain):
            def complete(self, body, fault):
                if not gate.passable.is_set():
                    with gate.news:
                        gate.ports.append(self.client_address[1])
                        gate.news.notify_all()
                    gate.passable.wait(PATIENCE)
                super().complete(body, fault)

        self.server.RequestHandlerClass = Held
        return self

    def shut(self) -> None:
        """From now on, requests wait."""
        self.ports, self.passable = [], threading.Event()

    def caught(self, raylets: set[int]) -> psutil.Process:
        """An actor of one of these nodes whose request waits, once there is one."""

        def found():
            for one in psutil.process_iter():
                with suppress(psutil.Error):  # it ended meanwhile
                    if one.name().startswith("ray::_Actor") and one.ppid() in raylets:
                        ports = {c.laddr.port for c in one.net_connections()}
                        if ports & {*self.ports}:
                            return one
            return None

        with self.news:
            process = self.news.wait_for(found, PATIENCE)
        assert process is not None
        return process


def raylet(node) -> int:
    [one] = node.all_processes["raylet"]
    return int(one.process.pid)


def faults(cluster, gate: Gate, done: list[str]) -> None:
    """An actor, a node, an actor, a node: each in the midst of a unit."""
    try:
        for kind in ("actor", "node", "actor", "node"):
            workers = {raylet(node): node for node in list(cluster.worker_nodes)}
            away = gate.caught({*workers})
            before = gate.passable
            gate.shut()  # those who come later wait for the next fault
            if kind == "actor":
                away.kill()
            else:
                cluster.remove_node(workers[away.ppid()], allow_graceful=False)
            done.append(kind)
            before.set()
    finally:
        gate.passable.set()


def test_two_nodes_and_two_actors_die_and_nothing_is_lost(cluster, tmp_path):
    assert len(cluster.list_all_nodes()) == 3
    with Gate() as gate:
        served = {"spec": gate.url, "name": "served"}
        plan = PLAN | {"policies": [served, "27k"], "strategies": ["best_of_n", "beam"]}
        plan |= {"seeds": [0], "chunk": 3}
        assert tts_lab.sweep(plan, tmp_path / "here", workers=1).complete
        asked, done, told = len(gate.completions()), [], []

        def follow(progress):
            told.append(progress.done)
            if len(done) == 2 and len(cluster.worker_nodes) == 1:
                cluster.add_node(**NODE)  # signals want the main thread

        gate.shut()
        chaos = threading.Thread(target=faults, args=(cluster, gate, done))
        chaos.start()
        try:
            swept = tts_lab.sweep(
                plan, tmp_path / "ray", ray=cluster.address, on_progress=follow
            )
        finally:
            gate.released.set()
            chaos.join(PATIENCE)
        again = len(gate.completions()) - 2 * asked
    assert done == ["actor", "node", "actor", "node"] and again >= 4
    assert swept.complete and told == list(range(swept.units + 1))
    assert files(tmp_path / "ray") == files(tmp_path / "here")
    assert results(tmp_path / "ray") == results(tmp_path / "here")


def test_actors_write_to_a_url_themselves_also_after_a_stop(cluster, tmp_path):
    plan = PLAN | {"strategies": ["majority"], "seeds": [7]}
    url = f"dir::file://{tmp_path}/ray"  # which is no local path to the sweep
    stop = threading.Event()
    part = tts_lab.sweep(
        plan, url, ray=cluster.address, workers=1, cancel=stop,
        on_progress=lambda progress: progress.done == 1 and stop.set(),
    )  # fmt: skip
    assert part.done == 1 and not part.complete
    rest = tts_lab.sweep(plan, url, ray=cluster.address, workers=1, resume=True)
    assert rest.complete and rest.whole == rest.cost.plus(part.cost)
    assert tts_lab.sweep(plan, tmp_path / "here", workers=1).complete
    store, here = Store(url), files(tmp_path / "here")
    found = {name[name.index("samples/"):]: store.fs.cat_file(name)
             for name in store.files("samples")}  # fmt: skip
    assert found == here and UNITS // len(here) == 6


def test_a_unit_that_fails_on_a_cluster_is_named(cluster, tmp_path):
    plan = PLAN | {"policies": ["27k", "nobody/nothing"], "strategies": ["majority"]}
    plan |= {"budgets": [1], "seeds": [0]}
    with pytest.raises(tts_lab.sweeps.UnitsFailed) as error:
        tts_lab.sweep(plan, tmp_path / "out", ray=cluster.address, workers=1)
    assert {one.models[0] for one in error.value.failed} == {"nobody-nothing"}
    assert len(files(tmp_path / "out")) == 3


def test_actors_that_never_start_are_an_error(cluster, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("tts_lab.sweeps.on_ray._START", 5.0)
        with pytest.raises(SweepError, match="each asks for 0 CPUs and 1 GPUs"):
            tts_lab.sweep(PLAN, tmp_path / "a", ray=cluster.address, gpus=1, workers=1)
    old = "tts_lab.sweeps.Task"
    monkeypatch.setattr(old, lambda *given: Task(*given, version="0.0.1"))
    with pytest.raises(SweepError, match=r"no actor starts: (.|\n)*and 0\.0\.1 where"):
        tts_lab.sweep(PLAN, tmp_path / "b", ray=cluster.address, workers=1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:x"])
def test_no_cluster_is_one_line(tmp_path, address):
    with pytest.raises(SweepError, match=f"'{address}': no cluster there"):
        tts_lab.sweep(PLAN, tmp_path / "out", ray=address)
    assert not (tmp_path / "out").exists()
