"""Cards of scenarios: rates by hand, honest tables, and numbers that anybody can make again."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import BaseModel

from nba_gym.errors import ScenarioError
from nba_gym.evaluation import record_journeys
from nba_gym.evaluation.card import (
    Sizes,
    Target,
    Targets,
    load_targets,
    quick_numbers,
    target_names,
    write_card,
)
from nba_gym.evaluation.card.bench import Bench
from nba_gym.evaluation.card.calibration import Row, calibration_rows
from nba_gym.evaluation.card.groups import GROUPS
from nba_gym.evaluation.card.mechanisms import MECHANISMS, find, is_on, scale
from nba_gym.evaluation.card.page import calibration
from nba_gym.evaluation.card.quantities import QUANTITIES, measure
from nba_gym.evaluation.card.rules import RelevantContact
from nba_gym.evaluation.card.sensitivity import compare_rankings, loyalty_elasticity
from nba_gym.evaluation.card.watch import watched_rollout
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.scenario import load_scenario
from nba_gym.scenario import mechanisms as parts
from nba_gym.scenario.load import preset_names
from nba_gym.statistics import Interval, ratio_interval
from nba_gym.truth import groups_table

CARDS = Path(__file__).parents[2] / "docs" / "scenarios"
WRITTEN = sorted(path.stem for path in CARDS.glob("*.json") if path.stem != "gains")
SMALL = replace(Sizes().times(0.05), sensitivity=40, trials=2, quick=50)
STILL = {f"needs.{need}.season_utility": 0.0 for need in ("bread", "tea", "soap", "books")}


def aim(quantity: str, **fields: Any) -> Target:
    given = {"label": quantity, "quantity": quantity, "low": 0.0, "source": "a test"} | fields
    return Target.model_validate(given)


def bench(name: str, n: int, **changes: Any) -> Bench:
    sizes = Sizes(customers=n, targets=n, sensitivity=2, quick=n)
    return Bench(load_scenario(name, changes), sizes, may_learn=False)


def agrees(found: Interval, expected: float) -> bool:
    error = (found.high - found.mean) / 1.96
    return abs(found.mean - expected) < 4.0 * error


# --- cards that are written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITTEN)
def test_the_numbers_of_a_card_can_be_made_again(name):
    card = json.loads((CARDS / f"{name}.json").read_text())["quick"]
    again = quick_numbers(load_scenario(name), load_targets(name), card["customers"])
    assert json.loads(json.dumps(again)) == card, f"run: nba-gym card {name}"


@pytest.mark.parametrize("name", WRITTEN)
def test_the_groups_of_a_card_can_be_made_again_and_are_all_there_is(name):
    card = json.loads((CARDS / f"{name}.json").read_text())
    world = load_scenario(name)
    if world.tabular is not None:
        assert "groups" not in card
        return
    found = card["groups"]
    assert [row["action"] for row in found["actions"]] == [a.name for a in world.actions[1:]]
    told = [row for row in found["actions"] if row["n"] > 1]
    for row in told:
        assert sum(row[group] for group in GROUPS) == pytest.approx(1.0, abs=1e-5)
    numbers = np.arange(card["sizes"]["targets"]) + card["first_customer"]
    window = {"period": found["period"], "horizon": found["watched"]}
    [again] = groups_table(
        world, [told[0]["action"]], customers=numbers, seed=card["seed"], **window
    ).to_dicts()
    rounded = {k: float(f"{x:.6g}") if isinstance(x, float) else x for k, x in again.items()}
    assert rounded == told[0], f"run: nba-gym card {name}"


@pytest.mark.parametrize("name", WRITTEN)
def test_every_figure_of_a_card_lies_beside_it(name):
    linked = re.findall(r"\]\((figures/[^)]+)\)", (CARDS / f"{name}.md").read_text())
    assert linked
    assert all((CARDS / path).is_file() for path in linked)


@pytest.mark.parametrize("name", ["mailing", "control"])
def test_a_card_is_written_in_one_call(name, tmp_path):
    card = write_card(name, tmp_path, sizes=SMALL)
    numbers = json.loads((tmp_path / f"{name}.json").read_text())
    text = (tmp_path / f"{name}.md").read_text()
    assert [row["label"] for row in numbers["calibration"]] == [r.target.label for r in card.rows]
    assert all(each.target.source in text for each in card.rows)
    pictures = [path for path in card.paths if path.suffix == ".svg"]
    assert all(f"figures/{path.name}" in text for path in pictures)
    for path in pictures:
        drawn = path.read_text()
        assert "var(--" not in drawn  # a picture has no page to take its colours from
        assert 'fill="#ffffff"' in drawn
        ElementTree.fromstring(drawn)
    assert ("sensitivity" in numbers) == (name == "control")
    assert ("exact" in numbers) == (name == "mailing")
    assert ("groups" in numbers) == ("## Who is moved by what" in text) == (name == "control")


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", target_names())
def test_targets_name_what_their_world_has(name):
    world = load_scenario(name)
    channels, actions = ({each.name for each in kind} for kind in (world.channels, world.actions))
    for target in load_targets(name).targets:
        assert target.quantity in QUANTITIES, target.label
        assert not target.channel or target.channel in channels, target.label
        assert not target.action or target.action in actions, target.label


def test_every_file_of_targets_belongs_to_a_preset():
    folder = Path(parts.__file__).parent / "targets"
    assert {path.stem for path in folder.glob("*.toml")} <= set(preset_names())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("low = 0.3\nhigh = 0.2", "low must not be above high, got 0.3 and 0.2"),
        ("", "low or high must be given"),
        ("low = 0.1\nchanel = 'email'", "chanel must be a known field, got 'email'; did you mean"),
        ("low = ", "targets must be valid TOML"),
    ],
)
def test_a_mistake_in_targets_is_one_line_that_names_it(text, complaint, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f"[[targets]]\nlabel = 'x'\nquantity = 'optimum'\nsource = 'y'\n{text}\n")
    with pytest.raises(ScenarioError, match=re.escape(complaint)) as told:
        load_targets("mine", file)
    assert "mine.toml" in str(told.value)


def test_a_missed_target_is_shown_with_its_reason_and_stops_nothing():
    targets = [
        aim("notice_rate", label="far off", channel="email", low=0.9, why_not="mail is ignored"),
        aim("notice_rate", label="no such channel", channel="pigeon"),
        aim("notise_rate", label="no such quantity"),
        aim("notice_rate", label="fine", channel="email", low=0.2, high=0.4),
    ]
    rows = calibration_rows(bench("control", 200), targets)
    verdicts = ["outside", "not measured", "not measured", "inside"]
    assert [row.verdict for row in rows] == verdicts
    text = "\n".join(calibration(rows, "EUR"))
    assert "1 of 4 targets are reached" in text
    assert "*far off* (outside): mail is ignored." in text
    assert "channel must be one of the world, got 'pigeon'" in text
    assert "did you mean 'notice_rate'" in text


@pytest.mark.parametrize(
    ("reached", "verdict"),
    [
        (Interval(0.5, 0.4, 0.6), "inside"),
        (Interval(0.35, 0.25, 0.45), "inside, interval reaches out"),
        (Interval(0.25, 0.15, 0.35), "outside, interval reaches it"),
        (Interval(0.1, 0.05, 0.15), "outside"),
        (Interval(0.9, 0.85, 0.95), "outside"),
    ],
)
def test_the_verdict_is_about_the_mean_and_says_what_the_interval_adds(reached, verdict):
    assert Row(aim("optimum", low=0.3, high=0.7), reached).verdict == verdict


# --- quantities ----------------------------------------------------------------------------------


def test_rates_count_what_the_event_log_holds():
    people = bench("retail", 300)
    policy, numbers = UniformRandom(), people.customers(300)
    log = record_journeys(policy, people.scenario, numbers, people.seed)
    column = {name: i for i, name in enumerate(event_columns(people.scenario))}
    names = [channel.name for channel in people.scenario.channels]
    email = [i for i, a in enumerate(people.scenario.actions) if a.channel == "email"]
    on_it = np.isin(log.events[..., column["action"]], email)
    counts = people.watched("random").counts
    for name in ("sent", "responded", "opted_out"):
        expected = (log.events[..., column[name]] * on_it).sum(axis=0)
        np.testing.assert_array_equal(counts[name][:, names.index("email")], expected)
    bought = log.events[..., column["purchases"]].cumsum(axis=0)
    np.testing.assert_array_equal(people.watched("random").bought_by, bought)


def test_the_notice_rate_of_rested_customers_is_reach_times_attention():
    found = measure(bench("control", 100), aim("notice_rate", channel="sms"))
    assert found == pytest.approx((0.9 * 0.8,) * 3, abs=1e-6)


def test_more_contact_costs_more_consents_than_contact_at_rest():
    growth = aim("opt_out_growth", channel="email")
    found = measure(bench("retail", 4_000, **{"attention.opt_out_by_strain": 3.0}), growth)
    assert found.low > 1.0


def test_monthly_churn_of_a_constant_hazard_is_that_hazard():
    leaving = {"leaving.period_scale": 1.0, "traits.leaving.value": 0.02}
    found = measure(bench("control", 20_000, **leaving), aim("monthly_churn", policy="no_contact"))
    assert agrees(found, 0.02 * 365.25 / 84.0)


def test_who_never_buys_again_follows_from_the_chance_to_buy():
    odds = 4 * 0.02 / 0.98  # four needs, each as likely as the trait says
    world = bench("control", 40_000, **STILL)
    found = measure(world, aim("never_again", window=26))
    assert agrees(found, (1.0 / (1.0 + odds)) ** 26)
    later = measure(world, aim("never_again", window=26, period=12))
    ages = np.linspace(14, 26, 40_000).round()
    assert agrees(later, float(((1.0 / (1.0 + odds)) ** ages).mean()))


def test_a_contact_carries_over_where_there_is_something_to_carry():
    gift = aim("carry_over", action="sms_thanks", period=3)
    assert measure(bench("control", 500), gift) == (0.0, 0.0, 0.0)
    caring = {"relationship.by_care": 0.4, "purchase.by_loyalty": 4.0}
    assert measure(bench("control", 3_000, **caring), gift).low > 0.0


def test_a_rate_is_a_ratio_of_sums_with_the_customer_as_unit():
    found = ratio_interval(np.array([1.0, 0.0, 2.0]), np.array([2.0, 1.0, 3.0]))
    # residuals 0, -1/2, 1/2: their standard deviation 1/2, over the mean of 2 and the root of 3
    assert found.mean == 0.5
    assert found.high - found.mean == pytest.approx(1.959964 * 0.5 / 2.0 / 3.0**0.5)
    assert np.isnan(ratio_interval(np.zeros(3), np.zeros(3)).mean)


def test_relevant_contact_keeps_to_its_channel_and_its_rhythm():
    world = load_scenario("retail")
    log = record_journeys(RelevantContact(world, "push", 4), world, 200, 3)
    column = event_columns(world).index("action")
    actions = log.events[..., column].astype(int)
    periods, _ = np.nonzero(actions)
    assert set(periods % 4) == {3}
    assert {world.actions[a].channel for a in np.unique(actions) if a} == {"push"}
    with pytest.raises(ScenarioError, match="channel must be one of the world, got 'web'"):
        RelevantContact(world, "web", 4)  # inbound: they come to us


# --- mechanisms ----------------------------------------------------------------------------------

# what has a default other than 0 or "off", or is no coefficient of a mechanism
NO_SWITCHES = {
    *("purchase.process", "purchase.intercept", "price.loss_aversion", "awareness.decay"),
    *("need_dynamics.satisfaction", "need_dynamics.signal_memory", "service.basket_periods"),
    *("contract.commitment", "contract.renewal", "contract.recommitment"),
}


def test_every_coefficient_belongs_to_a_mechanism():
    world = load_scenario("control")
    fields = {f for each in MECHANISMS for f in (*each.switches, *each.fields, *each.beside)}
    for part, given in world:
        if not isinstance(given, parts.Part) or part in ("traits", "engagement"):
            continue
        for name in type(given).model_fields:
            path = f"{part}.{name}"
            known = path in NO_SWITCHES or any(field.startswith(path) for field in fields)
            assert known, f"add {path} to a mechanism in nba_gym/evaluation/card/mechanisms.py"


def test_every_field_of_a_mechanism_exists():
    for each in MECHANISMS:
        for field in (*each.switches, *each.fields, *each.beside):
            model: Any = type(load_scenario("control"))
            for step in field.split("."):
                model = _below(model, step)
                assert model is not None, field


def _below(model: Any, step: str) -> Any:
    """The type one step further down: of a field, or of the rows of a list or table."""
    if isinstance(model, UnionType):
        model = get_args(model)[0]
    if step == "*":
        row, *rest = get_args(model)  # of a tuple (X, ...) or a dict of name and X
        return row if rest == [...] else rest[0]
    found = model.model_fields.get(step) if isinstance(model, type(BaseModel)) else None
    return None if found is None else found.annotation


def test_in_the_control_only_what_has_no_memory_is_on():
    on = {each.name for each in MECHANISMS if is_on(each, load_scenario("control"))}
    assert on == {
        *("contacts are noticed", "contacts are answered", "price sensitivity"),
        *("offers persuade", "needs arise", "season", "browsing shows needs"),
    }


@pytest.mark.parametrize("each", [m for m in MECHANISMS if m.fields], ids=lambda m: m.name)
def test_a_mechanism_is_halved_and_nothing_else_is(each):
    for name in ("retail", "telecom"):
        world = load_scenario(name)
        if not is_on(each, world):
            continue
        changed = scale(each, world, 0.5).scenario
        before, after = (one.model_dump(mode="json") for one in (world, changed))
        assert before != after
        for field in each.fields:
            for (path, old), (_, new) in zip(find(before, field), find(after, field), strict=True):
                if isinstance(old, dict):
                    assert _mean(new) == pytest.approx(0.5 * _mean(old)), path
                elif each.how == "odds":
                    assert np.exp(new) == pytest.approx(0.5 * np.exp(old)), path
                else:
                    assert new == pytest.approx(0.5 * old), path
                _put(after, path, old)
        assert after == before


def _mean(trait: dict[str, Any]) -> float:
    match trait["family"]:
        case "gamma":
            return trait["shape"] / trait["rate"]
        case "lognormal":
            return trait["median"]
        case _:
            return trait["value"]


def _put(tree: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        rows = {row["name"]: row for row in tree} if isinstance(tree, list) else tree
        tree = rows[step]
    tree[last] = value


def test_what_stops_at_the_end_of_its_range_is_told():
    noticed = next(each for each in MECHANISMS if each.name == "contacts are noticed")
    changed = scale(noticed, load_scenario("control"), 1.5)
    assert changed.stopped == ("channels.sms.reach",)
    assert changed.scenario.channels[1].reach == 1.0


def test_a_limit_that_fields_have_together_is_kept():
    answered = next(each for each in MECHANISMS if each.name == "contacts are answered")
    world = load_scenario(
        "control", {"channels.sms.response": 0.3, "channels.sms.response_relevance": 0.5}
    )
    changed = scale(answered, world, 1.5)
    assert changed.factor == pytest.approx(1.25)
    assert changed.scenario.channels[1].response == pytest.approx(0.375)


# --- loyalty and rankings ------------------------------------------------------------------------


def test_five_percent_more_loyalty_is_five_percent_of_everybodys_own():
    world = load_scenario("control", {"traits.baseline_loyalty.value": 0.4})
    numbers = np.arange(70, dtype=np.uint64)
    more = watched_rollout(NoContact(), world, numbers, 1, loyalty=1.05)
    np.testing.assert_allclose(more.series["loyalty"][0], 0.42, atol=1e-6)
    most = watched_rollout(NoContact(), world, numbers, 1, loyalty=3.0)
    np.testing.assert_array_equal(most.series["loyalty"][0], 1.0)


def test_loyalty_pays_where_it_makes_buy_and_nothing_where_it_does_not(monkeypatch):
    monkeypatch.setattr("nba_gym.evaluation.card.sensitivity.LOOKED_AT", ("no_contact",))
    for coefficient in (0.0, 4.0):
        world = bench("control", 4_000, **{"purchase.by_loyalty": coefficient})
        found = loyalty_elasticity(world)["no_contact"]
        assert found.relative is not None
        if coefficient:  # 4 * 0.025 more utility: e^0.1 more odds to buy, a little less of buying
            assert found.relative.low > 0.05
            assert found.relative.high < 0.105
        else:
            assert found.change == (0.0, 0.0, 0.0)


def test_a_ranking_changes_only_where_the_interval_leaves_zero_out():
    rise = np.linspace(0.0, 1.0, 50)
    base = {"a": rise, "b": rise - 1.0, "c": rise - 0.0001 + 0.01 * np.cos(np.arange(50) * np.pi)}
    same = compare_rankings(base, {"a": rise, "b": rise - 2.0, "c": rise})
    assert same == []
    assert compare_rankings(base, base | {"b": rise + 1.0}) == [
        "b is now better than a",
        "b is now better than c",
    ]
    assert "a and b can no longer be told apart" in compare_rankings(base, base | {"b": rise})


def test_targets_without_a_file_are_none():
    assert load_targets("a world of my own") == Targets()
