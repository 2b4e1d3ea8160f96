"""A comparison on disk, complete: what the tables leave out is in ``rollouts.npz``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.evaluation import Comparison, Rollout
from nba_gym.scenario import Scenario

_ARRAYS = "rollouts.npz"


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write the tables, and every array of every rollout as ``policy/field`` or ``.../key``."""
    comparison.save(folder)
    arrays: dict[str, Any] = {}
    for policy, rollout in comparison.rollouts.items():
        for field, value in vars(rollout).items():
            parts = value if isinstance(value, dict) else {"": value}
            arrays |= {f"{policy}/{field}/{key}": array for key, array in parts.items()}
    np.savez_compressed(folder / _ARRAYS, **arrays)


def load_comparison(folder: Path, scenario: Scenario) -> Comparison:
    """Read what ``save_comparison`` wrote; the scenario must be that of the comparison."""
    provenance = json.loads((folder / "comparison.json").read_text())["provenance"]
    fields: dict[str, dict[str, Any]] = {policy: {} for policy in provenance["policies"]}
    with np.load(folder / _ARRAYS) as arrays:
        for name in arrays.files:
            policy, field, key = name.split("/")
            if key:
                fields[policy].setdefault(field, {})[key] = arrays[name]
            else:
                fields[policy][field] = arrays[name]
    rollouts = {policy: Rollout(**values) for policy, values in fields.items()}
    return Comparison(scenario, provenance["seed"], rollouts, provenance["baseline"], provenance)
