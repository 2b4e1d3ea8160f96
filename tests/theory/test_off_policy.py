"""Off-policy intervals cover the truth, which a simulator knows, and no estimate is biased."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nba_gym.evaluation import record_journeys
from nba_gym.evaluation.bulk import Bulk, simulate
from nba_gym.evaluation.off_policy import ESTIMATORS, LoggedJourneys, judge_by_log, logged_journeys
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.policies.limits import EpsilonGreedy
from nba_gym.scenario.load import load_scenario

PERIODS, LOGS, EACH = 4, 200, 1_000
WORLD = load_scenario("telecom", (f"horizon={PERIODS}",))
JUDGED = {"less": EpsilonGreedy(NoContact(), 0.3), "more": UniformRandom(wait=0.2)}
AS_PROMISED = range(
    int(stats.binom.ppf(0.0005, LOGS, 0.95)), int(stats.binom.ppf(0.9995, LOGS, 0.95)) + 1
)
"""How often 95 % intervals may cover the truth; 1 in 1,000 correct ones would not."""
WITH_INTERVALS = [name for name in ESTIMATORS if name != "direct"]


def part(log: LoggedJourneys, k: int) -> LoggedJourneys:
    """The customers of one log of many."""
    own = slice(k * EACH, (k + 1) * EACH)
    return LoggedJourneys._make([*(field[:, own] for field in log[:-1]), log.discount])


@pytest.fixture(scope="module")
def logs():
    """What many logs say of each policy."""
    acting = UniformRandom(wait=0.5)
    log = logged_journeys(record_journeys(acting, WORLD, LOGS * EACH), WORLD)
    return [judge_by_log(JUDGED, part(log, k)) for k in range(LOGS)]


@pytest.fixture(scope="module")
def truths(tmp_path_factory):
    """What a million other customers come to under each policy."""
    found = {}
    for name, policy in JUDGED.items():
        bulk = Bulk(1_000_000, first=10_000_000)
        totals = simulate(policy, WORLD, bulk, tmp_path_factory.mktemp(name))
        row = totals.summary[0]
        found[name] = row["value"], (row["value_high"] - row["value"]) / 1.96
    return found


@pytest.mark.parametrize("estimator", WITH_INTERVALS)
@pytest.mark.parametrize("name", JUDGED)
def test_intervals_cover_the_truth_as_often_as_they_say(name, estimator, logs, truths):
    truth = truths[name][0]
    found = [log[name].estimates[estimator] for log in logs]
    covered = sum(low <= truth <= high for _, low, high in found)
    assert covered in AS_PROMISED, covered / LOGS


@pytest.mark.parametrize("estimator", WITH_INTERVALS)
@pytest.mark.parametrize("name", JUDGED)
def test_the_mean_of_many_logs_is_the_truth(name, estimator, logs, truths):
    found = np.array([log[name].estimates[estimator].mean for log in logs])
    truth, error = truths[name]
    spread = np.hypot(found.std(ddof=1) / np.sqrt(LOGS), error)
    assert abs(found.mean() - truth) < 3.5 * spread


@pytest.mark.parametrize("name", JUDGED)
def test_fitted_values_and_shares_take_spread_out_of_an_estimate(name, logs):
    spread = {
        each: np.std([log[name].estimates[each].mean for log in logs]) for each in WITH_INTERVALS
    }
    assert spread["weighted"] < spread["importance"]
    assert spread["doubly robust"] < spread["importance"]
    assert spread["weighted doubly robust"] <= spread["weighted"] * 1.02


def test_differences_cover_the_true_difference_as_often_as_they_say(logs, truths):
    truth = truths["more"][0] - truths["less"][0]
    found = [log["more"].less(log["less"]) for log in logs]
    covered = sum(low <= truth <= high for _, low, high in found)
    assert covered in AS_PROMISED, covered / LOGS
