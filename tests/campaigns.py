"""Randomised campaigns with planted effects, as a firm would have logged them."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from nba_gym.calibration import ContactLog, read_contacts
from nba_gym.calibration.campaign import Lottery
from nba_gym.evaluation import record_journeys
from nba_gym.records.events import event_columns
from nba_gym.scenario import Scenario


def half_wait(scenario: Scenario) -> Lottery:
    """Waits half of the time, else draws what is allowed by lot."""
    return Lottery(0.5, np.ones(scenario.n_actions))


def simulated(
    scenario: Scenario, n: int, seed: int, lottery: Lottery | None = None
) -> pl.DataFrame:
    """What a firm would have kept of a campaign drawn by lot, by default by ``half_wait``."""
    events = record_journeys(lottery or half_wait(scenario), scenario, n, seed).events
    columns = event_columns(scenario)
    names = ("action", "purchases", "responded", "opted_out", "cancelled")
    action, bought, responded, opted_out, gone = (events[..., columns.index(x)] for x in names)
    t, i = np.nonzero(np.cumsum(gone, axis=0) - gone == 0)  # until the firm sees the customer leave
    if scenario.period == "month":
        dates = [date(2020 + k // 12, k % 12 + 1, 1) for k in range(len(events))]
    else:
        dates = [date(2023, 1, 2) + timedelta(weeks=k) for k in range(len(events))]
    return pl.DataFrame(
        {
            "customer": i,
            "date": [dates[k] for k in t],
            "action": [scenario.actions[int(a)].name for a in action[t, i]],
            "outcome": (bought[t, i] > 0).astype(int),
            "responded": responded[t, i].astype(int),
            "opted_out": opted_out[t, i].astype(int),
        }
    )


def on_disk(folder: Any, table: pl.DataFrame) -> ContactLog:
    path = folder / "log.parquet"
    table.write_parquet(path)
    return read_contacts(path, responded="responded", opted_out="opted_out")
