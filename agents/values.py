"""DQN and QR-DQN with masks: allowed actions alone are tried, chosen and hoped for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import QRDQN
from sb3_contrib.common.utils import quantile_huber_loss
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn
from torch.nn import functional

from agents.worlds import any_allowed, masks_of


class MaskedSamples(NamedTuple):
    """Transitions out of the replay buffer; see ``ReplayBufferSamples``.

    Attributes:
        next_masks: Actions that are allowed after them, ``(batch, n_actions)``.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    dones: torch.Tensor
    rewards: torch.Tensor
    next_masks: torch.Tensor


class MaskedReplayBuffer(ReplayBuffer):
    """Keeps for each transition which actions are allowed after it.

    Args:
        *args: As for ``ReplayBuffer``.
        masks: Tells the masks after the step that is being stored.
        luck: Draws the transitions to learn from.
        **kwargs: As for ``ReplayBuffer``.
    """

    def __init__(
        self,
        *args: Any,
        masks: Callable[[], NDArray[np.bool_]],
        luck: np.random.Generator,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._masks, self._luck = masks, luck
        n_actions = int(cast(Any, self.action_space).n)
        self.next_masks = np.zeros((self.buffer_size, self.n_envs, n_actions), dtype=np.bool_)

    def add(self, *args: Any, **kwargs: Any) -> None:
        self.next_masks[self.pos] = self._masks()
        super().add(*args, **kwargs)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        at = self._luck.integers(self.size(), size=batch_size)
        of = self._luck.integers(self.n_envs, size=batch_size)
        data: Any = (
            self._normalize_obs(self.observations[at, of], env),
            self.actions[at, of],
            self._normalize_obs(self.next_observations[at, of], env),
            (self.dones[at, of] * (1.0 - self.timeouts[at, of]))[:, None],
            self._normalize_reward(self.rewards[at, of][:, None], env),
            self.next_masks[at, of],
        )
        return MaskedSamples(*(torch.as_tensor(part, device=self.device) for part in data))


def explore(
    model: Any, learning_starts: int, luck: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What every customer gets next: now and then anything allowed, else what is worth most.

    Each customer has a coin of their own; before learning starts, all get something at random.
    """
    masks = masks_of(cast(VecEnv, model.env))
    chosen = any_allowed(masks, luck)
    if model.num_timesteps >= learning_starts:
        with torch.no_grad():
            values = model.worths(torch.as_tensor(model._last_obs, device=model.device)).cpu()
        best = torch.where(torch.as_tensor(masks), values, -torch.inf).argmax(dim=1).numpy()
        chosen = np.where(luck.random(len(masks)) < model.exploration_rate, chosen, best)
    return chosen, chosen


def learn(model: Any, gradient_steps: int, batch_size: int) -> None:
    """Gradient steps on transitions out of the replay buffer."""
    model.policy.set_training_mode(True)
    model._update_learning_rate(model.policy.optimizer)
    losses: list[float] = []
    for _ in range(gradient_steps):
        data = model.replay_buffer.sample(batch_size, env=model.get_vec_normalize_env())
        loss = model.loss(data)
        model.policy.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.policy.parameters(), model.max_grad_norm)
        model.policy.optimizer.step()
        losses.append(loss.item())
    model._n_updates += gradient_steps
    model.logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    model.logger.record("train/loss", np.mean(losses))


class Masked:
    """What both have instead of their own ways to explore and to learn; to be named before them."""

    luck: np.random.Generator

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return explore(self, learning_starts, self.luck)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        learn(self, gradient_steps, batch_size)


class MaskedDQN(Masked, DQN):
    """DQN that minds the mask, by choice with two estimates (double) or two streams (dueling).

    Args:
        *args: As for ``DQN``.
        double: The network chooses the next action, the target network says what it is worth
            (van Hasselt et al. 2016).
        luck: Explores, and draws from the replay buffer.
        **kwargs: As for ``DQN``.
    """

    def __init__(self, *args: Any, double: bool, luck: np.random.Generator, **kwargs: Any) -> None:
        self.double, self.luck = double, luck
        super().__init__(*args, **kwargs)

    def worths(self, observations: torch.Tensor) -> torch.Tensor:
        """What each action is worth, ``(n, n_actions)``."""
        return self.q_net(observations)

    def loss(self, data: MaskedSamples) -> torch.Tensor:
        """How far what was expected is from the targets (Huber)."""
        expected = self.q_net(data.observations).gather(1, data.actions.long())
        return functional.smooth_l1_loss(expected, self.targets(data))

    def targets(self, data: MaskedSamples) -> torch.Tensor:
        """Rewards and what the best allowed action after them is worth, ``(batch, 1)``."""
        with torch.no_grad():
            later = self.q_net_target(data.next_observations)
            choosing = self.q_net(data.next_observations) if self.double else later
            best = torch.where(data.next_masks, choosing, -torch.inf).argmax(dim=1, keepdim=True)
            return data.rewards + (1.0 - data.dones) * self.gamma * later.gather(1, best)


class MaskedQRDQN(Masked, QRDQN):
    """QR-DQN that minds the mask.

    Args:
        *args: As for ``QRDQN``.
        luck: Explores, and draws from the replay buffer.
        **kwargs: As for ``QRDQN``.
    """

    def __init__(self, *args: Any, luck: np.random.Generator, **kwargs: Any) -> None:
        self.luck = luck
        super().__init__(*args, **kwargs)

    def worths(self, observations: torch.Tensor) -> torch.Tensor:
        """What each action is worth on average, ``(n, n_actions)``."""
        return self.quantile_net(observations).mean(dim=1)

    def loss(self, data: MaskedSamples) -> torch.Tensor:
        """How far the quantiles expected are from the targets (quantile Huber)."""
        actions = data.actions[..., None].long().expand(-1, self.n_quantiles, 1)
        expected = self.quantile_net(data.observations).gather(2, actions).squeeze(2)
        return quantile_huber_loss(expected, self.targets(data), sum_over_quantiles=True)

    def targets(self, data: MaskedSamples) -> torch.Tensor:
        """Rewards and the quantiles of the best allowed action after, ``(batch, n_quantiles)``."""
        with torch.no_grad():
            later = self.quantile_net_target(data.next_observations)
            means = torch.where(data.next_masks, later.mean(dim=1), -torch.inf)
            best = means.argmax(dim=1)[:, None, None].expand(-1, self.n_quantiles, 1)
            quantiles = later.gather(2, best).squeeze(2)
            return data.rewards + (1.0 - data.dones) * self.gamma * quantiles


class Dueling(nn.Module):
    """What the state is worth, and how much better than the mean each action is (Wang et al. 2016).

    Args:
        inputs: Features of the last hidden layer.
        n_actions: Actions.
    """

    def __init__(self, inputs: int, n_actions: int) -> None:
        super().__init__()
        self.state, self.advantage = nn.Linear(inputs, 1), nn.Linear(inputs, n_actions)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        advantage = self.advantage(latent)
        return self.state(latent) + advantage - advantage.mean(dim=1, keepdim=True)


def merged(last: nn.Module) -> nn.Module:
    """The last layer of a Q network as one layer."""
    if not isinstance(last, Dueling):
        return last
    layer = _empty(last.advantage.in_features, last.advantage.out_features)
    with torch.no_grad():
        for name in ("weight", "bias"):
            advantage, state = (getattr(x, name) for x in (last.advantage, last.state))
            getattr(layer, name).copy_(state + advantage - advantage.mean(dim=0))
    return layer


def mean_of_quantiles(last: nn.Linear, n_quantiles: int) -> nn.Linear:
    """The last layer of a quantile network, as one that gives means over quantiles."""
    layer = _empty(last.in_features, last.out_features // n_quantiles)
    with torch.no_grad():
        for name in ("weight", "bias"):
            quantiles = getattr(last, name).unflatten(0, (n_quantiles, -1))
            getattr(layer, name).copy_(quantiles.mean(dim=0))
    return layer


def _empty(inputs: int, outputs: int) -> nn.Linear:
    """A layer without weights yet; to look at a policy must not draw random numbers."""
    return cast(nn.Linear, nn.utils.skip_init(nn.Linear, inputs, outputs))


class DuelingPolicy(DQNPolicy):
    """DQN's policy, whose networks end in two streams."""

    def make_q_net(self) -> QNetwork:
        network = super().make_q_net()
        last = cast(nn.Linear, network.q_net[-1])
        network.q_net[-1] = Dueling(last.in_features, last.out_features)
        return network
