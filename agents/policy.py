"""A trained Stable-Baselines3 model as a policy of nba_gym."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class ActionScores(nn.Module):
    """Observation and mask to masked action probabilities: all that serving needs, in one graph.

    Normalisation of the observation is inside, so nothing has to be carried beside the weights.

    Args:
        network: Policy of a MaskablePPO (or another actor-critic with an ``mlp_extractor``).
        mean: Mean of the observations seen in training, ``(n_features,)``.
        std: Their standard deviation, ``(n_features,)``.
        clip: Normalised observations are held within [-clip, clip].
    """

    def __init__(
        self, network: Any, mean: NDArray[np.float64], std: NDArray[np.float64], clip: float
    ) -> None:
        super().__init__()
        self.actor = network.mlp_extractor.policy_net
        self.head = network.action_net
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))
        self.clip = clip

    mean: torch.Tensor
    std: torch.Tensor

    def forward(self, observations: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Probabilities, ``(n, n_actions)``; forbidden actions get exactly 0."""
        normal = (observations - self.mean) / self.std
        normal = torch.clamp(normal, -self.clip, self.clip)
        logits = self.head(self.actor(normal))
        allowed = masks > 0
        return torch.softmax(torch.where(allowed, logits, -torch.inf), dim=1) * allowed


class AgentPolicy:
    """Acts greedily on the probabilities of a trained network.

    Args:
        scores: The network.
        name: What tables call it.
        observe: What it was trained to see: ``"records"``, or ``"everything"`` if privileged.
    """

    def __init__(
        self, scores: ActionScores, name: str = "trained agent", observe: str = "records"
    ) -> None:
        self.name = name
        self.observe = observe
        self.scores = scores.eval()

    def probabilities_of(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Probability of every action, ``(n, n_actions)``."""
        with torch.inference_mode():
            out = self.scores(torch.from_numpy(observations), torch.from_numpy(masks))
        return out.numpy()

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The most probable allowed action of every customer, ``(n,)``."""
        return np.argmax(self.probabilities_of(observations, masks), axis=1)


def policy_of(model: Any, network: Any = None, observe: str = "records") -> AgentPolicy:
    """The present policy of a model under training or trained, with its normaliser.

    Args:
        model: A MaskablePPO.
        network: Its policy, if not the present one: with averaged weights, for example.
        observe: What its actor sees.
    """
    normaliser = model.get_vec_normalize_env()
    n = getattr(model.policy, "seen", model.observation_space.shape[0])
    mean, std, clip = np.zeros(n), np.ones(n), 1e9
    if normaliser is not None and normaliser.norm_obs:
        mean = normaliser.obs_rms.mean[:n]
        std = np.sqrt(normaliser.obs_rms.var[:n] + normaliser.epsilon)
        clip = normaliser.clip_obs
    scores = ActionScores(network or model.policy, mean, std, clip)
    return AgentPolicy(scores, observe=observe)
