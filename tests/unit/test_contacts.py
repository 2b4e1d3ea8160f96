"""From a file of randomised contacts to what contacts do."""

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from nba_gym.calibration import contact_log, fit_effects, read_contacts
from nba_gym.calibration.campaign import Lottery, campaign_of, match_lottery, play
from nba_gym.calibration.coefficients import coefficient, toml_of, within_reach
from nba_gym.calibration.moments import choose_moments, covariance, rates
from nba_gym.cli import main
from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import DataError, PolicyError, ScenarioError
from nba_gym.policies import UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.scenario import load_scenario
from nba_gym.truth.chances import BUYS, OPTS_OUT, RESPONDS, chances
from tests.campaigns import half_wait, on_disk, simulated

ROWS = {
    "id": ["a", "b", "a", "c", "b"],
    "when": ["02.01.2024", "02.01.2024", "09.01.2024", "02.01.2024", "16.01.2024"],
    "what": ["wait", "email_offer_shoes", "", "sms_deal_home", "mail_catalogue"],
    "spent": ["0", "12.5", "0", "0", "3"],
    "click": ["", "1", "0", "0", "0"],
    "stop": ["0", "0", "", "1", "0"],
    "joined": ["01.01.2024", "01.12.2023", "01.01.2024", "02.01.2024", "01.12.2023"],
}
NAMES = {
    "customer": "id",
    "date": "when",
    "action": "what",
    "outcome": "spent",
    "responded": "click",
    "opted_out": "stop",
    "since": "joined",
    "date_format": "%d.%m.%Y",
}


def written(folder: Any, **changes: list[Any]) -> Any:
    path = folder / "contacts.csv"
    pl.DataFrame(ROWS | changes).write_csv(path)
    return path


def test_columns_are_found_by_the_names_they_have(tmp_path):
    log = read_contacts(written(tmp_path), **NAMES)
    assert (log.n_rows, log.n_contacts, log.n_customers) == (5, 3, 3)
    assert log.table["bought"].to_list() == [False, True, False, False, True]
    assert log.table["action"].to_list()[2] == "wait"
    assert log.table["responded"].to_list() == [False, True, False, False, False]
    assert log.table["since"].to_list()[1] == date(2023, 12, 1)
    short = {role: NAMES[role] for role in ("customer", "date", "action", "outcome", "date_format")}
    plain = read_contacts(written(tmp_path), **short)
    assert plain.table["since"].to_list()[4] == date(2024, 1, 2)
    assert "responded" not in plain.table.columns


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spent": ["0", "1", "-3", "0", "0"]}, r"outcome must be >= 0, got .* \(row 3 of contac"),
        ({"spent": ["0", "1", "yes", "0", "0"]}, r"outcome must be a finite number, .* \(row 3"),
        ({"click": ["", "", "0", "0", "0"]}, r"responded must be 0 or 1, got .* \(row 2 of"),
        ({"click": ["", "2", "0", "0", "0"]}, r"responded must be 0 or 1, got '2' \(row 2 of"),
        ({"stop": ["1", "0", "0", "0", "0"]}, r"opted_out must be 0 where nobody was contacted"),
        ({"when": [*ROWS["when"][:4], "31.02.2024"]}, r"date must be a date written .* \(row 5"),
        ({"id": ["a", None, "a", "c", "b"]}, r"customer must be given, got None \(row 2 of"),
        (
            {"joined": ["03.01.2024", *ROWS["joined"][1:]]},
            r"since must be on or before the date of the contact, got '03.01.2024' \(row 1",
        ),
        (
            {"joined": [*ROWS["joined"][:4], "02.12.2023"]},
            r"since must be the same in all rows of a customer, got '02.12.2023' \(row 5",
        ),
    ],
)
def test_a_bad_row_is_named(changes, message, tmp_path):
    with pytest.raises(DataError, match=message) as error:
        read_contacts(written(tmp_path, **changes), **NAMES)
    assert "\n" not in str(error.value)


