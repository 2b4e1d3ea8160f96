"""What greedy practice learned, kept in a file: arrays alone, nothing that runs when it is read.

Learning takes half a minute, reading a few milliseconds, and a fitted model is what a firm has when
an agent is to learn from it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.errors import DataError
from nba_gym.files import whole_file
from nba_gym.policies.campaign import Lessons, model_of
from nba_gym.policies.practice import Attribution, PracticeModel
from nba_gym.policies.propensity import Propensity
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario

_PARTS = ("base", "effects")


def save_model(
    model: PracticeModel, path: Path, scenario: Scenario, feature_names: list[str], campaign: int
) -> None:
    """Write what was learned, as a whole or not at all.

    Args:
        model: What was learned.
        path: The file, ``.npz``.
        scenario: The world it was learned in.
        feature_names: Names of the observation's columns.
        campaign: Customers of the campaign it was learned from.
    """
    arrays: dict[str, Any] = {
        "scenario": np.array(scenario_hash(scenario)),
        "features": np.array(feature_names),
        "campaign": np.array(campaign),
        "windows": np.array(list(model.windows)),
        "value": model.value,
        "kept": model.kept,
        "typical": np.array(model.typical),
    }
    arrays |= _arrays("now", model.now) | _arrays("volunteering", model.volunteering)
    for window, credited in model.windows.items():
        arrays[f"{window}.bound"] = np.array(credited.bound)
        arrays |= _arrays(f"{window}.later", credited.later)
        arrays |= _arrays(f"{window}.leaving", credited.leaving)
    with whole_file(path) as draft, draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_model(path: Path, scenario: Scenario, campaign: int) -> PracticeModel:
    """Read what was learned.

    Args:
        path: A file of :func:`save_model`.
        scenario: The world.
        campaign: Customers of the campaign.

    Raises:
        DataError: If the file cannot be read, or was learned elsewhere or from another campaign.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        origin = {field: str(arrays[field]) for field in ("scenario", "campaign")}
        names, lessons = [str(name) for name in arrays["features"]], _lessons(arrays)
    except OSError as error:
        why = error.strerror
        raise DataError(f"models must be a file that can be read, got {path}: {why}") from None
    except (AttributeError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
        raise DataError(f"models must be arrays that greedy practice learned, got {path}") from None
    wanted = {"scenario": scenario_hash(scenario), "campaign": str(campaign)}
    for field, value in wanted.items():
        if origin[field] != value:
            raise DataError(f"models must be of {field} {value}, got {origin[field]} ({path})")
    return model_of(scenario, names, lessons)


def _lessons(arrays: dict[str, Any]) -> Lessons:
    now = _propensity("now", arrays)
    if now is None:
        raise KeyError("now")
    windows = {
        window: Attribution(
            _propensity(f"{window}.later", arrays),
            _propensity(f"{window}.leaving", arrays),
            float(arrays[f"{window}.bound"]),
        )
        for window in arrays["windows"].tolist()
    }
    return Lessons(
        now=now,
        windows=windows,
        volunteering=_propensity("volunteering", arrays),
        value=arrays["value"],
        kept=arrays["kept"],
        typical=float(arrays["typical"]),
    )


def _arrays(name: str, learned: Propensity | None) -> dict[str, Any]:
    return {} if learned is None else {f"{name}.{part}": getattr(learned, part) for part in _PARTS}


def _propensity(name: str, arrays: dict[str, Any]) -> Propensity | None:
    if f"{name}.base" not in arrays:
        return None
    return Propensity(*(arrays[f"{name}.{part}"] for part in _PARTS))
