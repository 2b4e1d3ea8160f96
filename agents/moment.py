"""One moment of a training, as a tree of arrays and plain values: all that goes on depends on.

Taken between two rollouts: the rollout buffer of an on-policy learner is empty then.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize
from torch import nn

from agents.algorithms import Learner
from agents.checkpoint import Tree
from agents.worlds import ShowHistory

_COUNTERS = (
    "num_timesteps",
    "exploration_rate",
    "_current_progress_remaining",
    "_episode_num",
    "_n_calls",
    "_n_updates",
)
_LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts")
_REPLAY = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "dones",
    "timeouts",
    "next_masks",
)


def read_learner(learner: Learner) -> Tree:
    """All that the rest of a training depends on, as copies."""
    model: Any = learner.model
    tree: Tree = {
        "policy": read_module(model.policy),
        "optimizer": read_optimizer(model.policy.optimizer),
        "customers": learner.raw.state(),
        "around": _read_wrappers(learner),
        "counters": {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)},
        "last": {n: np.array(x) for n in _LAST if (x := getattr(model, n, None)) is not None},
        "generators": _read_generators(model),
    }
    if getattr(model, "replay_buffer", None) is not None:
        tree["replay"] = _read_replay(model.replay_buffer)
    if getattr(model, "_last_lstm_states", None) is not None:
        memory = [part.cpu().numpy().copy() for side in model._last_lstm_states for part in side]
        tree["memory"] = {str(i): part for i, part in enumerate(memory)}
    return tree


def write_learner(learner: Learner, tree: Tree) -> None:
    """Put a learner where another one was."""
    model: Any = learner.model
    write_module(model.policy, tree["policy"])
    write_optimizer(model.policy.optimizer, tree["optimizer"])
    learner.raw.restore(tree["customers"])
    _write_wrappers(learner, tree["around"])
    for name, value in tree["counters"].items():
        setattr(model, name, value)
    for name, array in tree["last"].items():
        setattr(model, name, array)
    if "replay" in tree:
        _write_replay(model.replay_buffer, tree["replay"])
    if "memory" in tree:
        kept = [torch.from_numpy(tree["memory"][str(i)]) for i in range(4)]
        parts = [part.to(model.device) for part in kept]
        kind = type(model._last_lstm_states)
        model._last_lstm_states = kind((parts[0], parts[1]), (parts[2], parts[3]))
    _write_generators(model, tree["generators"])


def read_module(module: nn.Module) -> Tree:
    """Weights and buffers of a network, as copies by name."""
    return {name: value.cpu().numpy().copy() for name, value in module.state_dict().items()}


def write_module(module: nn.Module, tree: Tree) -> None:
    """Put weights and buffers into a network of the same shape."""
    module.load_state_dict({name: torch.from_numpy(value) for name, value in tree.items()})


def read_optimizer(optimizer: torch.optim.Optimizer) -> Tree:
    """What an optimizer remembers of each weight, and its learning rates."""
    state = optimizer.state_dict()
    kept: Tree = {
        str(i): {
            name: value.cpu().numpy().copy() if isinstance(value, torch.Tensor) else value
            for name, value in entry.items()
        }
        for i, entry in state["state"].items()
    }
    return {"state": kept, "rates": [group["lr"] for group in state["param_groups"]]}


def write_optimizer(optimizer: torch.optim.Optimizer, tree: Tree) -> None:
    """Let an optimizer of the same weights remember what another one did."""
    state = optimizer.state_dict()
    state["state"] = {
        int(i): {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in entry.items()
        }
        for i, entry in tree["state"].items()
    }
    for group, rate in zip(state["param_groups"], tree["rates"], strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(state)


def _read_wrappers(learner: Learner) -> Tree:
    """What the wrappers around the customers remember."""
    envs = learner.envs
    tree: Tree = {"returns": envs.returns.copy(), "seen": np.array(envs.old_obs)}
    for name in ("obs_rms", "ret_rms"):
        moments = getattr(envs, name)
        tree[name] = {
            "mean": np.array(moments.mean),
            "var": np.array(moments.var),
            "count": float(moments.count),
        }
    shown = _history(envs)
    return tree if shown is None else tree | {"frames": shown.history.frames.copy()}


def _write_wrappers(learner: Learner, tree: Tree) -> None:
    envs = learner.envs
    envs.returns, envs.old_obs = tree["returns"], tree["seen"]
    for name in ("obs_rms", "ret_rms"):
        moments, kept = getattr(envs, name), tree[name]
        moments.mean, moments.var, moments.count = kept["mean"], kept["var"], kept["count"]
    shown = _history(envs)
    if shown is not None:
        shown.history.frames = tree["frames"]


def _history(envs: VecNormalize) -> ShowHistory | None:
    inner = envs.venv
    while isinstance(inner, VecEnvWrapper) and not isinstance(inner, ShowHistory):
        inner = inner.venv
    return inner if isinstance(inner, ShowHistory) else None


def _read_replay(buffer: Any) -> Tree:
    """The filled part of a replay buffer."""
    arrays = {name: getattr(buffer, name)[: buffer.size()] for name in _REPLAY}
    return {"pos": buffer.pos, "full": buffer.full, **arrays}


def _write_replay(buffer: Any, tree: Tree) -> None:
    buffer.pos, buffer.full = tree["pos"], tree["full"]
    for name in _REPLAY:
        getattr(buffer, name)[: buffer.size()] = tree[name]


def _read_generators(model: Any) -> Tree:
    """Every generator that a learner draws from: torch's, NumPy's global one, its own."""
    # Stable-Baselines3 draws minibatches from the global generator
    kind, key, *rest = cast(Any, np.random.get_state(legacy=True))  # noqa: NPY002
    tree: Tree = {
        "torch": torch.get_rng_state().numpy().copy(),
        "numpy": {"kind": kind, "key": np.array(key), "rest": list(rest)},
        "actions": model.action_space.np_random.bit_generator.state,
    }
    if hasattr(model, "luck"):
        tree["luck"] = model.luck.bit_generator.state
    if model.device.type == "cuda":
        tree["cuda"] = torch.cuda.get_rng_state(model.device).numpy().copy()
    return tree


def _write_generators(model: Any, tree: Tree) -> None:
    torch.set_rng_state(torch.from_numpy(tree["torch"]))
    of_numpy = tree["numpy"]
    np.random.set_state((of_numpy["kind"], of_numpy["key"], *of_numpy["rest"]))  # noqa: NPY002
    model.action_space.np_random.bit_generator.state = tree["actions"]
    if hasattr(model, "luck"):
        model.luck.bit_generator.state = tree["luck"]
    if "cuda" in tree:
        torch.cuda.set_rng_state(torch.from_numpy(tree["cuda"]), model.device)
