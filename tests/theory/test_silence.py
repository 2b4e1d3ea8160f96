"""Those who left in silence are silent."""

import numpy as np

from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.evaluation.rollout import decide
from nba_gym.policies import UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.scenario.load import load_scenario


def test_nothing_a_gone_customer_does_is_ever_recorded():
    changes = ["leaving.period_scale=1.0", "leaving.period_base=-1.0", "service.problem_hazard=0.2"]
    scenario = load_scenario("retail", changes)
    n, seed = 4_000, 11
    people = Population(scenario, n, record=True)
    everybody = np.ones(n, dtype=bool)
    people.begin(everybody, np.full(n, seed, dtype=np.uint64), np.arange(n, dtype=np.uint64))
    columns = event_columns(scenario)
    own = ("responded", "purchases", "opted_out", "solved", "complained", "accepted", "referred")
    own += ("visit", "basket", "answered")
    does = [i for i, name in enumerate(columns) if name in own or name.startswith("signal.")]
    comes = [columns.index("visit"), columns.index("basket")]  # both are of the coming period
    gone_periods = gone_complaining = leaving = 0
    for t in range(60):
        gone = people.read("alive")[:, 0] == 0
        gone_complaining += int((people.read("complaint")[gone] > 0).sum())
        actions = decide(UniformRandom(), people, seed, t, np.random.default_rng(0))
        events = people.step(actions, kernel.DISABLED).events
        assert not events[gone][:, does].any()
        leaves = ~gone & (people.read("alive")[:, 0] == 0)
        assert not events[leaves][:, comes].any()
        leaving += int(leaves.sum())
        gone_periods += int(gone.sum())
    assert gone_periods > 50_000  # so that the test has seen something
    assert gone_complaining > 1_000
    assert leaving > 3_000
