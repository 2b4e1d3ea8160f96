"""The loop of MaskablePPO without what is not learning: same policies, losses and files as SB3."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch.nn.functional import mse_loss

from agents.networks import TwoSidedPolicy
from agents.siblings import less_siblings
from agents.worlds import copy_places, masks_of
from nba_gym.errors import PolicyError

FORBIDDEN = -1e8
"""The logit of a forbidden action, as in sb3-contrib."""
ROWS_AT_ONCE = 8192
"""Rows that the critic judges at once after a rollout: as many as a cache holds."""


class Batch(NamedTuple):
    """Some transitions, one a row.

    Attributes:
        observations: Normalised, ``(n, n_features)``.
        masks: Allowed actions, ``(n, n_actions)``.
        actions: Chosen actions, ``(n,)``.
        log_probs: Log-probability of the choice when it was made, ``(n,)``.
        advantages: How much better than expected it went (GAE), ``(n,)``.
        returns: What the critic should have said, ``(n,)``.
    """

    observations: torch.Tensor
    masks: torch.Tensor
    actions: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


class Rollout(RolloutBuffer):
    """A rollout, written where it stays: ``(periods, customers, ...)``, period by period.

    Takes the place of the buffer of Stable-Baselines3, which is allocated anew for each rollout,
    copied to be flattened, and gathered by NumPy.

    Args:
        buffer_size: Periods.
        observation_space: Of one customer.
        action_space: Of one customer.
        device: Of the tensors.
        gae_lambda: Trade-off of bias and variance (Schulman et al. 2016).
        gamma: Discount factor.
        n_envs: Customers.
        siblings: How many in a row are the same customer when the rollout begins.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        action_space: Any,
        device: Any = "cpu",
        gae_lambda: float = 1.0,
        gamma: float = 0.99,
        n_envs: int = 1,
        siblings: int = 1,
    ) -> None:
        place = torch.device(device)
        shape = (buffer_size, n_envs)
        self.buffer_size, self.n_envs, self.pos, self.full = buffer_size, n_envs, 0, False
        self.gae_lambda, self.gamma, self.siblings = gae_lambda, gamma, siblings
        features, n_actions = observation_space.shape[0], int(action_space.n)
        self.seen = torch.zeros((buffer_size + 1, n_envs, features), device=place)
        self.masks = torch.zeros((*shape, n_actions), dtype=torch.bool, device=place)
        self.chosen = torch.zeros(shape, dtype=torch.int64, device=place)
        self.chances, self.gains, self.targets = (torch.zeros(shape, device=place) for _ in "123")
        self.worth = torch.zeros((buffer_size + 1, n_envs), device=place)
        self.rewards = np.zeros(shape, dtype=np.float32)
        self.ended = np.zeros(shape, dtype=np.bool_)

    def reset(self) -> None:
        """Begin to write from the first period on; nothing is cleared."""
        self.pos, self.full = 0, False

    def finish(self) -> None:
        """Advantages and returns, from rewards, ends and what the critic says."""
        values, gain = self.worth.cpu().numpy(), np.zeros(self.n_envs, dtype=np.float32)
        gains = np.zeros((self.buffer_size, self.n_envs), dtype=np.float32)
        for t in reversed(range(self.buffer_size)):
            goes_on = 1.0 - self.ended[t].astype(np.float32)
            delta = self.rewards[t] + self.gamma * values[t + 1] * goes_on - values[t]
            gain = delta + self.gamma * self.gae_lambda * goes_on * gain
            gains[t] = gain
        self.targets.copy_(torch.from_numpy(gains + values[:-1]))
        if self.siblings > 1:
            gains = less_siblings(gains, self.ended, self.siblings)
        self.gains.copy_(torch.from_numpy(gains))
        self.full = True

    def batches(self, size: int, luck: np.random.Generator) -> Iterator[Batch]:
        """All transitions in random order, ``size`` at a time."""
        flat = Batch(
            self.seen[:-1].flatten(0, 1),
            self.masks.flatten(0, 1),
            *(x.flatten() for x in (self.chosen, self.chances, self.gains, self.targets)),
        )
        order = torch.from_numpy(luck.permutation(self.buffer_size * self.n_envs))
        order = order.to(self.seen.device)
        for rows in order.split(size):
            yield Batch(*(part.index_select(0, rows) for part in flat))


