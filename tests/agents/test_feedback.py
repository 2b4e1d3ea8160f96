"""What training tells while it works, and when it stops by itself."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import train as train_module
from agents.diary import diary
from agents.keeper import Keep
from agents.train import Arguments, main, train
from agents.watch import Watch, what_was_seen
from nba_gym.errors import MissingExtraError, PolicyError
from nba_gym.evaluation import rollout
from nba_gym.policies import RoundRobin
from nba_gym.scenario.load import load_scenario
from tests.agents.kills import small
from tests.agents.test_resume import StoppedError, all_bits, stop_at_look

SCENARIO = load_scenario("control")
SEEN = ("value", "contacts", "contact_rate", "opt_outs", "lifetime", "churn")


def flat(**changes: Any) -> Any:
    """A recipe that learns nothing: its curve is flat."""
    return small("a2c").with_changes(steps=200_000, learning_rate=0.0, watch_every=1, **changes)


def test_what_is_seen_of_the_customers_is_what_happened_to_them():
    run = rollout(RoundRobin(), load_scenario("retail"), 300, 1)
    seen = what_was_seen(run)
    assert tuple(seen) == SEEN
    assert seen["value"] == run.value.mean()
    assert seen["contact_rate"] == pytest.approx(run.contact_rate.sum(axis=1).mean())
    assert 0.0 < seen["contact_rate"] < 1.0
    gone = (run.lifetime < run.lifetime.max()).mean()
    assert seen["churn"] == pytest.approx(gone, abs=0.02)


@pytest.mark.parametrize(("name", "own"), [("a2c", "explained_variance"), ("dqn", "loss")])
def test_tensorboard_shows_held_out_customers_and_how_learning_goes(name, own, tmp_path):
    recipe = small(name).with_changes(steps=6_000, watch_every=4)
    told: list[Any] = []
    train(
        SCENARIO,
        recipe,
        watch_customers=20,
        quiet=True,
        tensorboard=tmp_path,
        tell=lambda steps, seen: told.append((steps, seen)),
    )
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith(name)
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {f"customers/{what}" for what in SEEN} <= set(tags)
    assert f"train/{own}" in tags
    values = [event.value for event in events.Scalars("customers/value")]
    np.testing.assert_allclose(values, [seen["value"] for _, seen in told], rtol=1e-6)
    assert len(values) > 2


def test_a_flat_curve_stops_training_after_as_many_looks_as_one_is_patient():
    # what is usual is still learned at first, so an untrained network may rise by chance
    done = train(SCENARIO, flat(), seed=2, watch_customers=50, quiet=True, patience=4)
    assert len(done.curve) == 1 + 4 + 1  # the first is the level; the last look is that at the end
    assert done.model.num_timesteps < 20_000


def test_a_rising_curve_is_waited_for():
    recipe = small("maskable_ppo_history").with_changes(
        steps=65_536, epochs=4, learning_rate=1e-3, watch_every=8, history=1
    )
    patient = train(SCENARIO, recipe, watch_customers=400, quiet=True, patience=3)
    assert patient.curve[-1].steps > 65_000


def test_what_counts_as_flat_is_paired_by_customer():
    watch = Watch(
        SCENARIO,
        before=0,
        alone=0,
        steps=1,
        averaging=0.5,
        every=1,
        customers=10,
        quiet=True,
        patience=2,
    )
    luck = np.random.default_rng(0)
    level, noise = luck.normal(0.0, 100.0, 50), luck.normal(0.0, 1.0, 50)
    watch._count_flat(level)
    assert not watch.is_flat
    watch._count_flat(level + noise - noise.mean())  # as good as before, but for chance
    watch._count_flat(level + 1.0 + noise)  # small beside how customers differ, and no chance
    assert not watch.is_flat
    watch._count_flat(level)
    watch._count_flat(level)
    assert watch.is_flat


def test_patience_is_kept_over_an_interruption(tmp_path):
    path: Any = tmp_path / "checkpoint.safetensors"
    settings: Any = {"watch_customers": 50, "quiet": True, "patience": 4}
    alone = train(SCENARIO, flat(), **settings)
    with pytest.raises(StoppedError):
        train(SCENARIO, flat(), keep=Keep(path, 0.0), tell=stop_at_look(3), **settings)
    again = train(SCENARIO, flat(), keep=Keep(path, 0.0, resume=True), **settings)
    assert all_bits(again) == all_bits(alone)


def test_patience_below_nothing_is_refused():
    with pytest.raises(PolicyError, match="patience must be at least 0, got -1"):
        train(SCENARIO, flat(), quiet=True, patience=-1)


# --- MLflow ---------------------------------------------------------------------------------------


def test_without_mlflow_to_ask_for_it_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"--mlflow needs .*nba_gym\[mlflow\]"):
        main(Arguments("control", recipe="a2c", out=tmp_path, mlflow=True))
    with diary(tmp_path, {}, wanted=False) as tell:
        assert tell is None


class Run:
    info = SimpleNamespace(run_id="abc")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


def test_mlflow_is_told_settings_and_curve_in_a_file_beside_the_run(tmp_path, monkeypatch):
    told: dict[str, Any] = {"metrics": []}
    fake: Any = ModuleType("mlflow")
    fake.set_tracking_uri = lambda uri: told.update(uri=uri)
    fake.set_experiment = lambda name: told.update(experiment=name)
    fake.start_run = lambda run_id, run_name: told.update(run=run_name, id=run_id) or Run()
    fake.log_params = lambda settings: told.update(settings=settings)
    fake.log_metrics = lambda seen, step: told["metrics"].append((step, seen))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    recipe = small("a2c").with_changes(steps=6_000, watch_every=10)
    monkeypatch.setattr(train_module, "load_recipe", lambda *_: recipe)
    monkeypatch.setattr("agents.export.export", lambda *_, **__: None)
    main(Arguments("control", recipe="a2c", out=tmp_path / "mine", mlflow=True))
    assert told["uri"] == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert (told["run"], told["id"]) == ("mine", None)
    assert told["settings"] == recipe.as_dict()
    steps = [step for step, _ in told["metrics"]]
    assert steps[0] == 0
    assert steps[-1] >= 6_000
    assert all(set(seen) == set(SEEN) for _, seen in told["metrics"])
    # who goes on goes on with the same run; who begins anew, with another one
    for resume, known in ((True, "abc"), (False, None)):
        with diary(tmp_path / "mine", {}, wanted=True, resume=resume):
            assert told["id"] == known
