"""Whom an agent imitates first: greedy practice, tuned now or tuned before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from nba_gym.errors import PolicyError
from nba_gym.evaluation import learn_practice, log_campaign
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import GreedyPractice, fit_practice
from nba_gym.policies.kept_models import load_model
from nba_gym.scenario.schema import Scenario


def tune_now(scenario: Scenario) -> GreedyPractice:
    """Greedy practice from nothing: campaign, models and settings."""
    columns = (TextColumn("greedy practice"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("greedy practice", total=None)
        practice, _ = learn_practice(
            scenario, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    return practice


def tuned_before(scenario: Scenario, path: Path) -> GreedyPractice:
    """Greedy practice with settings out of a file.

    What it learned from the campaign lies beside that file, under its name with ``.npz``
    (``nba_gym.policies.kept_models``); if there is none, it is learned anew.

    Args:
        scenario: The world.
        path: JSON with ``campaign``, customers in the random campaign, and ``chosen``, the settings
            (as ``experiments.steps.tune`` keeps them).

    Raises:
        PolicyError: If the file is not of that kind, or a setting is none of practice.
        DataError: If what was learned is of another world or campaign.
    """
    campaign, chosen = read_settings(path)
    models = path.with_suffix(".npz")
    if models.exists():
        model = load_model(models, scenario, campaign)
    else:
        log = log_campaign(scenario, SPLIT.logging(campaign), SPLIT.seed)
        model = fit_practice(log, scenario, log.feature_names)
    try:
        return GreedyPractice(model, **chosen)
    except TypeError as error:
        raise PolicyError(f"practice must be settings of practice, got {path}: {error}") from None


def read_settings(path: Path) -> tuple[int, dict[str, Any]]:
    """Customers in the campaign, and the settings that tuning chose.

    Raises:
        PolicyError: If there is no such file, or it is of another kind.
    """
    try:
        record = json.loads(path.read_text())
        campaign, chosen = int(record["campaign"]), dict(record["chosen"])
    except OSError as error:
        raise PolicyError(
            f"practice must be a file that can be read, got {str(path)!r}: {error.strerror}"
        ) from None
    except (KeyError, TypeError, ValueError):
        raise PolicyError(
            f"practice must be JSON with campaign and chosen settings, got {str(path)!r}"
        ) from None
    if campaign < 1:
        raise PolicyError(f"practice: campaign must be at least 1, got {campaign} ({path})")
    return campaign, chosen
