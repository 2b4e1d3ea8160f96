"""PPO and RecurrentPPO with masks, which come with the observation; no network sees them."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

FORBIDDEN = -1e8
"""Logit of an action that the mask forbids."""


class _Unmasked(BaseFeaturesExtractor):
    """Keeps the mask aside, and passes on what the network may see.

    Args:
        observation_space: Features, then one column an action: 1 where it is allowed.
        n_actions: Actions.
    """

    def __init__(self, observation_space: spaces.Box, n_actions: int) -> None:
        super().__init__(observation_space, observation_space.shape[0] - n_actions)
        self.masks = torch.zeros(0, n_actions)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        self.masks = observations[:, self.features_dim :] > 0.0
        return observations[:, : self.features_dim]


class _Masked(ActorCriticPolicy):
    """An actor whose forbidden actions get no probability.

    The very same masks are there when an action is drawn and when the network learns from it,
    because they travel with the observation (see ``ShowMasks``) through the rollout buffer, which
    shuffles decisions, or cuts and pads journeys.

    Args:
        observation_space: Features, then the mask.
        action_space: The actions.
        *args: As for the policy without masks.
        **kwargs: As for the policy without masks.
    """

    def __init__(
        self,
        observation_space: spaces.Box,
        action_space: spaces.Discrete,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        own = {
            "features_extractor_class": _Unmasked,
            "features_extractor_kwargs": {"n_actions": int(action_space.n)},
        }
        super().__init__(observation_space, action_space, *args, **(kwargs | own))

    def _get_action_dist_from_latent(self, latent_pi: torch.Tensor) -> Distribution:
        # features were extracted just before, of these very rows
        extractor: Any = self.features_extractor
        logits = self.action_net(latent_pi)
        masked = torch.where(extractor.masks, logits, FORBIDDEN)
        return self.action_dist.proba_distribution(masked)  # pyright: ignore[reportCallIssue]


class MaskedMlpPolicy(_Masked):
    """An actor and a critic of hidden layers each, as those of Stable-Baselines3, with masks."""


class MaskedLstmPolicy(_Masked, RecurrentActorCriticPolicy):
    """An actor and a critic with a memory each (LSTM), with masks."""
