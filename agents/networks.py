"""The network of the agent: an actor that sees the records, a critic that may see everything."""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn


class _TwoSides(nn.Module):
    """Hidden layers of actor and critic; the actor is shown the first ``seen`` features only."""

    def __init__(
        self, n_features: int, seen: int, actor: tuple[int, ...], critic: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.seen = seen
        self.policy_net = nn.Sequential(*create_mlp(seen, 0, list(actor), nn.Tanh))
        self.value_net = nn.Sequential(*create_mlp(n_features, 0, list(critic), nn.ReLU))
        self.latent_dim_pi, self.latent_dim_vf = actor[-1], critic[-1]

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        return self.policy_net(features[:, : self.seen])

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        return self.value_net(features)


class TwoSidedPolicy(MaskableActorCriticPolicy):
    """A masked actor-critic whose critic may see more than its actor.

    The critic is needed in training only. What it sees of the hidden half takes noise out of the
    estimated advantages and cannot reach the actor otherwise (asymmetric actor-critic, Pinto et al.
    2018): the policy that is served sees the records alone.

    Args:
        *args: As for ``MaskableActorCriticPolicy``.
        seen: Leading features that the actor sees.
        actor: Hidden layers of the actor.
        critic: Hidden layers of the critic.
        **kwargs: As for ``MaskableActorCriticPolicy``.
    """

    def __init__(
        self,
        *args: Any,
        seen: int,
        actor: tuple[int, ...],
        critic: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        self.seen, self._sides = seen, (actor, critic)
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        sides: Any = _TwoSides(self.features_dim, self.seen, *self._sides)
        self.mlp_extractor = sides.to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        actor, critic = self._sides
        own = {"seen": self.seen, "actor": actor, "critic": critic}
        return super()._get_constructor_parameters() | own

    def actor_parameters(self) -> list[nn.Parameter]:
        """Weights that choose actions; the others belong to the critic."""
        layers: Any = self.mlp_extractor.policy_net
        return [*layers.parameters(), *self.action_net.parameters()]
