"""Models of plain Stable-Baselines3 become policies, but only for who trusts their files."""

from typing import Any

import numpy as np
import pytest
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import VecNormalize

from agents import foreign
from agents.export import Arguments, main
from agents.foreign import load_sb3
from nba_gym.envs.stable_baselines import JourneyVecEnv
from nba_gym.errors import BundleError, PolicyError
from nba_gym.scenario.load import load_scenario
from nba_gym.serving import Engine

SCENARIO = load_scenario("control")


def saved(kind: Any, folder: Any, **settings: Any) -> Any:
    """A model of plain Stable-Baselines3 after a few steps, and its files."""
    envs = VecNormalize(JourneyVecEnv(8, SCENARIO))
    model = kind("MlpPolicy", envs, policy_kwargs={"net_arch": [16]}, seed=1, **settings)
    model.learn(64)
    model.save(folder / "model.zip")
    envs.save(str(folder / "normaliser.pkl"))
    return model, envs, folder / "model.zip", folder / "normaliser.pkl"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (MaskablePPO, {"n_steps": 8}),
        (PPO, {"n_steps": 8}),
        (DQN, {"learning_starts": 8}),
        (QRDQN, {"learning_starts": 8}),
    ],
)
def test_a_model_of_plain_stable_baselines_chooses_as_before(kind, settings, tmp_path):
    model, envs, path, normaliser = saved(kind, tmp_path, **settings)
    policy = load_sb3(path, SCENARIO, algorithm=kind.__name__, normaliser=normaliser, trust=True)
    envs.training = False
    observations: Any = envs.reset()
    raw: Any = envs.get_original_obs()
    masks = np.ones((8, SCENARIO.n_actions), dtype=np.int8)
    theirs, _ = model.predict(observations, deterministic=True)
    chances = policy.probabilities_of(raw, masks)
    best = chances[np.arange(8), theirs]
    np.testing.assert_allclose(best, chances.max(axis=1), rtol=1e-4)
    assert policy.algorithm == kind.__name__


def test_without_trust_nothing_is_read(tmp_path, monkeypatch):
    *_, path, normaliser = saved(PPO, tmp_path, n_steps=8)

    def loaded(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(foreign.KINDS["PPO"], "load", loaded)
    monkeypatch.setattr(foreign.VecNormalize, "load", loaded)
    with pytest.raises(PolicyError, match=r"trust must be given to load model\.zip"):
        load_sb3(path, SCENARIO, algorithm="PPO", normaliser=normaliser)
    with pytest.raises(PolicyError, match="trust must be given"):
        main(Arguments(None, tmp_path / "policy", "control", sb3=path, algorithm="PPO"))


def test_what_is_no_such_model_is_refused_in_one_line(tmp_path):
    *_, path, _ = saved(PPO, tmp_path, n_steps=8)
    with pytest.raises(PolicyError, match="did you mean 'MaskablePPO'"):
        load_sb3(path, SCENARIO, algorithm="MaskedPPO", trust=True)
    with pytest.raises(BundleError, match="must be an existing file"):
        load_sb3(tmp_path / "none.zip", SCENARIO, trust=True)
    (tmp_path / "other.zip").write_text("hello")
    with pytest.raises(BundleError, match="must be a zip file of Stable-Baselines3"):
        load_sb3(tmp_path / "other.zip", SCENARIO, trust=True)
    with pytest.raises(BundleError, match="must be one of DQN"):
        load_sb3(path, SCENARIO, algorithm="DQN", trust=True)
    with pytest.raises(BundleError, match=r"features and Discrete.* as in retail"):
        load_sb3(path, load_scenario("retail"), algorithm="PPO", trust=True)


def test_damaged_files_are_refused_in_one_line(tmp_path):
    *_, path, normaliser = saved(PPO, tmp_path, n_steps=8)
    for data in (b"", b"hello", normaliser.read_bytes()[:50]):
        (tmp_path / "damaged.pkl").write_bytes(data)
        with pytest.raises(BundleError, match=r"normaliser must be a file of VecNormalize\.save"):
            load_sb3(
                path, SCENARIO, algorithm="PPO", normaliser=tmp_path / "damaged.pkl", trust=True
            )
    other = VecNormalize(JourneyVecEnv(2, load_scenario("retail")))
    other.save(str(tmp_path / "other.pkl"))
    with pytest.raises(BundleError, match=r"features, got other\.pkl: .* same shape"):
        load_sb3(path, SCENARIO, algorithm="PPO", normaliser=tmp_path / "other.pkl", trust=True)


def test_a_trusted_model_becomes_a_policy_folder(tmp_path):
    *_, path, normaliser = saved(MaskablePPO, tmp_path, n_steps=8)
    folder = tmp_path / "policy"
    main(Arguments(None, folder, "control", sb3=path, normaliser=normaliser, trust=True))
    assert Engine(folder).card["training"]["algorithm"] == "MaskablePPO"


def test_one_of_weights_and_model_must_be_named(tmp_path):
    for given in ({}, {"run": tmp_path / "a", "sb3": tmp_path / "b"}):
        with pytest.raises(BundleError, match="got both or none"):
            main(Arguments(out=tmp_path / "policy", scenario="control", **given))
