"""Weights of a trained policy as safetensors: nothing that runs code when loaded."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from agents.policy import ActionScores, AgentPolicy
from nba_gym.errors import BundleError


def save_policy(policy: AgentPolicy, path: Path) -> None:
    """Write the network of a policy, with its shape in the file's metadata."""
    scores = policy.scores
    sizes = [layer.in_features for layer in scores.modules() if isinstance(layer, nn.Linear)]
    shape = {"layers": sizes, "actions": scores.head.out_features, "clip": scores.clip}
    tensors = {name: value.contiguous() for name, value in scores.state_dict().items()}
    tags = {"shape": json.dumps(shape), "name": policy.name, "observe": policy.observe}
    save_file(tensors, str(path), metadata=tags)


def load_policy(path: Path) -> AgentPolicy:
    """Read a policy that ``save_policy`` wrote.

    Raises:
        BundleError: If the file is missing or was not written by ``save_policy``.
    """
    if not path.is_file():
        raise BundleError(f"weights must be an existing file, got {str(path)!r}")
    try:
        with safe_open(str(path), framework="pt") as file:
            tags = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shape = json.loads(tags["shape"])
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise BundleError(
            f"weights must come from agents.train, got {path.name}: {error}"
        ) from None
    scores = _empty_scores(shape["layers"], shape["actions"], float(shape["clip"]))
    scores.load_state_dict(tensors)
    return AgentPolicy(scores, tags.get("name", "trained agent"), tags.get("observe", "records"))


def _empty_scores(sizes: list[int], actions: int, clip: float) -> ActionScores:
    """A network of the right shape; ``sizes`` are the inputs of each layer, the head's last."""
    scores = ActionScores.__new__(ActionScores)
    nn.Module.__init__(scores)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    scores.actor = nn.Sequential(*layers)
    scores.head = nn.Linear(sizes[-1], actions)
    scores.register_buffer("mean", torch.zeros(sizes[0]))
    scores.register_buffer("std", torch.ones(sizes[0]))
    scores.clip = clip
    return scores
