"""Prospects, volunteers, amounts asked for, appointments, silence and quotas, in closed form.

Where a z value is named: the difference from the closed form in standard errors of the simulation.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nba_gym.errors import ScenarioError
from nba_gym.evaluation import compare
from nba_gym.evaluation.report import write_report
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from tests.worlds import (
    constant,
    draw_often,
    event,
    let_live,
    look_again,
    nothing_but,
    populate,
    step,
)

CROWD, TIMES, Z = 2**17, 8, 4.0  # 1,048,576 draws


def z_of_share(hits, n, share):
    return (hits / n - share) / math.sqrt(share * (1 - share) / n)


def action_of(scenario, name):
    return [action.name for action in scenario.actions].index(name)


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


# --- the pipeline ---------------------------------------------------------------------------------


def pipeline(**settings):
    """Nothing but a pipeline of three stages; nobody buys."""
    needs = {"needs__car__staged": True, "pipeline__stages": 3, "purchase__intercept": -50.0}
    return nothing_but("dealership", **needs | settings)


def test_stages_without_cooling_are_binomial_and_stop_at_closing():
    """P(stage = s after t periods) = C(t, s) p^s (1 - p)^(t - s) below the last stage."""
    chance, periods = 0.25, 4
    world = pipeline(pipeline__scale=1.0, pipeline__base=math.log(chance / (1 - chance)))
    crowd = populate(world, 2**18, record=True)
    for _ in range(periods):
        step(crowd, 0)
    reached = np.bincount(crowd.read("stage")[:, 0].astype(int), minlength=4)
    expected = stats.binom.pmf(np.arange(3), periods, chance)
    for stage in range(3):
        assert abs(z_of_share(reached[stage], crowd.n, expected[stage])) < Z
    assert abs(z_of_share(reached[3], crowd.n, 1 - expected.sum())) < Z


def test_advancing_and_cooling_balance_as_in_a_two_state_chain():
    """One stage, up with p, down with c: in the long run a share p / (p + c) is there."""
    up, down = 0.2, 0.3
    world = pipeline(
        pipeline__stages=1,
        pipeline__scale=1.0,
        pipeline__base=math.log(up / (1 - up)),
        pipeline__cool=down,
    )
    crowd = populate(world, 2**18, record=True)
    for _ in range(30):  # (1 - p - c)^30 = 1e-9: the start is forgotten
        step(crowd, 0)
    assert abs(z_of_share(crowd.read("stage").sum(), crowd.n, up / (up + down))) < Z


def test_need_and_a_noticed_contact_speed_a_prospect_up_by_the_logistic_form():
    """P = scale * logistic(base + k_n n + k_c * strength * r), from the state and the action."""
    coefficients = {"scale": 0.6, "base": -2.0, "by_need": 1.5, "by_contact": 2.5}
    world = pipeline(
        channels__showroom__reach=0.25,
        **{f"pipeline__{name}": value for name, value in coefficients.items()},
    )
    crowd = populate(world, CROWD, record=True)
    crowd.write("need", [0.75, 0.0, 0.0])
    advice = action_of(world, "showroom_advice")  # of strength 1, noticed by one in four
    crowd.write("visiting", len(world.channels))
    look_again(crowd)
    quiet, loud = (logistic(-2.0 + 1.5 * 0.75 + 2.5 * push) for push in (0.0, 0.75))
    for action, noticed in ((0, 0.0), (advice, 0.25)):
        chance = 0.6 * (noticed * loud + (1.0 - noticed) * quiet)
        moved = 0.0
        for out in draw_often(crowd, action, TIMES):
            moved += event(crowd, out, "stage_move").sum()
        assert abs(z_of_share(moved, CROWD * TIMES, chance)) < Z


def test_a_missing_stage_costs_utility_and_a_purchase_begins_the_pipeline_anew():
    """P(buy) = logistic(U - by_stage * (stages - s)) for the staged need alone."""
    world = pipeline(
        pipeline__by_stage=1.5,
        purchase__intercept=0.0,
        traits__purchase=constant(0.5),
        needs__maintenance__for_owners=True,
        needs__accessories__for_owners=True,
    )
    for stage in range(4):
        crowd = populate(world, CROWD, record=True)
        crowd.write("stage", stage)
        bought = sum(event(crowd, out, "purchases").sum() for out in draw_often(crowd, 0, TIMES))
        assert abs(z_of_share(bought, CROWD * TIMES, logistic(-1.5 * (3 - stage)))) < Z
        out = step(crowd, 0)
        buyers = event(crowd, out, "purchases") > 0
        assert set(crowd.read("stage")[buyers, 0]) <= {0.0}
        assert set(crowd.read("stage")[~buyers, 0]) == {float(stage)}


def test_nobody_buys_what_is_for_owners_before_a_first_purchase():
    world = load_scenario("dealership")
    owners = [k for k, need in enumerate(world.needs) if need.for_owners]
    crowd = populate(world, 20_000, record=True)
    bought_for_owners = 0
    for out in let_live(UniformRandom(), crowd, 80):
        before = crowd.read("frequency")[:, 0] - event(crowd, out, "purchases")
        need = event(crowd, out, "need_bought")
        assert not np.isin(need[before <= 0], owners).any()
        bought_for_owners += np.isin(need, owners).sum()
    assert bought_for_owners > 500


def test_a_lead_costs_in_its_first_period_and_never_again():
    world = pipeline(pipeline__lead_cost=25.0)
    crowd, line = populate(world, 1_000, record=True), LINES.index("acquisition")
    paid = [step(crowd, 0).ledger[:, line].copy() for _ in range(3)]
    assert (paid[0] == -25.0).all()
    assert not np.stack(paid[1:]).any()


def test_rules_of_the_pipeline_open_actions_stage_by_stage():
    world = load_scenario("dealership")
    crowd = populate(world, 4, record=True)
    crowd.write("stage", np.array([[0], [1], [2], [3]]))
    crowd.write("visiting", len(world.channels))
    look_again(crowd)
    drive, deal = action_of(world, "showroom_test_drive"), action_of(world, "showroom_deal")
    assert crowd.out.masks[:, drive].tolist() == [0, 1, 1, 1]
    assert crowd.out.masks[:, deal].tolist() == [0, 0, 0, 1]
    why = crowd.broken_rules(0)
    assert why[drive] == ["applicability: no stage of the pipeline is reached"]
    assert "applicability: the last stage of the pipeline is not reached" in why[deal]


def test_a_pipeline_needs_a_staged_need():
    with pytest.raises(ScenarioError, match=r"needs\.staged must be true of a need"):
        load_scenario("retail", {"pipeline.stages": 2})


# --- volunteering, amounts, appointments, silence, quotas -----------------------------------------


def test_volunteers_are_as_many_as_the_logistic_form_says_and_earn_their_worth():
    """P = scale * logistic(base + k_l (l - 1/2) + k_i * strength), its worth on its own line."""
    coefficients = {"scale": 0.5, "base": -1.0, "by_loyalty": 2.0, "by_invitation": 1.5}
    world = nothing_but(
        "nonprofit",
        volunteering__value=25.0,
        channels__web__reach=1.0,
        **{f"volunteering__{name}": value for name, value in coefficients.items()},
    )
    crowd, line = populate(world, CROWD, record=True), LINES.index("volunteering")
    crowd.write("loyalty", 0.75)
    web = [channel.name for channel in world.channels].index("web") + 1
    crowd.write("visiting", web)
    look_again(crowd)
    for name, strength in (("wait", 0.0), ("web_invite_volunteer", 0.7)):
        chance = 0.5 * logistic(-1.0 + 2.0 * 0.25 + 1.5 * strength)
        hits = 0.0
        for out in draw_often(crowd, action_of(world, name), TIMES):
            came = event(crowd, out, "volunteered")
            hits += came.sum()
            np.testing.assert_array_equal(out.ledger[:, line], 25.0 * came)
        assert abs(z_of_share(hits, CROWD * TIMES, chance)) < Z


def test_volunteering_wins_its_share_of_the_distance_to_full_loyalty():
    world = nothing_but(
        "nonprofit",
        volunteering__scale=1.0,
        volunteering__base=0.0,
        relationship__by_volunteering=0.25,
    )
    crowd = populate(world, 4_096, record=True)
    crowd.write("loyalty", 0.5)
    came = event(crowd, step(crowd, 0), "volunteered") > 0
    assert came.any()
    assert (crowd.read("loyalty")[came, 0] == 0.625).all()
    assert (crowd.read("loyalty")[~came, 0] == 0.5).all()


def test_asking_for_more_brings_larger_gifts_and_fewer_of_them():
    """P(give) = logistic(U - psi * loss aversion * log(a)); a gift is a^pull times the usual."""
    pull, psi, aversion = 0.6, 1.25, 1.5
    world = nothing_but(
        "nonprofit",
        purchase__ask_pull=pull,
        price__loss_aversion=aversion,
        channels__web__reach=1.0,
        traits__price_sensitivity=constant(psi),
        traits__purchase=constant(0.2),
        traits__spend=constant(40.0),
        actions__web_donate_more__ask_amount=2.0,
        actions__web_donate_more__needs={"children": 1.0, "nature": 1.0, "relief": 1.0},
    )
    crowd = populate(world, CROWD, record=True)
    web = [channel.name for channel in world.channels].index("web") + 1
    prices = np.array([need.price for need in world.needs])
    crowd.write("visiting", web)
    look_again(crowd)
    gave = 0.0
    for out in draw_often(crowd, action_of(world, "web_donate_more"), TIMES):
        need = event(crowd, out, "need_bought").astype(int)
        givers = need >= 0
        gave += givers.sum()
        usual = 40.0 * prices[need[givers]]
        np.testing.assert_allclose(
            event(crowd, out, "list_spend")[givers], usual * 2.0**pull, rtol=1e-6
        )
    total = 3 * math.exp(math.log(0.2 / 0.8) - psi * aversion * math.log(2.0))
    assert abs(z_of_share(gave, CROWD * TIMES, total / (1 + total))) < Z


def test_amounts_are_asked_for_by_offers_without_discount_only():
    path = "actions.mail_appeal_large"
    with pytest.raises(ScenarioError, match="ask_amount must be 1 unless an offer without disc"):
        load_scenario("nonprofit", {f"{path}.discount": 0.1})


def test_who_bought_keeps_the_appointment():
    """P(comes in) = max(appointment, P of (23)) for buyers, P of (23) for everybody else."""
    world = nothing_but(
        "day_spa",
        service__appointment=0.85,
        service__visit_scale=0.5,
        service__visit_base=0.0,
        traits__purchase=constant(0.3),
    )
    crowd = populate(world, CROWD, record=True)
    buyers = came = others = others_came = 0.0
    for out in draw_often(crowd, 0, TIMES):
        bought, visits = event(crowd, out, "purchases") > 0, event(crowd, out, "visit") > 0
        buyers, came = buyers + bought.sum(), came + (bought & visits).sum()
        others, others_came = others + (~bought).sum(), others_came + (~bought & visits).sum()
    assert abs(z_of_share(came, buyers, 0.85)) < Z
    assert abs(z_of_share(others_came, others, 0.25)) < Z


def test_a_visit_that_nobody_answers_costs_its_share_of_loyalty():
    world = nothing_but("day_spa", relationship__by_silence=0.25)
    crowd = populate(world, 64, record=True)
    crowd.write("loyalty", 0.5)
    staff = [channel.name for channel in world.channels].index("staff") + 1
    crowd.write("visiting", np.where(np.arange(64) < 32, staff, 0)[:, None])
    look_again(crowd)
    answered = np.arange(64) % 2 == 0
    step(crowd, np.where(answered, action_of(world, "staff_tell_of_massage"), 0))
    in_vain = (np.arange(64) < 32) & ~answered
    np.testing.assert_array_equal(crowd.read("loyalty")[:, 0], np.where(in_vain, 0.375, 0.5))


def test_a_quota_limits_calls_to_action_on_a_need_and_nothing_else():
    """At most 2 in any 5 weeks, counted over all channels; information is not rationed."""
    quota = {"needs.shoes.quota": 2, "needs.shoes.quota_window": 5}
    world = load_scenario("retail", quota)
    calls = [a.kind not in ("wait", "inform") and "shoes" in a.needs for a in world.actions]
    told = [a.kind == "inform" and "shoes" in a.needs for a in world.actions]
    informs = action_of(world, "email_news_shoes")
    crowd = populate(world, 3_000, record=True)
    made, news, blocked, recent = [], [], 0, np.zeros(crowd.n)
    for out in let_live(UniformRandom(), crowd, 60):
        made.append(np.array(calls)[event(crowd, out, "action").astype(int)])
        news.append(np.array(told)[event(crowd, out, "action").astype(int)])
        recent = np.sum(made[-4:], axis=0)
        assert not crowd.out.masks[np.ix_(recent >= 2, calls)].any()
        blocked += (recent >= 2).sum()
        assert (np.sum(made[-5:], axis=0) <= 2).all()
    assert blocked > 1_000
    i = int(np.flatnonzero(recent >= 2)[0])
    email = action_of(world, "email_offer_shoes")
    assert (
        "contact policy: at most 2 calls to action on shoes in 5 weeks"
        in (crowd.broken_rules(i)[email])
    )
    assert not any("calls to action" in reason for reason in crowd.broken_rules(i)[informs])
    informed = np.flatnonzero((recent < 2) & (recent + np.sum(news[-4:], axis=0) >= 2))
    assert len(informed) > 20
    for i in informed[:20]:
        assert not any("calls to action" in reason for reason in crowd.broken_rules(int(i))[email])


# --- what it costs to win a customer ------------------------------------------------------------


def test_cost_per_acquisition_counts_every_lead_and_all_costs_until_a_first_purchase(tmp_path):
    """All costs of all prospects until their first purchase or the end, over prospects won."""
    world = load_scenario("dealership", {"horizon": 40})
    result = compare({"random": UniformRandom(), "nobody": NoContact()}, world, 600, seed=3)
    rows = {row["policy"]: row for row in result.table.to_dicts()}
    crowd = populate(world, 600, seed=3, record=True)
    costs = [LINES.index(line) for line in ("acquisition", "contact_cost", "service_cost")]
    bought, spent = np.zeros(600), np.zeros(600)
    for out in let_live(NoContact(), crowd, 40):
        spent -= np.where(bought > 0, 0.0, out.ledger[:, costs].sum(axis=1))
        bought += event(crowd, out, "purchases")
    won = (bought > 0).mean()
    assert 0.0 < won < 1.0
    assert rows["nobody"]["won"] == won
    assert rows["nobody"]["cost_per_acquisition"] == pytest.approx(spent.sum() / (bought > 0).sum())
    assert spent.sum() == 25.0 * 600  # nobody was contacted: leads are all there is
    assert rows["random"]["cost_per_acquisition"] > rows["nobody"]["cost_per_acquisition"]
    write_report(result, tmp_path / "report.html")
    assert "Cost per acquisition (EUR)" in (tmp_path / "report.html").read_text()
