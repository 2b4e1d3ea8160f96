"""What practice learned comes back from its file to the bit, or is refused with a reason."""

import numpy as np
import pytest

from nba_gym.errors import DataError
from nba_gym.evaluation import log_campaign
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import GreedyPractice, fit_practice
from nba_gym.policies.kept_models import load_model, save_model
from nba_gym.scenario import load_scenario

CAMPAIGN = 400


def learned(name):
    scenario = load_scenario(name)
    log = log_campaign(scenario, SPLIT.logging(CAMPAIGN), SPLIT.seed, threads=1)
    return scenario, log, fit_practice(log, scenario, log.feature_names)


@pytest.mark.parametrize("name", ["retail", "telecom", "nonprofit"])
def test_a_policy_weighs_to_the_bit_as_it_did_before_its_model_was_kept(tmp_path, name):
    scenario, log, model = learned(name)
    save_model(model, tmp_path / "m.npz", scenario, log.feature_names, CAMPAIGN)
    again = load_model(tmp_path / "m.npz", scenario, CAMPAIGN)
    seen = log.observations[:500]
    assert list(again.windows) == list(model.windows)
    assert (model.volunteering is None) == (name != "nonprofit")
    assert (model.windows[4].leaving is None) == (name != "telecom")
    for window in model.windows:
        before, after = (
            GreedyPractice(each, window=window, threshold=0.1).weigh(seen)
            for each in (model, again)
        )
        np.testing.assert_array_equal(before, after)
    for field in ("margins", "kept", "costs", "levers", "outbound", "value"):
        np.testing.assert_array_equal(getattr(again, field), getattr(model, field))
    for field in ("kinds", "contacts", "bound", "year", "typical", "time_given"):
        assert getattr(again, field) == getattr(model, field)
    called = [each.situations.called_for(seen, "complaint") for each in (model, again)]
    assert (called[0] == called[1]).all()


def test_a_model_of_another_world_or_campaign_is_refused(tmp_path):
    scenario, log, model = learned("control")
    path = tmp_path / "m.npz"
    save_model(model, path, scenario, log.feature_names, CAMPAIGN)
    with pytest.raises(DataError, match=r"models must be of scenario .*, got "):
        load_model(path, load_scenario("control", ["horizon=51"]), CAMPAIGN)
    with pytest.raises(DataError, match="models must be of campaign 401, got 400"):
        load_model(path, scenario, CAMPAIGN + 1)


def test_a_damaged_file_is_refused(tmp_path):
    scenario, log, model = learned("control")
    path = tmp_path / "m.npz"
    save_model(model, path, scenario, log.feature_names, CAMPAIGN)
    whole = path.read_bytes()
    for broken in (b"", b"no arrays", whole[: len(whole) // 2], whole[:-40]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="models must be arrays that greedy practice learned"):
            load_model(path, scenario, CAMPAIGN)
    np.savez(path, **{"now.base": np.zeros(3)}, allow_pickle=False)
    with pytest.raises(DataError, match="models must be arrays that greedy practice learned"):
        load_model(path, scenario, CAMPAIGN)
    with pytest.raises(DataError, match="models must be a file that can be read"):
        load_model(tmp_path / "none.npz", scenario, CAMPAIGN)
