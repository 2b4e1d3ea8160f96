"""Swapping policies, without a network."""

import shutil
from dataclasses import replace

import pytest

from nba_gym.errors import RequestError
from nba_gym.scenario.load import load_scenario
from nba_gym.serving.loading import Swapper, load_policy
from tests.serving.policies import write_policy


def swapper(folder, scenario, lineup):
    """A swapper, and where it keeps who decides."""
    now = [lineup]
    return Swapper(
        folder, scenario, load_policy, lambda: now[0], lambda other: now.__setitem__(0, other)
    ), now


def test_a_policy_of_another_world_is_not_let_in(tmp_path, retail, lineup):
    write_policy(load_scenario("control"), tmp_path / "other")
    swaps, now = swapper(tmp_path, retail, lineup)
    with pytest.raises(RequestError, match="world"):
        swaps.swap("other")
    assert now == [lineup]


def test_shares_and_exploration_stay_when_the_champion_goes(
    tmp_path, retail, lineup, policy, other_policy
):
    shutil.copytree(policy, tmp_path / "first")
    shutil.copytree(other_policy, tmp_path / "second")
    before = replace(lineup, challenger=lineup.champion, share=0.2, epsilon=0.1, salt="x")
    swaps, now = swapper(tmp_path, retail, before)
    digest = swaps.swap("second")
    assert now[0] == replace(before, champion=now[0].champion)
    assert now[0].champion.digest == digest != before.champion.digest
    assert swaps.roll_back() == before.champion.digest
    assert now[0].champion is before.champion
    assert swaps.roll_back() == digest


def test_who_asks_again_because_an_answer_was_lost_undoes_nothing(
    tmp_path, retail, lineup, policy, other_policy
):
    shutil.copytree(other_policy, tmp_path / "second")
    swaps, now = swapper(tmp_path, retail, lineup)
    assert swaps.swap("second") == swaps.swap("second")  # the one before is still the first one
    assert swaps.roll_back("k") == swaps.roll_back("k") == lineup.champion.digest
    assert now[0].champion is lineup.champion
    assert swaps.roll_back("l") != lineup.champion.digest


def test_without_a_folder_of_policies_nothing_is_swapped(retail, lineup):
    swaps, _ = swapper(None, retail, lineup)
    with pytest.raises(RequestError, match="folder") as error:
        swaps.swap("first")
    assert error.value.status == 403
    with pytest.raises(RequestError, match="go back"):
        swaps.roll_back()
