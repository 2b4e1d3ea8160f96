"""A trained Stable-Baselines3 model as a policy of nba_gym."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.values import mean_of_quantiles, merged
from agents.worlds import History, history_of
from nba_gym.errors import PolicyError

TENURE = 0
"""The feature that is 0 when a journey begins."""


class Normal(nn.Module):
    """What is done to an observation before the network sees it.

    Args:
        mean: Mean of the observations seen in training, ``(n_features,)``.
        std: Their standard deviation, ``(n_features,)``.
        clip: Normalised observations are held within [-clip, clip].
    """

    def __init__(self, mean: NDArray[Any], std: NDArray[Any], clip: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))
        self.clip = clip

    mean: torch.Tensor
    std: torch.Tensor

    def normal(self, observations: torch.Tensor) -> torch.Tensor:
        """Normalised observations, ``(n, n_features)``."""
        normal = (observations - self.mean) / self.std
        return torch.clamp(normal, -self.clip, self.clip)


class ActionScores(Normal):
    """Observation and mask to masked action probabilities: all that serving needs, in one graph.

    Normalisation of the observation is inside, so nothing has to be carried beside the weights.

    Args:
        actor: Hidden layers.
        head: From the last of them to a logit, or to the worth, of each action.
        *normaliser: As for ``Normal``.
    """

    def __init__(self, actor: nn.Module, head: nn.Module, *normaliser: Any) -> None:
        super().__init__(*normaliser)
        self.actor, self.head = actor, head

    def forward(self, observations: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Probabilities, ``(n, n_actions)``; forbidden actions get exactly 0."""
        return _probabilities(self.logits(observations), masks)

    def logits(self, observations: torch.Tensor) -> torch.Tensor:
        """What the network says of every action, ``(n, n_actions)``, whatever is allowed."""
        return self.head(self.actor(self.normal(observations)))