def test_rows_that_the_scenario_cannot_have_are_named(tmp_path):
    retail = load_scenario("retail")
    log = read_contacts(
        written(tmp_path, what=["", "email_ofer_shoes", "", "mail_catalogue", ""]), **NAMES
    )
    with pytest.raises(DataError, match=r"did you mean 'email_offer_shoes'.* \(row 2 of contacts"):
        campaign_of(log, retail)
    days = ["02.01.2024", "02.01.2024", "05.01.2024", "02.01.2024", "16.01.2024"]
    log = read_contacts(written(tmp_path, when=days), **NAMES)
    with pytest.raises(DataError, match=r"only one of the customer in its week, got .* \(row 3 of"):
        campaign_of(log, retail)


def test_ages_are_counted_from_acquisition_in_periods_of_the_scenario(tmp_path):
    log = read_contacts(written(tmp_path), **NAMES)
    scheduled = campaign_of(log, load_scenario("retail")).scheduled
    assert [np.flatnonzero(row).tolist() for row in scheduled] == [[0, 1], [4, 6], [0]]
    months = {"customer": ["a", "a"], "date": [date(2023, 12, 31), date(2024, 1, 1)]}
    log = contact_log(months | {"action": ["wait", "sms_offer_data"], "outcome": [0, 1]})
    assert campaign_of(log, load_scenario("telecom")).scheduled.tolist() == [[True, True]]
    gifts = {"customer": ["a", "a"], "date": [date(2023, 12, 31), date(2025, 1, 1)]}
    log = contact_log(gifts | {"action": ["wait", "wait"], "outcome": [0, 1]})
    assert campaign_of(log, load_scenario("donors")).scheduled.tolist() == [[True, False, True]]


def test_who_has_cancelled_is_simulated_on_until_the_log_ends():
    rows = {
        "customer": ["a"] * 4 + ["b"] * 2,
        "date": [date(2024, m, 1) for m in (1, 2, 3, 4, 1, 2)],
        "action": ["wait"] * 6,
        "outcome": [0] * 6,
    }
    assert campaign_of(contact_log(rows), load_scenario("telecom")).scheduled.all()
    dates = [date(2024, 1, 1) + timedelta(weeks=w) for w in (0, 1, 2, 3, 0, 1)]
    shop = campaign_of(contact_log(rows | {"date": dates}), load_scenario("retail"))
    assert shop.scheduled.sum(axis=1).tolist() == [4, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": ["wait"] * 400}, "action must be a contact in some rows, got 400 rows of wait"),
        ({"action": ["mail_catalogue"] * 400}, "action must be 'wait' or empty in some rows, got"),
        ({"outcome": [0] * 400}, "outcome must let expect 20 purchases among controls and in one"),
    ],
)
def test_a_log_that_identifies_nothing_is_refused(changes, message):
    rows = {
        "customer": list(range(400)),
        "date": [date(2024, 1, 1)] * 400,
        "action": ["wait", "mail_catalogue"] * 200,
        "outcome": [1, 0] * 200,
    }
    with pytest.raises(DataError, match=message) as error:
        fit_effects(contact_log(rows | changes))
    assert "\n" not in str(error.value)


def test_coefficients_that_no_rate_depends_on_are_refused():
    log = contact_log(simulated(load_scenario("telecom", {"horizon": 12}), 1_000, seed=5))
    with pytest.raises(DataError, match=r"log must identify contract.recurring_margin, got \d+ ra"):
        fit_effects(log, "telecom", parameters=("purchase.by_offer", "contract.recurring_margin"))
    with pytest.raises(ScenarioError, match="parameters must be numbers of telecom, got 'horizon'"):
        fit_effects(log, "telecom", parameters=("horizon",))
    with pytest.raises(ScenarioError, match=r"got 'channels\.fax\.reach'"):
        fit_effects(log, "telecom", parameters=("channels.fax.reach",))
    with pytest.raises(PolicyError, match="parameters must be at least 1, got 0"):
        fit_effects(log, "telecom", parameters=())
    with pytest.raises(
        ScenarioError, match=r"base must have contacts and responses, got 'mailing'"
    ):
        fit_effects(log, "mailing")


