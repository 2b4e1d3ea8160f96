"""Begin where practice is: let an agent imitate a teacher before it learns by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import VecNormalize

from agents.networks import TwoSidedPolicy
from nba_gym.blas import one_blas_thread
from nba_gym.envs.stable_baselines import JourneyVecEnv
from nba_gym.policies import Policy

ASTRAY = 0.1
"""Share of the teacher's decisions that are replaced by random ones, to see more of the world."""
FIRST_RATE = 3e-3
"""Learning rate at the beginning; it falls linearly to 0."""


def imitate(
    model: MaskablePPO,
    raw: JourneyVecEnv,
    teacher: Policy,
    decisions: int,
    *,
    doubt: float,
    seed: int,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Teach the actor of a model to choose as a teacher does (behaviour cloning).

    One gradient step a period, on the decisions of all customers in it. The teacher acts in the
    world of training, and now and then something random is done instead, so that its decisions are
    also seen where it would not have led (Laskey et al. 2017).

    Args:
        model: The model, with a ``TwoSidedPolicy`` in a ``VecNormalize`` around ``raw``.
        raw: Its customers, not normalised.
        teacher: Whom to imitate. It sees the features that the actor sees.
        decisions: Decisions to imitate, in all.
        doubt: Probability that the imitated policy spreads over the allowed actions instead of
            putting it on the teacher's choice (label smoothing), [0, 1): what the agent explores
            with.
        seed: Seed of the random actions.
        done: Called with the decisions so far.
    """
    policy, envs = cast(TwoSidedPolicy, model.policy), cast(VecNormalize, model.get_env())
    generator = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(policy.actor_parameters())
    observations = envs.reset()
    periods = max(1, decisions // raw.num_envs)
    for period in range(periods):
        masks = raw.action_masks()
        everything = cast(NDArray[np.float32], envs.get_original_obs())
        seen = np.ascontiguousarray(everything[:, : policy.seen])
        with one_blas_thread():
            choices = teacher.act(seen, masks.astype(np.int8), generator)
        loss = _doubtful_loss(
            policy,
            torch.as_tensor(observations),
            torch.as_tensor(masks),
            torch.as_tensor(choices),
            doubt,
        )
        optimizer.param_groups[0]["lr"] = FIRST_RATE * (1.0 - period / periods)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        astray = generator.random(raw.num_envs) < ASTRAY
        anything = np.where(masks, generator.random(masks.shape), -1.0).argmax(axis=1)
        observations = envs.step(np.where(astray, anything, choices))[0]
        done((period + 1) * raw.num_envs)


def _doubtful_loss(
    policy: TwoSidedPolicy,
    observations: torch.Tensor,
    masks: torch.Tensor,
    choices: torch.Tensor,
    doubt: float,
) -> torch.Tensor:
    """Cross-entropy to the teacher's choice, and to the uniform policy in proportion to doubt."""
    latent = policy.mlp_extractor.forward_actor(observations)
    logits = torch.where(masks, policy.action_net(latent), -1e9)
    chances = torch.log_softmax(logits, dim=1)
    of_choice = -chances.gather(1, choices[:, None])[:, 0]
    of_all = -torch.where(masks, chances, 0.0).sum(dim=1) / masks.sum(dim=1)
    return ((1.0 - doubt) * of_choice + doubt * of_all).mean()