class LeanPPO(MaskablePPO):
    """MaskablePPO whose loop does nothing for a single customer in Python.

    The differences to sb3-contrib are where numbers are kept and how often they are computed: the
    critic judges a rollout once it is over, log-probabilities are computed once instead of three
    times, masks and infos of those whose journey goes on are not listed. On the same rollout it
    ends with the same weights. Randomness is its own, not that of NumPy or torch as a whole.

    Args:
        *args: As for ``MaskablePPO``; the policy must be a ``TwoSidedPolicy``.
        luck: Draws actions and minibatches.
        siblings: How many places in a row begin each rollout as the same customer with the same
            luck; see ``agents.siblings``. 1 has no siblings.
        **kwargs: As for ``MaskablePPO``.
    """

    algorithm = "MaskablePPO"

    def __init__(
        self, *args: Any, luck: np.random.Generator, siblings: int = 1, **kwargs: Any
    ) -> None:
        self.luck, self.siblings = luck, siblings
        own = {"rollout_buffer_kwargs": {"siblings": siblings}}
        super().__init__(*args, rollout_buffer_class=cast(Any, Rollout), **own, **kwargs)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
        use_masking: bool = True,
    ) -> bool:
        """Live some periods with every customer; False if a callback wants no more."""
        rows, policy = cast(Rollout, rollout_buffer), cast(TwoSidedPolicy, self.policy)
        policy.set_training_mode(False)
        rows.reset()
        callback.on_rollout_start()
        if self.siblings > 1:
            self._meet_siblings(env)
        while rows.pos < n_rollout_steps:
            t = rows.pos
            rows.seen[t] = torch.from_numpy(self._last_obs)
            rows.masks[t] = torch.from_numpy(masks_of(env))
            self._choose(rows, t)
            seen, rewards, dones, infos = env.step(rows.chosen[t].cpu().numpy())
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._note(rows, t, cast(Any, rewards), dones, infos)
            self._last_obs = cast(NDArray[np.float32], seen)
            self._last_episode_starts = dones
            rows.pos += 1
        rows.seen[-1] = torch.from_numpy(self._last_obs)
        for begin in range(0, len(flat := rows.seen.flatten(0, 1)), ROWS_AT_ONCE):
            part = slice(begin, begin + ROWS_AT_ONCE)
            rows.worth.view(-1)[part] = self._values(flat[part])
        rows.finish()
        callback.on_rollout_end()
        return True

    def _meet_siblings(self, env: VecEnv) -> None:
        """Let all siblings be where the first of them is."""
        firsts = np.arange(env.num_envs) // self.siblings * self.siblings
        copy_places(env, firsts)
        self._last_obs = cast(NDArray[np.float32], self._last_obs)[firsts]

    @torch.inference_mode()
    def _values(self, observations: torch.Tensor) -> torch.Tensor:
        policy = cast(TwoSidedPolicy, self.policy)
        return policy.value_net(policy.mlp_extractor.forward_critic(observations)).flatten()

    @torch.inference_mode()
    def _choose(self, rows: Rollout, t: int) -> None:
        """Draw an allowed action for every customer, each with one uniform number."""
        logits = _logits(cast(TwoSidedPolicy, self.policy), rows.seen[t], rows.masks[t])
        chances = torch.log_softmax(logits, dim=1)
        sums = chances.exp().cumsum(dim=1)
        uniform = torch.from_numpy(self.luck.random((len(sums), 1), dtype=np.float32))
        uniform = uniform.to(sums.device)
        # the first action whose cumulated probability is above the number: never a forbidden one
        chosen = (sums <= uniform * sums[:, -1:]).sum(dim=1)
        rows.chosen[t] = chosen
        rows.chances[t] = chances.gather(1, chosen[:, None])[:, 0]

    def _note(
        self,
        rows: Rollout,
        t: int,
        rewards: NDArray[np.float32],
        dones: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Keep what came of period ``t``; the critic says what a time limit cut off is worth."""
        rows.rewards[t], rows.ended[t] = rewards, dones
        over = np.flatnonzero(dones)
        self._update_info_buffer([infos[i] for i in over], dones[over])
        for i in over:
            if infos[i].get("TimeLimit.truncated", False):
                last = torch.from_numpy(infos[i]["terminal_observation"])[None].to(self.device)
                rows.rewards[t, i] += self.gamma * float(self._values(last))

    def train(self) -> None:
        """Learn from the rollout, as MaskablePPO does.

        Raises:
            PolicyError: If the weights run away.
        """
        policy, rows = cast(TwoSidedPolicy, self.policy), cast(Any, self.rollout_buffer)
        policy.set_training_mode(True)
        self._update_learning_rate(policy.optimizer)
        clip = cast(Any, self.clip_range)(self._current_progress_remaining)
        told: list[dict[str, torch.Tensor]] = []
        for _ in range(self.n_epochs):
            for batch in rows.batches(self.batch_size, self.luck):
                loss, about = self._loss(batch, clip)
                policy.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.max_grad_norm)
                policy.optimizer.step()
                told.append(about | {"loss": loss.detach()})
            self._n_updates += 1
        for name in told[0]:
            mean = float(torch.stack([x[name] for x in told]).mean())
            if not math.isfinite(mean):
                raise PolicyError(
                    "learning_rate must be one with which the network stays finite, got "
                    f"{policy.optimizer.param_groups[0]['lr']:g}: {name} is {mean} after "
                    f"{self.num_timesteps:,} transitions"
                )
            self.logger.record(f"train/{name}", mean)
        values, returns = (x.cpu().numpy().ravel() for x in (rows.worth[:-1], rows.targets))
        self.logger.record("train/explained_variance", explained_variance(values, returns))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip)

    def _loss(self, batch: Batch, clip: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Clipped surrogate, squared error of the critic and entropy (Schulman et al. 2017)."""
        policy = cast(TwoSidedPolicy, self.policy)
        latent = policy.mlp_extractor.forward_critic(batch.observations)
        value_loss = mse_loss(policy.value_net(latent).flatten(), batch.returns)
        loss, about = self.vf_coef * value_loss, {"value_loss": value_loss.detach()}
        if not policy.action_net.weight.requires_grad:
            return loss, about  # the critic learns alone
        chances = torch.log_softmax(_logits(policy, batch.observations, batch.masks), dim=1)
        change = chances.gather(1, batch.actions[:, None])[:, 0] - batch.log_probs
        advantages = batch.advantages
        if self.normalize_advantage and len(advantages) > 1:  # of one alone nothing spreads
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        ratio = change.exp()
        clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
        surrogate = -torch.min(advantages * ratio, advantages * clipped).mean()
        loss = loss + surrogate
        about["policy_gradient_loss"] = surrogate.detach()
        with torch.set_grad_enabled(self.ent_coef != 0.0):
            certainty = (chances.exp() * chances).sum(dim=1).mean()
        loss = loss + self.ent_coef * certainty
        with torch.no_grad():
            about["entropy_loss"] = certainty.detach()
            about["approx_kl"] = (ratio - 1.0 - change).mean()
            about["clip_fraction"] = ((ratio - 1.0).abs() > clip).float().mean()
        return loss, about


def _logits(
    policy: TwoSidedPolicy, observations: torch.Tensor, masks: torch.Tensor
) -> torch.Tensor:
    """Logits of the actor, ``(n, n_actions)``; forbidden actions get ``FORBIDDEN``."""
    latent = policy.mlp_extractor.forward_actor(observations)
    return torch.where(masks, policy.action_net(latent), FORBIDDEN)