@pytest.mark.parametrize("world", ["retail", "telecom"])
def test_chances_are_how_often_what_they_are_of_happens(world):
    scenario = load_scenario(world)
    n = 20_000
    people = Population(scenario, n, record=True)
    numbers = np.arange(n, dtype=np.uint64)
    people.begin(np.ones(n, dtype=np.bool_), np.full(n, 3, dtype=np.uint64), numbers)
    draw, columns = np.random.default_rng(3), event_columns(scenario)
    seen, expected, spread = np.zeros(3), np.zeros(3), np.zeros(3)
    names = {BUYS: "purchases", RESPONDS: "responded", OPTS_OUT: "opted_out"}
    for _ in range(10):
        actions = UniformRandom().act(people.out.observations, people.out.masks, draw)
        chance = chances(people, actions)
        events = people.step(actions, kernel.DISABLED).events
        for i, name in names.items():
            seen[i] += (events[:, columns.index(name)] > 0).sum()
        expected += chance.sum(axis=0)
        spread += (chance * (1.0 - chance)).sum(axis=0)
    assert np.all(np.abs(seen - expected) < 4.0 * np.sqrt(spread))
    assert np.all(seen > 100)


def test_a_lottery_gives_every_action_as_often_as_the_log():
    scenario = load_scenario("telecom", {"horizon": 24})
    uneven = Lottery(0.3, 1.0 + np.arange(scenario.n_actions, dtype=np.float64) % 4)
    campaign = campaign_of(contact_log(simulated(scenario, 1_500, 11, uneven)), scenario)
    lottery = match_lottery(scenario, campaign, 0, 1_500)
    rows = play(scenario, campaign.scheduled, lottery, 1, 3_000).rows
    wanted, got = (x.sum(axis=0) / x.sum() for x in (campaign.cells.rows, rows))
    # as near as two campaigns with the luck of different customers come
    assert np.all(np.abs(got - wanted) < 5.0 * np.sqrt(wanted / campaign.cells.rows.sum()))


def test_a_lottery_never_draws_what_is_not_allowed():
    masks = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    chances_of = Lottery(0.5, np.array([9.0, 1.0, 3.0])).probabilities(
        np.zeros((3, 1), np.float32), masks
    )
    assert chances_of == pytest.approx(
        np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.125, 0.375]])
    )


def test_an_action_that_the_world_never_allows_is_named():
    scenario = load_scenario("telecom", {"horizon": 12})
    table = simulated(scenario, 500, seed=4)
    base = load_scenario(scenario, {"channels.sms.opt_in": 0.0})
    with pytest.raises(DataError, match=r"must be allowed at times in telecom, got 'sms_\w+' in"):
        match_lottery(base, campaign_of(contact_log(table), base), 0, 500)


def test_errors_of_rates_count_the_rows_of_a_customer_together():
    scenario = load_scenario("retail", {"horizon": 40})
    cells = campaign_of(contact_log(simulated(scenario, 1_500, seed=2)), scenario).cells
    moments = choose_moments(cells, scenario)
    level, over = rates(cells, moments)
    error = np.sqrt(np.diag(covariance(cells, moments)))
    control = next(i for i, m in enumerate(moments) if m.arm == "wait")
    # a few buy often, so the level of all is known less well than as many single rows would show it
    assert error[control] > 1.2 * np.sqrt(level[control] * (1 - level[control]) / over[control])
    draw = np.random.default_rng(0)
    again = []
    for _ in range(200):
        who = draw.integers(0, len(cells.rows), len(cells.rows))
        events = {name: counts[who] for name, counts in cells.events.items()}
        again.append(rates(cells._replace(rows=cells.rows[who], events=events), moments)[0])
    # 200 bootstrap samples show a standard deviation to 5 %
    assert np.std(again, axis=0)[control] == pytest.approx(error[control], rel=0.2)


