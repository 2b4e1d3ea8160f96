"""Begin where practice is: let an agent imitate a teacher before it learns by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize

from agents.checkpoint import Tree
from agents.moment import read_optimizer, write_optimizer
from agents.networks import TwoSidedPolicy
from agents.worlds import any_allowed, history_of, masks_of
from nba_gym.policies import Policy
from nba_gym.threads import one_blas_thread

ASTRAY = 0.1
"""Share of the teacher's decisions that are replaced by random ones, to see more of the world."""
FIRST_RATE = 3e-3
"""Learning rate at the beginning; it falls linearly to 0."""
ROWS = 256
"""Decisions of one gradient step. Sixteen small steps a period teach more than one large one: a
million decisions of practice in ``retail`` are then copied in 96 % of cases instead of 89 %."""


class Imitation:
    """Teaches the actor of a model to choose as a teacher does (behaviour cloning).

    In each period the decisions of all customers are learned from, in random order and some at a
    time. The teacher acts in the world of training, and now and then something random is done
    instead, so that its decisions are also seen where it would not have led (Laskey et al. 2017).

    Args:
        model: The model, with a ``TwoSidedPolicy`` in a ``VecNormalize``.
        decisions: Decisions to imitate, in all.
        doubt: Probability that the imitated policy spreads over the allowed actions instead of
            putting it on the teacher's choice (label smoothing), [0, 1): what the agent explores
            with.
        seed: Seed of the random actions and of the order of decisions.

    Attributes:
        period: Periods imitated so far.
        periods: Periods to imitate, in all.
        optimizer: That of the actor, for imitation alone.
        generator: The only source of random actions and of the order of decisions.
    """

    def __init__(self, model: Any, *, decisions: int, doubt: float, seed: int) -> None:
        self.envs, self.policy = cast(VecNormalize, model.get_env()), cast(Any, model.policy)
        self.period, self.periods = 0, max(1, decisions // self.envs.num_envs)
        self.generator = np.random.default_rng(seed)
        self.optimizer = torch.optim.Adam(self.policy.actor_parameters())
        self.observations: Any = None
        self._doubt = doubt

    @property
    def decisions(self) -> int:
        """Decisions imitated so far."""
        return self.period * self.envs.num_envs

    def memory(self) -> Tree:
        """All that the rest of the imitation depends on, but for the model and its customers."""
        return {
            "period": self.period,
            "generator": self.generator.bit_generator.state,
            "optimizer": read_optimizer(self.optimizer),
            "observations": np.array(self.observations),
        }

    def recall(self, tree: Tree) -> None:
        """Go on from what :meth:`memory` told."""
        self.period, self.observations = tree["period"], tree["observations"]
        self.generator.bit_generator.state = tree["generator"]
        write_optimizer(self.optimizer, tree["optimizer"])

    def run(self, teacher: Policy, each_period: Callable[[], None] = lambda: None) -> None:
        """Imitate a teacher, who sees the features that the actor sees, to the end.

        Args:
            teacher: Whom to imitate.
            each_period: Called before each period.
        """
        if self.observations is None:
            self.observations = self.envs.reset()
        while self.period < self.periods:
            each_period()
            self._learn(teacher)

    def _learn(self, teacher: Policy) -> None:
        """Imitate one period, and let the customers live it."""
        envs, generator, masks = self.envs, self.generator, masks_of(self.envs)
        everything = cast(NDArray[np.float32], envs.get_original_obs())
        records = np.ascontiguousarray(everything[:, : self.policy.seen // history_of(envs)])
        with one_blas_thread():
            choices = teacher.act(records, masks.astype(np.int8), generator)
        self.optimizer.param_groups[0]["lr"] = FIRST_RATE * (1.0 - self.period / self.periods)
        rows_of_all = self.observations, masks, choices, generator.permutation(envs.num_envs)
        place = self.policy.device
        seen, allowed, wanted, order = (torch.as_tensor(x, device=place) for x in rows_of_all)
        for rows in order.split(ROWS):
            loss = _doubtful_loss(self.policy, seen[rows], allowed[rows], wanted[rows], self._doubt)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        astray = generator.random(envs.num_envs) < ASTRAY
        anything = any_allowed(masks, generator)
        self.observations = envs.step(np.where(astray, anything, choices))[0]
        self.period += 1


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
