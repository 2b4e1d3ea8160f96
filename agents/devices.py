"""Where networks learn: the processor, or an accelerator if there is one."""

from __future__ import annotations

import torch

from nba_gym.errors import PolicyError

AUTO = "auto"


def find_device(name: str) -> torch.device:
    """The device of that name.

    Args:
        name: As torch calls it (``cpu``, ``cuda``, ``cuda:1``), or ``auto``: the accelerator of
            this machine if there is one, otherwise the processor.

    Raises:
        PolicyError: If torch knows no such device, or finds none here.
    """
    if name == AUTO:
        found = torch.accelerator.current_accelerator(check_available=True)
        return found or torch.device("cpu")
    try:
        found = torch.device(name)
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise PolicyError(
            f"device must be one that torch finds here, got {name!r}: {why}"
        ) from None
    return found
