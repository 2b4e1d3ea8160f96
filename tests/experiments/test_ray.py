"""A study on a Ray cluster of two nodes: the bits of one process, also if a node is lost."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]', or make test-ray")
pytest.importorskip("sb3_contrib")

from experiments.engine.cluster import RayEngine
from experiments.engine.engines import FailedError
from experiments.engine.plan import Task
from experiments.engine.schedule import Store, run_plan, to_do
from nba_gym.errors import DataError
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
