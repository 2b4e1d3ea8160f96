"""What can be trained: one builder for each algorithm, all of Stable-Baselines3 and contrib."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from agents.lean import LeanPPO
from agents.masked import MaskedLstmPolicy, MaskedMlpPolicy
from agents.networks import TwoSidedPolicy
from agents.recipe import (
    A2CRecipe,
    DQNRecipe,
    MaskablePPORecipe,
    PPORecipe,
    QRDQNRecipe,
    Recipe,
    RecurrentPPORecipe,
)
from agents.rewards import Earn, Reward
from agents.values import DuelingPolicy, MaskedDQN, MaskedQRDQN, MaskedReplayBuffer
from agents.worlds import FiniteJourneys, ShowHistory, ShowMasks
from nba_gym.customer.populate import populate
from nba_gym.errors import PolicyError
from nba_gym.evaluation.split import SPLIT
from nba_gym.scenario.schema import Scenario


class MaskableA2C(LeanPPO):
    """A2C with masks, which is PPO with one step on the whole rollout (Huang et al. 2022).

    The policy that acted is the one that learns, so the ratio of PPO is 1 and its gradient that of
    the log-probability; the optimizer and what is not normalised are those of A2C.
    """

    algorithm = "MaskableA2C"


@dataclass(frozen=True)
class Workplace:
    """What a learner is built from.

    Attributes:
        recipe: Settings.
        envs: The customers, normalised.
        seen: Leading features that the actor sees.
        common: Arguments that every algorithm takes.
    """

    recipe: Any
    envs: VecNormalize
    seen: int
    common: dict[str, Any]


@dataclass(frozen=True)
class Learner:
    """A model before training, and its customers.

    Attributes:
        model: The Stable-Baselines3 model.
        raw: The customers, not normalised.
        envs: The same, normalised.
    """

    model: Any
    raw: FiniteJourneys
    envs: VecNormalize


def build(
    scenario: Scenario,
    recipe: Recipe,
    *,
    seed: int,
    observe: str = "records",
    tensorboard: Path | None = None,
    reward: Reward | None = None,
    device: str = "cpu",
) -> Learner:
    """The learner that a recipe asks for.

    Args:
        scenario: The world.
        recipe: Settings, of any algorithm.
        seed: Seed of initialisation, exploration and minibatches, and of the training world.
        observe: ``"everything"`` for a privileged agent.
        tensorboard: Folder for TensorBoard.
        reward: What a period is worth to the agent; profit if not given.
        device: Where the network is, as torch calls it. The customers stay where they are.
    """
    n_seen = len(populate(scenario, 1).features)
    shown: Any = "everything" if recipe.privileged_critic else observe
    own = {"observe": shown, "threads": 1, "record": reward is not None}
    raw = FiniteJourneys(recipe.customers, scenario, stagger=True, **own)
    if observe != "records":
        n_seen = len(raw.env.features.names)
    rows: VecEnv = raw if reward is None else Earn(raw, reward)
    if recipe.history > 1:
        rows, n_seen = ShowHistory(rows, n_seen, recipe.history), n_seen * recipe.history
    envs = VecNormalize(rows, gamma=scenario.discount, clip_obs=10.0)
    common: dict[str, Any] = {
        "learning_rate": lambda left: recipe.learning_rate * (0.1 + 0.9 * left),
        "gamma": scenario.discount,
        "max_grad_norm": recipe.max_grad_norm,
        "tensorboard_log": str(tensorboard) if tensorboard else None,
        "seed": seed,
        "device": device,
    }
    model = BUILDERS[recipe.algorithm](Workplace(recipe, envs, n_seen, common))
    if tensorboard is None:  # SB3 would make a folder for it in that of the system
        model.set_logger(Logger(folder=None, output_formats=[]))
    # a world of its own: after the model is built, which gives the customers its own seed
    envs.seed(SPLIT.training_seed(seed))
    return Learner(model, raw, envs)


def _on_policy(at: Workplace) -> dict[str, Any]:
    """What the learners that learn from rollouts have in common."""
    recipe = cast(A2CRecipe, at.recipe)
    return at.common | {
        "n_steps": recipe.rollout_periods,
        "gae_lambda": recipe.gae_lambda,
        "ent_coef": recipe.entropy,
        "vf_coef": recipe.value_weight,
    }


def _clipped(at: Workplace) -> dict[str, Any]:
    """What the learners that clip the change of the policy have in common besides."""
    recipe = cast(MaskablePPORecipe, at.recipe)
    return _on_policy(at) | {
        "batch_size": recipe.batch_size,
        "n_epochs": recipe.epochs,
        "clip_range": recipe.clip_range,
    }


def _lean(at: Workplace) -> dict[str, Any]:
    """What belongs to the lean loop."""
    recipe = cast(A2CRecipe, at.recipe)
    if recipe.customers % recipe.siblings:
        raise PolicyError(
            f"siblings must divide customers, got {recipe.siblings} of {recipe.customers}"
        )
    sides = {"seen": at.seen, "actor": recipe.network, "critic": recipe.critic}
    luck = np.random.default_rng([at.common["seed"], 1])
    return {"luck": luck, "policy_kwargs": sides, "siblings": recipe.siblings}


def _maskable_ppo(at: Workplace) -> Any:
    own: dict[str, Any] = _clipped(at) | _lean(at)
    return LeanPPO(TwoSidedPolicy, at.envs, **own)


def _a2c(at: Workplace) -> Any:
    own = _on_policy(at) | _lean(at)
    own["policy_kwargs"] |= {
        "optimizer_class": torch.optim.RMSprop,
        "optimizer_kwargs": {"alpha": 0.99, "eps": 1e-5, "weight_decay": 0},
    }
    whole = at.recipe.rollout_periods * at.recipe.customers
    return MaskableA2C(
        TwoSidedPolicy, at.envs, batch_size=whole, n_epochs=1, normalize_advantage=False, **own
    )


def _two_sides(recipe: PPORecipe | RecurrentPPORecipe) -> dict[str, Any]:
    """The networks of actor and critic, as Stable-Baselines3 is told."""
    return {"net_arch": {"pi": list(recipe.network), "vf": list(recipe.critic)}}


def _ppo(at: Workplace) -> Any:
    own: dict[str, Any] = _clipped(at) | {"policy_kwargs": _two_sides(at.recipe)}
    with warnings.catch_warnings():  # a last minibatch that is smaller does no harm
        warnings.filterwarnings("ignore", "You have specified a mini-batch size", UserWarning)
        return PPO(MaskedMlpPolicy, ShowMasks(at.envs), **own)


def _recurrent_ppo(at: Workplace) -> Any:
    recipe = cast(RecurrentPPORecipe, at.recipe)
    network = _two_sides(recipe) | {"lstm_hidden_size": recipe.memory}
    return RecurrentPPO(MaskedLstmPolicy, ShowMasks(at.envs), policy_kwargs=network, **_clipped(at))


def _of_values(at: Workplace) -> dict[str, Any]:
    """What DQN and QR-DQN have in common."""
    recipe = cast(DQNRecipe, at.recipe)
    if recipe.warm_up >= recipe.steps:
        raise PolicyError(
            f"warm_up must be less than steps ({recipe.steps:,}), or nothing is learned, "
            f"got {recipe.warm_up:,}"
        )
    luck = np.random.default_rng([at.common["seed"], 1])
    raw = cast(Any, at.envs.unwrapped)
    return at.common | {
        "luck": luck,
        "buffer_size": recipe.replay,
        "learning_starts": recipe.warm_up,
        "train_freq": recipe.train_periods,
        "gradient_steps": recipe.gradient_steps,
        "batch_size": recipe.batch_size,
        "target_update_interval": max(recipe.target_every, recipe.customers),
        "exploration_initial_eps": recipe.explore_first,
        "exploration_final_eps": recipe.explore_last,
        "exploration_fraction": recipe.explore_share,
        "replay_buffer_class": MaskedReplayBuffer,
        "replay_buffer_kwargs": {"masks": raw.action_masks, "luck": luck},
    }


def _dqn(at: Workplace) -> Any:
    recipe = cast(DQNRecipe, at.recipe)
    policy = DuelingPolicy if recipe.dueling else "MlpPolicy"
    network = {"net_arch": list(recipe.network)}
    return MaskedDQN(policy, at.envs, double=recipe.double, policy_kwargs=network, **_of_values(at))


def _qrdqn(at: Workplace) -> Any:
    recipe = cast(QRDQNRecipe, at.recipe)
    network = {"net_arch": list(recipe.network), "n_quantiles": recipe.quantiles}
    return MaskedQRDQN("MlpPolicy", at.envs, policy_kwargs=network, **_of_values(at))


BUILDERS: dict[str, Callable[[Workplace], Any]] = {
    "maskable_ppo": _maskable_ppo,
    "ppo": _ppo,
    "a2c": _a2c,
    "recurrent_ppo": _recurrent_ppo,
    "dqn": _dqn,
    "qrdqn": _qrdqn,
}
"""How each algorithm of ``agents.recipe.RECIPES`` is built."""