class RecurrentScores(Normal):
    """The same with a memory, which the caller keeps.

    Args:
        lstm: The memory of the actor.
        actor: Hidden layers.
        head: From the last of them to a logit of each action.
        *normaliser: As for ``Normal``.
    """

    def __init__(self, lstm: nn.LSTM, actor: nn.Module, head: nn.Module, *normaliser: Any) -> None:
        super().__init__(*normaliser)
        self.lstm, self.actor, self.head = lstm, actor, head

    def forward(
        self, observations: torch.Tensor, masks: torch.Tensor, *memory: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Probabilities, ``(n, n_actions)``, and the memory after, ``(layers, n, size)`` twice."""
        latent, after = self.lstm(self.normal(observations)[None], memory)
        return _probabilities(self.head(self.actor(latent[0])), masks), *after


class AgentPolicy:
    """Acts greedily on the probabilities of a trained network.

    A policy with a memory (stacked history, or a recurrent network) must be asked once a period,
    about the same customers in the same order; where a journey begins, it forgets.

    Args:
        scores: The network.
        name: What tables call it.
        observe: What it was trained to see: ``"records"``, or ``"everything"`` if privileged.
        algorithm: What it was trained by.
        history: Periods of the records that the network is shown at once.
    """

    def __init__(
        self,
        scores: ActionScores | RecurrentScores,
        name: str = "trained agent",
        observe: str = "records",
        algorithm: str = "MaskablePPO",
        history: int = 1,
    ) -> None:
        self.name, self.observe, self.algorithm = name, observe, algorithm
        self.history = history
        self.scores = scores.eval()
        self._seen = History(0, self.n_features, history)
        self._memory: Sequence[torch.Tensor] = ()

    @property
    def remembers(self) -> bool:
        """Whether what it chooses depends on more than the present observation."""
        return self.history > 1 or isinstance(self.scores, RecurrentScores)

    @property
    def n_features(self) -> int:
        """Features of one period that it sees."""
        return len(self.scores.mean) // self.history

    def probabilities_of(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Probability of every action, ``(n, n_actions)``.

        Raises:
            PolicyError: If it remembers, and these are not the customers of the period before.
        """
        shown, allowed = torch.from_numpy(observations), torch.from_numpy(masks)
        with torch.inference_mode():
            if not self.remembers:
                return self.scores(shown, allowed).numpy()
            newborn = observations[:, TENURE] == 0.0
            self._keep_up(newborn)
            if isinstance(self.scores, ActionScores):
                stacked = self._seen.push(observations, newborn)
                return self.scores(torch.from_numpy(stacked), allowed).numpy()
            born = torch.from_numpy(newborn)[None, :, None]
            memory = [torch.where(born, 0.0, part) for part in self._memory]
            chances, *self._memory = self.scores(shown, allowed, *memory)
        return chances.numpy()

    def _keep_up(self, newborn: NDArray[np.bool_]) -> None:
        """Begin to remember where all journeys begin."""
        n = len(newborn)
        if newborn.all():
            self._seen = History(n, self.n_features, self.history)
            if isinstance(self.scores, RecurrentScores):
                lstm = self.scores.lstm
                self._memory = [torch.zeros(lstm.num_layers, n, lstm.hidden_size)] * 2
        elif n != len(self._seen.frames):
            raise PolicyError(
                f"{self.name} remembers, so it must be asked about the same customers each period "
                f"from their first on, got {n} of them after {len(self._seen.frames)}"
            )

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The most probable allowed action of every customer, ``(n,)``."""
        return np.argmax(self.probabilities_of(observations, masks), axis=1)


def policy_of(
    model: Any, network: Any = None, observe: str = "records", normaliser: Any = None
) -> AgentPolicy:
    """The present policy of a model under training or trained, with its normaliser.

    Args:
        model: A MaskablePPO, or another of the learners of ``agents.algorithms``.
        network: Its policy, if not the present one: with averaged weights, for example.
        observe: What its actor sees.
        normaliser: The ``VecNormalize`` it was trained in, if not the one around its customers.

    Raises:
        PolicyError: If it is a model of another kind.
    """
    network = network or model.policy
    if network.device.type != "cpu":  # a policy acts where the customers are
        network = copy.deepcopy(network).cpu()
    scores, parts = _parts(network)
    layers = [layer for part in parts for layer in part.modules()]
    n = next(_inputs(layer) for layer in layers if isinstance(layer, (nn.Linear, nn.LSTM)))
    normaliser = normaliser or model.get_vec_normalize_env()
    mean, std, clip = np.zeros(n), np.ones(n), 1e9
    if normaliser is not None and normaliser.norm_obs:
        mean = normaliser.obs_rms.mean[:n]
        std = np.sqrt(normaliser.obs_rms.var[:n] + normaliser.epsilon)
        clip = normaliser.clip_obs
    return AgentPolicy(
        scores(*parts, mean, std, clip),
        observe=observe,
        algorithm=getattr(model, "algorithm", type(model).__name__),
        history=1 if model.env is None else history_of(model.env),
    )


def _parts(network: Any) -> tuple[Any, list[nn.Module]]:
    """The layers between a normalised observation and logits, and what to make of them."""
    if hasattr(network, "lstm_actor"):
        parts = [network.lstm_actor, network.mlp_extractor.policy_net, network.action_net]
        return RecurrentScores, parts
    if hasattr(network, "mlp_extractor"):
        return ActionScores, [network.mlp_extractor.policy_net, network.action_net]
    if hasattr(network, "q_net"):
        *hidden, last = network.q_net.q_net
        return ActionScores, [nn.Sequential(*hidden), merged(last)]
    if hasattr(network, "quantile_net"):
        *hidden, last = network.quantile_net.quantile_net
        return ActionScores, [nn.Sequential(*hidden), mean_of_quantiles(last, network.n_quantiles)]
    kind = type(network).__name__
    raise PolicyError(f"model must have an actor, a Q network or quantiles, got {kind}")


def _inputs(layer: nn.Linear | nn.LSTM) -> int:
    return layer.input_size if isinstance(layer, nn.LSTM) else layer.in_features


def _probabilities(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    allowed = masks > 0
    return torch.softmax(torch.where(allowed, logits, -torch.inf), dim=1) * allowed
