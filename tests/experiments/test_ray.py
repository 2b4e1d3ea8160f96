"""Studies, sweeps and bulk simulation on a Ray cluster: the bits of one process, come what may."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]', or make test-ray")
pytest.importorskip("sb3_contrib")

from agents import tune
from agents.tuning.options import Arguments
from agents.tuning.search import Search
from experiments.engine.cluster import RayEngine
from experiments.engine.engines import FailedError
from experiments.engine.plan import Task
from experiments.engine.schedule import Store, run_plan, to_do
from nba_gym.cli.command import main
from nba_gym.errors import DataError
from nba_gym.evaluation.bulk import Bulk, simulate
from nba_gym.evaluation.cluster import Cluster
from nba_gym.policies import UniformRandom
from nba_gym.scenario import load_scenario
from tests.experiments.tiny import STUDY, Here, arrays, planned, run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    found: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield found
    found.shutdown()


def test_the_bits_are_the_same_on_two_nodes_and_after_one_of_them_is_lost(cluster, tmp_path):
    made = planned(tmp_path, STUDY)
    run(made, tmp_path / "here")
    second = cluster.add_node(num_cpus=1)
    engine = RayEngine(cluster.address)
    store, done = Store(tmp_path / "there"), []
    assert engine.workers == 2

    def told(task: Task, *_: Any) -> None:
        done.append(task.name)
        if len(done) == 3:
            cluster.remove_node(second, allow_graceful=False)  # whatever it does is lost

    try:
        run_plan(made, store, engine, told)
        with pytest.raises(FailedError, match="unknown_kind"):
            engine.run(Task("x", "unknown_kind", {}, {}), {}, tmp_path)  # pyright: ignore[reportArgumentType]
    finally:
        engine.close()
    assert sorted(done) == sorted(made.tasks)
    assert to_do(made, store) == []
    assert arrays(tmp_path / "there") == arrays(tmp_path / "here")
    again = Here()
    run(made, tmp_path / "there", again)  # what the cluster finished is finished for anybody
    assert again.done == []


def test_without_a_cluster_the_mistake_is_one_line():
    with pytest.raises(DataError, match="address must be that of a running Ray cluster"):
        RayEngine("127.0.0.1:1")


RETAIL = load_scenario("retail", ["horizon=12"])
BULK = Bulk(2_000, events=True, part=256, threads=1)


def written(folder: Path) -> dict[str, bytes]:
    """All files of a simulation but archives, which hold the time at which they were written."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".npz"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_bulk_simulation_writes_the_same_bytes_also_after_a_node_is_lost(cluster, tmp_path):
    here = simulate(UniformRandom(), RETAIL, BULK, tmp_path / "here")
    second = cluster.add_node(num_cpus=1)
    there, done = Cluster(cluster.address), []

    def progress(customers: int, _: int) -> None:
        done.append(customers)
        if len(done) > 1 and len(cluster.list_all_nodes()) > 1:
            cluster.remove_node(second, allow_graceful=False)

    try:
        assert there.workers == 2
        found = simulate(
            UniformRandom(), RETAIL, BULK, tmp_path / "there", progress=progress, cluster=there
        )
    finally:
        there.close()
    assert done[-1] == BULK.customers
    assert written(tmp_path / "there") == written(tmp_path / "here")
    for name, array in here.sums.arrays().items():
        np.testing.assert_array_equal(array, getattr(found.sums, name))


def test_exported_policies_travel_and_what_cannot_is_refused(
    cluster, tmp_path, monkeypatch, capsys
):
    def ask(*words: object) -> str:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["nba-gym", *map(str, words)])
        main()
        return capsys.readouterr().out

    policy, short = tmp_path / "policy", ("--set", "horizon=12")
    ask("export", "propensity", "retail", "--out", policy, "--campaign", 200, *short)
    asked = ("simulate", "retail", "--policy", policy, "--customers", 300, *short, "--json")
    here = json.loads(ask(*asked, "--out", tmp_path / "here"))
    ray = ("--engine", "ray", "--address", cluster.address)
    there = json.loads(ask(*asked, "--out", tmp_path / "there", *ray))
    assert there["result"]["personas"] == here["result"]["personas"]
    assert written(tmp_path / "there") == written(tmp_path / "here")

    class Locked(UniformRandom):
        lock = threading.Lock()

        def __init__(self) -> None:
            super().__init__()
            self.own = threading.Lock()

    found = Cluster(cluster.address)
    try:
        with pytest.raises(DataError, match="sent to a cluster must be plain data, got a"):
            simulate(Locked(), RETAIL, BULK, tmp_path / "no", cluster=found)
    finally:
        found.close()


def test_a_sweep_tries_the_same_with_the_same_outcome(cluster, tmp_path):
    asked = Arguments(
        "control",
        recipe="a2c",
        trials=6,
        confirm=1,
        customers=40,
        watched=40,
        steps=20_000,
        set=("horizon=8",),
        only=("learning_rate", "max_grad_norm"),
    )
    tune.main(replace(asked, out=tmp_path / "here"))
    tune.main(replace(asked, out=tmp_path / "there", engine="ray", address=cluster.address))
    one, other = (json.loads((tmp_path / x / "study.json").read_text()) for x in ("here", "there"))
    for each in (one, other):
        for row in each["trials"]:
            row.pop("seconds")
    assert len(one["trials"]) == 6
    assert one["trials"] == other["trials"]
    assert one["chosen"] == other["chosen"]
    by_seed = [(each["confirmed"] or {}).get("by_seed") for each in (one, other)]
    assert by_seed[0] == by_seed[1]


def test_a_sweep_survives_the_loss_of_a_node(cluster, tmp_path, monkeypatch):
    second = cluster.add_node(num_cpus=1)
    look = Search.look

    def loses(self, job, part, value):
        if len(cluster.list_all_nodes()) > 1:
            cluster.remove_node(second, allow_graceful=False)
        return look(self, job, part, value)

    monkeypatch.setattr(Search, "look", loses)
    asked = Arguments(
        "control", recipe="a2c", trials=4, confirm=0, customers=40, watched=40, steps=20_000,
        set=("horizon=8",), only=("learning_rate",), out=tmp_path, engine="ray",
        address=cluster.address,
    )  # fmt: skip
    tune.main(asked)
    record = json.loads((tmp_path / "study.json").read_text())
    ended = [row for row in record["trials"] if row["state"] in ("done", "given up")]
    assert len(ended) == 4
