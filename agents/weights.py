"""Weights of a trained policy as safetensors: nothing that runs code when loaded."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from agents.policy import ActionScores, AgentPolicy, RecurrentScores
from nba_gym.errors import BundleError
from nba_gym.files import whole_file

_BENDS = {"Tanh": nn.Tanh, "ReLU": nn.ReLU}
"""What may stand between two layers."""

_UNREADABLE = (
    *(OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError, SafetensorError),
)
"""What reading a file raises that is something else, or damaged."""

_ABOUT = ("name", "observe", "algorithm", "history")
"""What is kept of a policy beside its network."""


def save_policy(policy: AgentPolicy, path: Path) -> None:
    """Write the network of a policy, with its shape in the file's metadata."""
    scores = policy.scores
    layers = [layer for layer in scores.modules() if isinstance(layer, nn.Linear)]
    bends = [kind for layer in scores.modules() if (kind := type(layer).__name__) in _BENDS]
    shape: dict[str, Any] = {
        "layers": [layer.in_features for layer in layers],
        "actions": layers[-1].out_features,
        "clip": scores.clip,
        "bend": bends[0] if bends else "Tanh",
        "memory": None,
    }
    if isinstance(scores, RecurrentScores):
        shape["memory"] = [scores.lstm.input_size, scores.lstm.hidden_size, scores.lstm.num_layers]
    tensors = {name: value.contiguous() for name, value in scores.state_dict().items()}
    about = {name: getattr(policy, name) for name in _ABOUT} | {"shape": shape}
    # one entry: several would be written in any order, and the same weights be another file
    data = save(tensors, metadata={"policy": json.dumps(about)})
    with whole_file(path) as draft:
        draft.write_bytes(data)


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
        about = json.loads(tags["policy"])
        scores = _empty_scores(about["shape"])
        scores.load_state_dict(tensors)
        return AgentPolicy(scores, **{name: about[name] for name in _ABOUT})
    except _UNREADABLE as error:
        raise BundleError(
            f"weights must come from agents.train, got {path.name}: {error}"
        ) from None


def _empty_scores(shape: dict[str, Any]) -> ActionScores | RecurrentScores:
    """A network of the right shape; ``layers`` are the inputs of each layer, the head's last."""
    sizes: list[int] = shape["layers"]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), _BENDS[shape["bend"]]()]
    actor, head = nn.Sequential(*layers), nn.Linear(sizes[-1], shape["actions"])
    memory = shape["memory"]
    n, clip = sizes[0] if memory is None else memory[0], float(shape["clip"])
    normal = (np.zeros(n), np.ones(n), clip)
    if memory is None:
        return ActionScores(actor, head, *normal)
    return RecurrentScores(nn.LSTM(*memory), actor, head, *normal)
