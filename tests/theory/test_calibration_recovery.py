"""A fitted world lived once more: what its customers leave behind is fitted again."""

import datetime
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nba_gym.calibration import calibrate, calibrate_contracts, read_contracts, read_transactions
from nba_gym.scenario import load_scenario
from tests.worlds import constant, nothing_but, populate, step

Z = 4.0
TRUE_SPEND = {"family": "inverse_gamma", "shape": 4.0, "scale": 90.0}


def live(world, n, periods, seed):
    """Purchases and their value by customer and period, of customers left alone."""
    crowd = populate(load_scenario(world, {"horizon": periods + 1}), n, seed=seed)
    bought, paid = np.zeros((2, n, periods + 1))
    for period in range(1, periods + 1):
        step(crowd, 0)
        bought[:, period] = crowd.read("frequency")[:, 0]
        paid[:, period] = crowd.read("spend")[:, 0]
    return np.diff(bought, axis=1), np.diff(paid, axis=1)


def weekly_file(world, folder, n=3_000, weeks=52, seed=71):
    """Transactions of customers who began in 8 different weeks; several in a week on its days."""
    bought, paid = live(world, n, weeks, seed)
    first = np.arange(n) % 8
    rows = [(f"c{i}", int(7 * first[i]), 20.0) for i in range(n)]
    for i, week in zip(*np.nonzero(bought), strict=True):
        count = int(bought[i, week])
        for day in range(min(count, 7)):
            at = int(7 * (first[i] + week)) + 1 + day
            rows.append((f"c{i}", at, float(paid[i, week]) / count))
    rows = [(who, at, worth) for who, at, worth in rows if at < 7 * weeks]
    begin = datetime.date(2023, 1, 2)
    path = folder / "till.csv"
    pl.DataFrame(
        {
            "customer": [row[0] for row in rows],
            "date": [begin + datetime.timedelta(days=row[1]) for row in rows],
            "amount": [row[2] for row in rows],
        }
    ).write_csv(path)
    return path


def distances(bars):
    """How many standard errors of such cohorts lie between actual and simulated."""
    spread = np.array([(bar.high - bar.simulated) / 1.96 for bar in bars])
    away = np.array([bar.actual - bar.simulated for bar in bars])
    return away[spread > 0] / spread[spread > 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "traits"),
    [
        (
            "bg-nbd",
            {
                "traits.purchase": {"family": "gamma", "shape": 0.5, "rate": 8.0},
                "traits.leaving": {"family": "beta", "a": 0.8, "b": 2.0},
            },
        ),
        (
            "pareto-nbd",
            {
                "traits.purchase": {"family": "gamma", "shape": 0.8, "rate": 10.0},
                "traits.leaving": {"family": "gamma", "shape": 0.7, "rate": 15.0},
                "leaving.period_scale": 1.0,
                "leaving.purchase_scale": 0.0,
            },
        ),
    ],
)
def test_shoppers_of_a_fitted_world_are_found_again(model, traits, tmp_path):
    truth = load_scenario("retail", traits | {"traits.spend": TRUE_SPEND})
    log = read_transactions(weekly_file(truth, tmp_path))
    result = calibrate(log, model=model, weeks=30, trials=120)
    assert np.abs(distances(result.bars)).max() < Z
    after = result.holdout
    spread = (after["high"] - after["simulated"]) / 1.96
    assert abs(after["actual"] - after["simulated"]) < Z * spread
    spend: Any = result.scenario.traits.spend
    fit, found = result.spend, result.validation.spend
    assert fit is not None
    assert found is not None
    errors = fit.standard_errors
    assert abs(spend.shape - 4.0) < Z * errors.q
    mean = 90.0 / 3.0
    assert spend.scale / (spend.shape - 1.0) == pytest.approx(mean, rel=0.1)
    reach = np.maximum((found.high - found.simulated) / 1.96, 1.0)
    assert np.abs((found.actual - found.simulated) / reach).max() < Z


