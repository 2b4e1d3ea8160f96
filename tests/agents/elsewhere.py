"""A device that is not the processor, for machines without one: ``elsewhere``.

Its tensors are on the processor, in a wrapper. As on any accelerator, an operation on tensors of
two devices is an error, and so is to read one as a NumPy array. What it computes is the same to the
bit. It is there for the whole process: ``python -m tests.agents.elsewhere dqn``.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn.functional import linear
from torch.utils import _pytree as trees
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as register

# inference mode knows no tensors that wrap others; it computes the same
torch.inference_mode = cast(Any, torch.no_grad)

from agents.keeper import Keep  # noqa: E402
from agents.train import train  # noqa: E402
from nba_gym.policies import RoundRobin  # noqa: E402
from tests.agents.kills import digest, tiny  # noqa: E402
from tests.agents.learners import SCENARIO  # noqa: E402

NAME = "elsewhere"
MOVES = ("copy_", "_to_copy")
"""Operations between two devices."""


class _There(torch.Tensor):
    """A tensor of the other device.

    Args:
        inner: What it holds, on the processor.
    """

    within: torch.Tensor
    __torch_function__ = cast(Any, torch)._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> _There:
        make: Callable[..., Any] = cast(Any, torch.Tensor)._make_wrapper_subclass
        about = {"dtype": inner.dtype, "device": torch.device(NAME, 0)}
        found = make(cls, inner.size(), strides=inner.stride(), **about)
        found.within = inner
        return found

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _do(func, *args, **(kwargs or {}))


def _do(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Do an operation of which something is there, or is to be."""
    name, device = operation.overloadpacket.__name__, kwargs.get("device")
    given = [x for x in trees.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    away = [isinstance(x, _There) for x in given]
    here = any(not a and x.dim() > 0 for x, a in zip(given, away, strict=True))
    if any(away) and here and name not in MOVES:
        raise RuntimeError(f"{name}: expected all tensors to be on one device")
    stays = any(away)
    if name == "copy_":
        stays = isinstance(args[0], _There)
    inner: dict[str, Any] = dict(kwargs)
    if device is not None:
        stays, inner["device"] = torch.device(device).type == NAME, torch.device("cpu")
    found = operation(*trees.tree_map(_inner, args), **trees.tree_map(_inner, inner))
    if not stays:
        return found
    wrapped = trees.tree_map(lambda x: _There(x) if isinstance(x, torch.Tensor) else x, found)
    if device is not None:
        return wrapped
    return return_and_correct_aliasing(operation, args, kwargs, wrapped)


def _inner(x: Any) -> Any:
    return x.within if isinstance(x, _There) else x


def _plain_lstm(self: Any, rows: torch.Tensor, memory: Any) -> Any:
    """One layer of ``nn.LSTM`` step by step: devices have kernels of their own for the whole."""
    hidden, cell = (part[0] for part in memory)
    said: list[torch.Tensor] = []
    for row in rows:
        gates = linear(row, self.weight_ih_l0, self.bias_ih_l0)
        gates = gates + linear(hidden, self.weight_hh_l0, self.bias_hh_l0)
        let_in, keep, new, let_out = gates.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + let_in.sigmoid() * new.tanh()
        hidden = let_out.sigmoid() * cell.tanh()
        said.append(hidden)
    return torch.stack(said), (hidden[None], cell[None])


_apply = torch.nn.Module._apply


def _move(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Weights that move to another kind of tensor are swapped for it, not written over."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return _apply(self, *args, **kwargs)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def install() -> Any:
    """Let torch know the device; keep what is returned for as long as it is needed."""
    register(NAME)
    torch.nn.Module._apply = _move
    library = torch.library.Library("_", "IMPL")
    library.fallback(_do, "PrivateUse1")
    torch.nn.LSTM.forward = cast(Any, _plain_lstm)
    return library


class _StoppedError(Exception):
    """As if the process had been killed."""


def learned(name: str, device: str, folder: Path | None = None) -> str:
    """Digest of what a short training leaves; with a folder it is killed and gone on with."""
    recipe = tiny(name)
    own: dict[str, Any] = {"teacher": RoundRobin(), "seed": 3, "device": device}
    own |= {"quiet": True, "watch_customers": 20}
    if folder is not None:
        path, looks = folder / "checkpoint.safetensors", [0]

        def tell(_: int, __: Any) -> None:
            looks[0] += 1
            if looks[0] == 2:
                raise _StoppedError

        with contextlib.suppress(_StoppedError):
            train(SCENARIO, recipe, keep=Keep(path, 0.0), tell=tell, **own)
        assert path.exists()
        own["keep"] = Keep(path, 0.0, resume=True)
    done = train(SCENARIO, recipe, **own)
    assert next(done.model.policy.parameters()).device.type == device
    of_policy = done.policy.scores.state_dict()
    assert all(value.device.type == "cpu" for value in of_policy.values())
    weights = {key: value.cpu() for key, value in done.model.policy.state_dict().items()}
    values = np.array([point.value for point in done.curve])
    return digest({**weights, **{f"best.{k}": x for k, x in of_policy.items()}, "values": values})


if __name__ == "__main__":
    _library = install()  # before anything is learned: torch asks once which devices there are
    before = {name: learned(name, "cpu") for name in sys.argv[1:]}
    with tempfile.TemporaryDirectory() as place:
        for name, bits in before.items():
            there = Path(place) / name
            there.mkdir()
            same = learned(name, NAME, there) == bits
            sys.stdout.write(f"{name} {'same' if same else 'differs'}\n")
