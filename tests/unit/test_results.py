"""What a study leaves is read as it was written, and what is said of it follows from its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_gym.errors import DataError
from nba_gym.evaluation.observed import Observed, observe_rollout
from nba_gym.evaluation.results import cell_id, load_results, write_cell
from nba_gym.evaluation.rollout import rollout
from nba_gym.evaluation.statistics import answers, audit, by_persona, overall
from nba_gym.evaluation.statistics.answers import common_scores
from nba_gym.evaluation.statistics.typical import stratum_shares
from nba_gym.policies import UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.scenario import load_scenario

N = 400
LUCK = np.random.default_rng(0)
BASE = 50.0 + 20.0 * LUCK.standard_exponential(N)
PERSONA = (np.arange(N) % 4 == 0).astype(np.int64)


def seen(value: Any, **columns: Any) -> Observed:
    names = ("lifetime", "left", "contacts", "opt_outs", "purchases", "responses", "courtship")
    customers = {name: np.zeros(N) for name in (*names, *LINES, "loyalty")}
    customers |= {"customer": np.arange(N), "persona": PERSONA, "value": np.asarray(value)}
    return Observed(customers | columns, {"alive": np.ones(3)})


def study(folder: Path, cells: dict[str, list[Observed]], world: str = "shop", **about: Any) -> Any:
    """A study of one world with these contenders, one rollout for each seed.

    Where there is a study of another world in the folder, it gets one world more.
    """
    folder.mkdir(exist_ok=True)
    kept = folder / "study.json"
    told = json.loads(kept.read_text()) if kept.exists() else {"cells": [], "contenders": {}}
    for name, seeds in cells.items():
        for seed, each in enumerate(seeds):
            told["cells"].append(cell_id(world, "as_it_is", name, seed))
            place = folder / "cells" / told["cells"][-1]
            place.mkdir(parents=True)
            keys = {"scenario": world, "variation": "as_it_is", "contender": name, "seed": seed}
            kind = "agent" if len(seeds) > 1 else "policy"
            keys |= {"kind": kind, "privileged": name == "oracle", "world": "abc"}
            write_cell(place, keys, each, [{"steps": 1, "value": 2.0}] if name == "agent" else [])
        told["contenders"][name] = {}
    told |= {"baseline": ["practice"], "worlds": {"abc": {"personas": ["a", "b"]}}} | about
    kept.write_text(json.dumps(told))
    return load_results(folder)


def seeds(gain: float, spread: float, n: int = 6) -> list[Observed]:
    return [seen(BASE + gain + spread * x) for x in np.linspace(-1.0, 1.0, n)]


def test_what_is_written_is_read_again(tmp_path):
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": seeds(1.0, 0.5, 2)})
    assert results.rows["value"][0] == BASE.mean()
    assert results.rows["id"].to_list() == list(results.records)
    assert results.curve("shop--as_it_is--agent--1") == [{"steps": 1, "value": 2.0}]
    assert results.curve("shop--as_it_is--practice--0") == []
    np.testing.assert_array_equal(results.customers("shop--as_it_is--practice--0")["value"], BASE)
    assert results.select(contender="agent", seed=1) == ["shop--as_it_is--agent--1"]
    with pytest.raises(DataError, match="did you mean 'shop--as_it_is--agent--1'"):
        results.cell("shop--as_it_is--agent--11")
    with pytest.raises(DataError, match="did you mean 'contender'"):
        results.select(contenders="agent")
    with pytest.raises(DataError, match="must be that of a study"):
        load_results(tmp_path / "cells")


def test_cells_with_other_customers_are_not_compared(tmp_path):
    strangers = seen(BASE, customer=np.arange(N) + 1)
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": [strangers]})
    with pytest.raises(DataError, match="must have the same customers"):
        results.paired("shop--as_it_is--agent--0", "shop--as_it_is--practice--0")
    with pytest.raises(DataError, match="must have the same customers"):
        answers(results)


def test_differences_are_paired_by_customer_and_seeds_are_the_unit(tmp_path):
    gains = 1.0 + 0.1 * LUCK.standard_normal(N)
    results = study(
        tmp_path,
        {"practice": [seen(BASE)], "sure": seeds(1.0, 0.1), "unsure": seeds(1.0, 5.0)}
        | {"rule": [seen(BASE + gains)]},
    )
    sure, unsure, rule = answers(results)
    assert sure.gain.mean == pytest.approx(1.0)
    assert sure.gain.high - sure.gain.low < 0.5  # that of customers alone would be 5 wide
    assert unsure.gain.high - unsure.gain.low > 4.0
    assert (sure.verdict, rule.verdict) == ("better", "better")
    assert sure.improvement.mean == 1.0
    assert unsure.verdict == "underpowered"
    assert unsure.seeds_needed is not None
    assert unsure.seeds_needed > 6
    assert rule.seeds == 1
    assert rule.gain.mean == pytest.approx(gains.mean())


def test_what_differs_by_less_than_matters_is_equal(tmp_path):
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": seeds(0.0, 0.1)})
    assert answers(results)[0].verdict == "equal"
    assert answers(results, matters=0.0001)[0].verdict == "underpowered"


def test_p_values_are_adjusted_for_all_that_is_asked_and_yardsticks_are_not(tmp_path):
    cells = {"practice": [seen(BASE)], "oracle": [seen(BASE + LUCK.normal(0.1, 1.0, N))]}
    cells |= {f"agent_{i}": seeds(0.2 * i, 1.0) for i in range(5)}
    found = answers(study(tmp_path, cells))
    family = [answer for answer in found if not answer.privileged]
    smallest = min(family, key=lambda answer: answer.p)
    assert smallest.p_holm == pytest.approx(min(1.0, 5 * smallest.p))
    assert all(answer.p_holm >= answer.p for answer in family)
    [oracle] = [answer for answer in found if answer.privileged]
    assert oracle.p_holm == oracle.p


def test_two_agents_differ_only_beyond_the_luck_of_seeds_and_of_customers(tmp_path):
    cells = {"practice": seeds(0.0, 1.0), "same": seeds(0.1, 1.0), "other": seeds(3.0, 1.0)}
    same, other = answers(study(tmp_path, cells))
    assert same.p > 0.5  # though its mean over customers differs by exactly 0.1
    # of 924 ways to mix 6 and 6 the two most extreme, and two that swap seeds outside the middle
    assert other.p == pytest.approx(4 / 924)
    assert other.verdict == "better"


def test_one_training_seed_says_nothing_of_others(tmp_path):
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": [seen(BASE + 10.0)]})
    for cell in results.records.values():
        cell["kind"] = "agent" if cell["contender"] == "agent" else "policy"
    (alone,) = answers(results)
    assert (alone.alone, alone.verdict) == (True, "underpowered")
    assert (alone.seeds_needed, alone.customers_needed) == (None, None)
    results.records["shop--as_it_is--agent--0"]["kind"] = "policy"
    assert answers(results)[0].verdict == "better"


def test_a_policy_beside_a_trained_baseline_has_its_seeds_in_the_error(tmp_path):
    cells = {"practice": seeds(0.0, 5.0), "rule": [seen(BASE + 4.0)], "agent": seeds(4.0, 0.01)}
    results = study(tmp_path, cells)
    rule, agent = answers(results)
    assert rule.gain.low < 0.0 < rule.gain.high
    assert rule.seeds_needed is not None
    assert rule.seeds_needed > 6
    told = {each.contender: each for each in overall(results)}
    assert list(told) == ["rule", "agent"]
    percent = told["agent"].percent
    assert percent is not None
    assert percent.mean == pytest.approx(agent.percent.mean, rel=1e-6)
    assert percent.high - percent.low == pytest.approx(
        agent.percent.high - agent.percent.low, rel=0.01
    )
    assert 0.5 < told["agent"].improvement < 1.0  # some seeds of the baseline do better
    gains = by_persona(results).filter(contender="practice")["gain"].to_list()
    assert gains == pytest.approx([0.0, 0.0], abs=1e-9)


def test_more_comparisons_take_more_seeds(tmp_path):
    few = {"practice": [seen(BASE)], "agent": seeds(0.3, 3.0)}
    (alone,) = answers(study(tmp_path / "few", few))
    many = few | {f"other_{i}": seeds(0.3 + i / 10.0, 3.0) for i in range(5)}
    among = answers(study(tmp_path / "many", many))[0]
    assert alone.verdict == among.verdict == "underpowered"
    assert alone.seeds_needed is not None
    assert among.seeds_needed is not None
    assert among.seeds_needed > alone.seeds_needed


def test_the_share_of_the_optimum_is_that_of_the_best_policy_on_the_same_customers(tmp_path):
    cells = {"practice": [seen(BASE)], "agent": seeds(-5.0, 0.1), "optimal": [seen(BASE * 1.25)]}
    agent, best = answers(study(tmp_path, cells))
    assert agent.of_optimum == pytest.approx((BASE.mean() - 5.0) / (1.25 * BASE.mean()))
    assert best.of_optimum == pytest.approx(1.0)
    assert overall(load_results(tmp_path))[0].scenarios == ("shop",)


def test_figures_over_all_worlds_are_over_those_that_all_agents_have_in_common(tmp_path):
    both = {"practice": [seen(BASE)], "oracle": [seen(BASE + 3.0)]}
    study(tmp_path, both | {"wide": seeds(1.0, 0.5), "narrow": seeds(2.0, 0.5)})
    study(tmp_path, both | {"wide": seeds(40.0, 0.5)}, "street")
    results = study(tmp_path, both, "alley")
    found = {each.contender: each for each in overall(results)}
    assert {name: each.scenarios for name, each in found.items()} == dict.fromkeys(
        ("oracle", "wide", "narrow"), ("shop",)
    )
    for name, gain in (("wide", 1.0), ("narrow", 2.0)):
        percent = found[name].percent
        assert percent is not None
        assert percent.mean == pytest.approx(100.0 * gain / BASE.mean())
    assert found["oracle"].percent is None  # it has no seeds


def test_figures_over_all_worlds_say_how_far_other_customers_may_be(tmp_path):
    alike = np.linspace(-1e-6, 1e-6, 6)
    for world, gain, noise in (("shop", 1.0, 4.0), ("street", 1.1, 8.0), ("alley", 60.0, 90.0)):
        luck = noise * LUCK.standard_normal(N)
        rows = [seen(BASE + gain + luck + x) for x in alike]
        results = study(tmp_path, {"practice": [seen(BASE)], "agent": rows}, world)
    parts = common_scores(results, "as_it_is")["agent"]
    shares = stratum_shares([part.by_seed for part in parts.values()])
    assert sum(shares) == pytest.approx(1.0)
    assert shares[2] == pytest.approx(1 / 6)  # the best third, of which a sixth is in the middle
    errors = [part.by_customer.std(ddof=1) / N**0.5 for part in parts.values()]
    error = np.hypot.reduce([share * each for share, each in zip(shares, errors, strict=True)])
    percent = overall(results)[0].percent
    assert percent is not None
    assert (percent.high - percent.low) / 2.0 == pytest.approx(1.96 * error, rel=0.01)


def test_cells_of_earlier_settings_do_not_count(tmp_path):
    cells = {"practice": [seen(BASE)], "agent": seeds(1.0, 0.5, 3)}
    name = "shop--as_it_is--agent--1"
    results = study(tmp_path, cells, finished=False, stale=[name])
    assert len(results.study["cells"]) == 4
    assert name not in results.records
    assert len(results.records) == 3


def test_nobody_stands_in_for_a_baseline_that_is_not_finished(tmp_path):
    about: Any = {"baseline": ["practice", "oracle"]}
    cells = {"practice": [seen(BASE)], "oracle": [seen(BASE + 1.0)], "agent": seeds(2.0, 0.1)}
    whole = study(tmp_path / "whole", cells, **about)
    assert whole.baseline("shop", "as_it_is") == "practice"
    part = study(tmp_path / "part", cells, stale=["shop--as_it_is--practice--0"], **about)
    assert part.baseline("shop", "as_it_is") is None
    assert answers(part) == overall(part) == []
    assert by_persona(part).is_empty()
    del cells["practice"]
    assert study(tmp_path / "no", cells, **about).baseline("shop", "as_it_is") == "oracle"


def test_personas_are_told_apart(tmp_path):
    lopsided = BASE + np.where(PERSONA == 1, 10.0, -1.0)
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": [seen(lopsided)] * 3})
    rows = by_persona(results).filter(contender="agent").to_dicts()
    assert [row["persona"] for row in rows] == ["a", "b"]
    assert [row["gain"] for row in rows] == pytest.approx([-1.0, 10.0])
    assert [row["share"] for row in rows] == [0.75, 0.25]


def test_contacts_by_persona_have_intervals_over_seeds(tmp_path):
    busy = [seen(BASE, contacts=np.where(PERSONA == 1, x, 2.0)) for x in (5.0, 6.0, 7.0)]
    results = study(tmp_path, {"practice": [seen(BASE)], "agent": busy})
    calm, chased = by_persona(results).filter(contender="agent").to_dicts()
    assert (calm["contacts"], calm["contacts_low"], calm["contacts_high"]) == (2.0, 2.0, 2.0)
    assert chased["contacts"] == pytest.approx(6.0)
    assert chased["contacts_low"] < 5.5
    assert chased["contacts_high"] > 6.5


def test_a_reward_earned_at_the_firms_expense_is_found(tmp_path):
    clicks = np.ones(N) + LUCK.random(N)
    cells = {"practice": [seen(BASE)], "honest": [seen(BASE + 1.0, responses=clicks)] * 3}
    cells |= {"hacker": [seen(BASE - 4.0, responses=clicks, contacts=3.0 * clicks)] * 3}
    reward = {"reward": {"responses": 2.0, "profit": 0.0}}
    about = {"contenders": {"practice": {}, "honest": reward, "hacker": reward}}
    rows = audit(study(tmp_path, cells, "shop", **about)).to_dicts()
    assert [row["hacked"] for row in rows] == [False, True]
    assert rows[1]["objective"] == pytest.approx(2.0 * clicks.mean())
    assert rows[1]["profit"] == pytest.approx(-4.0)
    assert rows[1]["contacts"] == pytest.approx(3.0 * clicks.mean())
    assert rows[1]["reward"] == "2 responses"


@pytest.mark.parametrize("name", ["control", "catalogues"])
def test_what_is_kept_of_a_rollout_is_what_it_came_to(name):
    scenario, customers = load_scenario(name, {"horizon": 20}), np.arange(70, dtype=np.uint64)
    kept = observe_rollout(UniformRandom(), scenario, customers, 3, threads=1)
    run = rollout(UniformRandom(), scenario, customers, 3, threads=1, chunk=30)
    np.testing.assert_array_equal(kept.customers["value"], run.value)
    np.testing.assert_allclose(kept.periods["contacts"], run.contact_rate)
    np.testing.assert_allclose(kept.periods["lines"].sum(axis=1), run.profit)
    assert kept.periods["season_contacts"].sum() == run.contacts.sum()
    assert kept.periods["season_purchases"].sum() == run.purchases.sum()
    assert kept.periods["season_here"].sum() == pytest.approx(run.lifetime.sum())
    assert kept.periods["opt_outs"].sum() * 70 == pytest.approx(run.opt_outs.sum())
    assert kept.customers["responses"].sum() == pytest.approx(kept.periods["responses"].sum() * 70)
    assert ("loyalty" in kept.periods) == (name == "control")