def test_donors_of_a_fitted_world_are_found_again(tmp_path):
    truth = load_scenario(
        "donors",
        {
            "traits.purchase": {"family": "beta", "a": 1.0, "b": 1.5},
            "traits.leaving": {"family": "beta", "a": 1.0, "b": 6.0},
        },
    )
    gave, worth = live(truth, 4_000, 9, seed=72)  # period 0 is that of the first gift
    gave[:, 0], worth[:, 0] = 1.0, 30.0
    who, year = np.nonzero(gave)
    table = {
        "customer": who,
        "date": [datetime.date(2010 + int(y), 5, 1) for y in year],
        "amount": worth[who, year],
    }
    path = tmp_path / "gifts.parquet"
    pl.DataFrame(table).write_parquet(path)
    result = calibrate(read_transactions(path), model="bg-bb", opportunities=5, trials=120)
    assert np.abs(distances(result.bars)).max() < Z
    after = result.holdout
    spread = (after["high"] - after["simulated"]) / 1.96
    assert abs(after["actual"] - after["simulated"]) < Z * spread


def test_contracts_of_a_fitted_world_are_found_again(tmp_path):
    leaving = {"family": "beta", "a": 1.2, "b": 12.0}
    truth = load_scenario(
        "telecom",
        {
            "traits.leaving": leaving,
            "personas.price_watcher.traits.leaving": leaving,
            "contract.commitment": 1,
            "contract.renewal": 1,
            "horizon": 30,
        },
    )
    n, months = 3_000, 24
    crowd = populate(truth, n, seed=73)
    left = np.full(n, months + 1)
    for month in range(1, months + 1):
        step(crowd, 0)
        gone = (crowd.read("alive")[:, 0] == 0.0) & (left > months)
        left[gone] = month
    starts = np.datetime64("2020-01") + np.arange(n) % 6  # of different age when the file was made
    ends = starts + left
    open_ = ends > np.datetime64("2022-01")
    day = [str(month) + "-10" for month in ends]
    table = {
        "customer": np.arange(n),
        "start": [str(month) + "-10" for month in starts],
        "end": [None if still else text for still, text in zip(open_, day, strict=True)],
    }
    path = tmp_path / "contracts.csv"
    pl.DataFrame(table).write_csv(path)
    tenures = read_contracts(path, "month", until="2022-01-10")
    result = calibrate_contracts(tenures, renewals=12, trials=80)
    found = result.survival
    spread = (found.high - found.simulated) / 1.96
    assert np.abs((found.actual - found.simulated) / spread).max() < Z
    assert found.actual.size == months


# ------------------------------------------------------------------- what the families mean


@pytest.mark.parametrize("scale", [1.0, 120.0])
def test_spend_of_a_gamma_gamma_world_is_gamma_gamma(scale):
    """Each purchase is Gamma(p, nu), nu Gamma(q, v): together beta prime (Fader & Hardie 2013)."""
    p, q, n = 3.0, 2.5, 40_000
    world = nothing_but(
        "control",
        purchase__transaction_shape=p,
        traits__purchase=constant(0.9),
        traits__spend={"family": "inverse_gamma", "shape": q, "scale": p * scale},
    )
    world = load_scenario(world, {f"needs.{need.name}.price": 1.0 for need in world.needs})
    crowd = populate(world, n, seed=3)
    step(crowd, 0)
    once = crowd.read("frequency")[:, 0] == 1
    paid = crowd.read("spend")[once, 0].astype(float)
    level = crowd.read("spend_level")[:, 0].astype(float)
    levels, values = stats.invgamma(q, scale=p * scale), stats.betaprime(p, q, scale=scale)
    for seen, law in ((level, levels), (paid, values)):
        chances = np.asarray(law.cdf(np.sort(seen)))
        far = np.abs(chances - np.arange(seen.size) / seen.size).max()
        assert far < 2 / math.sqrt(seen.size)  # 7 of 10,000 samples of the law are farther away


def test_leaving_at_gamma_rates_is_pareto():
    """Schmittlein, Morrison & Colombo (1987): P(alive after t) = (beta / (beta + t))^s."""
    s, beta, n = 0.606, 11.669, 100_000
    world = nothing_but(
        "retail",
        leaving__period_scale=1.0,
        traits__leaving={"family": "gamma", "shape": s, "rate": beta},
        horizon=60,
    )
    crowd = populate(world, n, seed=5)
    for t in range(1, 41):
        step(crowd, 0)
        stays = (beta / (beta + t)) ** s
        alive = crowd.read("alive")[:, 0].mean()
        assert abs(alive - stays) < Z * math.sqrt(stays * (1 - stays) / n), t