def test_an_arm_of_which_nothing_came_is_not_known_exactly():
    scenario = load_scenario("telecom", {"horizon": 12})
    cells = campaign_of(contact_log(simulated(scenario, 500, seed=2)), scenario).cells
    moments = choose_moments(cells, scenario)
    nothing = cells._replace(events={name: 0.0 * x for name, x in cells.events.items()})
    over = rates(cells, moments)[1]
    none = np.zeros(len(moments))
    assert np.diag(covariance(nothing, moments)).max() == 0.0
    assert np.diag(covariance(nothing, moments, none)) == pytest.approx(over**-2.0)


def test_coefficients_stay_where_a_scenario_is_valid():
    telecom = load_scenario("telecom")
    response, slope = "channels.call.response", "channels.call.response_relevance"
    assert within_reach(telecom, {response: 0.7})[response] == pytest.approx(0.55)
    assert within_reach(telecom, {response: 0.7, slope: 0.5})[slope] == pytest.approx(0.3)
    assert within_reach(telecom, {response: 0.2}) == {response: 0.2}
    assert coefficient(telecom, response)[1:4] == (0.25, 0.0, 1.0)


def test_coefficients_are_written_as_a_file_that_reads_back(tmp_path):
    values = {"purchase.by_offer": 1.25, "channels.sms.response": 0.07, "channels.sms.reach": 0.5}
    path = tmp_path / "own.toml"
    path.write_text('extends = "telecom"\n' + toml_of(values))
    assert load_scenario(path) == load_scenario("telecom", values)


@pytest.fixture(scope="module")
def short_fit(tmp_path_factory):
    """A fit to a year of telecom, planted in the base as a file."""
    scenario = load_scenario("telecom", {"horizon": 12, "purchase.by_offer": 1.4})
    folder = tmp_path_factory.mktemp("base")
    base = folder / "base.toml"
    base.write_text('extends = "telecom"\nname = "base"\n')
    log = on_disk(folder, simulated(scenario, 2_500, seed=21))
    names = ("purchase.intercept", "purchase.by_offer")
    return base, fit_effects(log, base, parameters=names, policy=half_wait(scenario))


def test_the_planted_uplift_lies_in_its_interval(short_fit):
    _, fit = short_fit
    level, offer = fit.effects
    assert level.low <= level.base <= level.high
    assert offer.low <= 1.4 <= offer.high < offer.base


def test_the_fitted_world_is_written_and_reads_back(short_fit, tmp_path):
    base, fit = short_fit
    paths = fit.save(tmp_path / "elsewhere" / "deep")
    again = load_scenario(paths[0])
    assert again == fit.scenario
    assert again.purchase.by_offer == fit.effects[1].value
    assert again.actions == load_scenario(base).actions
    kept = json.loads(paths[1].read_text())
    assert kept["effects"][1]["name"] == "purchase.by_offer"
    assert len(kept["rates"]) == len(fit.rates) == fit.degrees + 2
    with pytest.raises(DataError, match="folder must be a folder, got the file"):
        fit.save(paths[0])


def test_people_are_told_estimates_rates_and_what_is_left_over(short_fit):
    _, fit = short_fit
    said = "\n".join(fit.lines())
    assert "purchase.by_offer" in said
    assert "bought    wait" in said
    assert f"J = {fit.j:.1f} on {fit.degrees} degrees of freedom, p = {fit.p_value:.3f}" in said
    assert 0.001 < fit.p_value <= 1.0
    assert "reach and attention included" in said


def test_the_command_reads_fits_and_writes(short_fit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nba_gym.calibration.fit_effects", lambda *_, **__: short_fit[1])
    arguments = [f"--{k.replace('_', '-')}={v}" for k, v in NAMES.items()]
    given = ["nba-gym", "effects", str(written(tmp_path)), *arguments, "--out", str(tmp_path / "o")]
    monkeypatch.setattr("sys.argv", given)
    main()
    said, told = capsys.readouterr()
    assert "fitting 3 contacts" in told
    assert "overidentification" in said
    assert (tmp_path / "o" / "scenario.toml").is_file()
    monkeypatch.setattr("sys.argv", ["nba-gym", "effects", str(tmp_path / "no.csv")])
    with pytest.raises(SystemExit, match="error: file must exist, got"):
        main()
