"""The journey explorer shows what the simulator says, in a real browser."""

import numpy as np
import pytest

from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.errors import PolicyError
from nba_gym.evaluation.explorer import live, write_explorer
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle, expected_profit, policy_twins
from tests.browser import NEEDS_CHROMIUM, PHONE, browser, opened

RETAIL = load_scenario("retail", ["horizon=30"])
READY = "body[data-ready=yes]"
N = 60
NUMBERS = SPLIT.reporting(N)
POLICIES = {"oracle": MyopicOracle(), "by <lot>": UniformRandom(), "wait": NoContact()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer")
    return write_explorer(POLICIES, RETAIL, folder / "new" / "page.html", customers=N)


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def shown(chromium, path):
    with opened(chromium, path, READY) as window:
        yield window


def choose(window, **filters):
    for name, value in filters.items():
        window.page.select_option(f"#{name}", value)
    return window.page.evaluate("chosen.found")


@pytest.fixture
def window(shown):
    choose(
        shown, first="0", second="1", persona="all", outcome="all", treated="all", order="number"
    )
    shown.page.evaluate("show(0, 0)")
    return shown


def test_a_page_needs_two_policies_and_a_few_hundred_customers_at_most(tmp_path):
    with pytest.raises(PolicyError, match="policies must be at least 2"):
        write_explorer({"wait": NoContact()}, "control", tmp_path / "a.html")
    with pytest.raises(PolicyError, match=r"customers must be in \[1, 1,000\], got 0"):
        write_explorer(POLICIES, "control", tmp_path / "a.html", customers=0)


def test_lives_are_those_of_the_policy_with_what_was_known_before_each_decision():
    lives = live(UniformRandom(), RETAIL, NUMBERS[:5], SPLIT.seed)
    population = populate(RETAIL, 5, record=True)
    population.begin(np.ones(5, dtype=bool), np.full(5, SPLIT.seed, dtype=np.uint64), NUMBERS[:5])
    for t in range(RETAIL.horizon):
        assert np.array_equal(lives.seen[t], population.out.observations)
        assert np.array_equal(lives.expected[t], expected_profit(population))
        assert np.array_equal(lives.hidden["fatigue"][t], population.read("fatigue")[:, 0])
        out = population.step(lives.actions[t], kernel.DISABLED)
        assert np.array_equal(lives.events[t], out.events)
        assert np.array_equal(lives.ledger[t], out.ledger)


# --- the numbers on the page


@NEEDS_CHROMIUM
def test_the_page_shows_the_values_and_partings_of_twins(window):
    names = list(POLICIES)
    for first, second in ((0, 1), (1, 2)):
        twins = policy_twins(
            POLICIES[names[first]], POLICIES[names[second]], RETAIL, NUMBERS, SPLIT.seed
        )
        told = window.page.evaluate(
            f"everybody.map(i => [gain({first}, {second}, i), parting({first}, {second}, i),"
            f" at('{first}.purchases', i), at('{second}.lifetime', i)])"
        )
        told = np.array(told)
        assert np.abs(told[:, 0] - twins.value.effect).max() <= 0.011  # rounded to a cent, twice
        assert np.array_equal(told[:, 1], twins.parted)
        assert np.array_equal(told[:, 2], twins.purchases.first)
        assert np.array_equal(told[:, 3], twins.lifetime.second)


@NEEDS_CHROMIUM
def test_each_side_shows_the_action_of_its_own_policy(window):
    names = list(POLICIES)[:2]
    actions = [live(POLICIES[name], RETAIL, NUMBERS, SPLIT.seed).actions for name in names]
    periods, customers = np.nonzero(actions[0] != actions[1])
    for k in (0, len(periods) // 2, -1):
        window.page.evaluate(f"show({customers[k]}, {periods[k]})")
        for side, name in enumerate(names):
            shown = window.page.locator(f"#side{side}")
            assert shown.locator("h4").inner_text() == name
            wanted = RETAIL.actions[actions[side][periods[k], customers[k]]].name
            assert shown.locator("tr.chosen").get_attribute("data-action") == wanted


@NEEDS_CHROMIUM
def test_what_is_forbidden_is_shown_with_the_reasons_of_the_rules(window):
    actions = live(UniformRandom(), RETAIL, NUMBERS, SPLIT.seed).actions
    population = populate(RETAIL, N, record=True)
    population.begin(np.ones(N, dtype=bool), np.full(N, SPLIT.seed, dtype=np.uint64), NUMBERS)
    for t in range(12):
        population.step(actions[t], kernel.DISABLED)
    told = window.page.evaluate(
        "everybody.map(i => about.actions.map((_, a) => reasons(1, i, 12, a)))"
    )
    assert told == [population.broken_rules(i) for i in range(N)]
    assert sum(len(reasons) > 0 for customer in told for reasons in customer) > N


@NEEDS_CHROMIUM
def test_the_hidden_half_the_records_and_the_events_are_those_of_that_moment(window):
    lives, t, i = live(MyopicOracle(), RETAIL, NUMBERS, SPLIT.seed), 9, 5
    fatigue, loyalty = (window.page.evaluate(f"at('0.hidden.{n}', {i}, {t})") for n in
                        ("fatigue", "loyalty"))  # fmt: skip
    assert abs(fatigue - lives.hidden["fatigue"][t, i]) <= 0.0006
    assert abs(loyalty - lives.hidden["loyalty"][t, i]) <= 0.0006
    seen = window.page.evaluate(f"about.features.map((_, k) => at('0.seen', {i}, {t}, k))")
    assert len(seen) == len(feature_table(RETAIL))
    assert np.abs(np.array(seen) - lives.seen[t, i]).max() <= 0.0051
    events = window.page.evaluate(f"{event_columns(RETAIL)}.map(name => event(0, {i}, {t}, name))")
    assert np.abs(np.array(events) - lives.events[t, i]).max() <= 0.0051


# --- clicks and keys


@NEEDS_CHROMIUM
def test_filters_show_whom_they_name_and_say_how_many(window):
    personas = window.page.evaluate("everybody.map(i => at('persona', i))")
    found = choose(window, persona="1")
    assert 0 < len(found) < N
    assert {personas[i] for i in found} == {1}
    assert window.page.inner_text("#count").startswith(f"{len(found)} of {N} customers")
    assert window.page.locator("#list li").count() == len(found)
    choose(window, persona="all")
    more, less = choose(window, outcome="first"), choose(window, outcome="second")
    assert all(window.page.evaluate(f"gain(0, 1, {i}) > 0") for i in more[:5])
    assert not set(more) & set(less)
    assert len(choose(window, outcome="same")) == N - len(more) - len(less)
    choose(window, outcome="all")
    assert len(choose(window, treated="differently")) + len(choose(window, treated="alike")) == N


@NEEDS_CHROMIUM
def test_a_filter_that_nobody_passes_says_so_and_shows_nobody(window):
    choose(window, second="0")
    assert choose(window, treated="differently") == []
    assert window.page.inner_text("#count").startswith("0 of")
    assert window.page.locator("#one").is_hidden()


@NEEDS_CHROMIUM
def test_other_policies_and_orders_can_be_chosen(window):
    oracle = window.page.inner_text("#headline")
    found = choose(window, first="2", order="gain")
    assert window.page.inner_text("#headline") != oracle
    assert window.page.inner_text("#side0 h4") == "wait"
    gains = [window.page.evaluate(f"gain(2, 1, {i})") for i in found]
    assert gains == sorted(gains, reverse=True)


@NEEDS_CHROMIUM
def test_the_keyboard_leads_through_customers_periods_and_differences(window):
    keys = window.page.keyboard
    window.page.locator("#list").focus()
    keys.press("ArrowDown")
    assert window.page.inner_text("#who").startswith("Customer 1:")
    keys.press("ArrowRight")
    assert window.page.inner_text("#moment").startswith("week 1:")
    keys.press("d")
    period = window.page.evaluate("chosen.period")
    assert period == window.page.evaluate("parting(0, 1, 1, 2)")
    assert "different actions" in window.page.inner_text("#moment")
    keys.press("End")
    assert window.page.evaluate("chosen.period") == RETAIL.horizon - 1
    window.page.locator("#c7").click()
    assert window.page.inner_text("#who").startswith("Customer 7:")
    window.page.click("#earlier")
    assert window.page.evaluate("chosen.period") == RETAIL.horizon - 2


# --- on any screen


@NEEDS_CHROMIUM
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark_and_nothing_is_asked_for(chromium, path, scheme):
    with opened(chromium, path, READY, color_scheme=scheme) as window:
        window.page.evaluate("show(3, 5)")
        for selector in ("h2", "#headline", ".filters label", "#list li", "td", "tr.blocked td"):
            assert window.least_contrast(selector) >= 4.5, selector
        assert not window.scrolls_sideways
        assert window.complaints == []


@NEEDS_CHROMIUM
def test_a_phone_need_not_scroll_sideways_and_paper_leaves_the_buttons_out(chromium, path):
    with opened(chromium, path, READY, viewport=PHONE) as window:
        assert not window.scrolls_sideways
        window.page.emulate_media(media="print")
        assert window.page.locator(".filters").is_hidden()
        assert window.page.locator("#side1 tr.chosen").is_visible()
        assert window.complaints == []


@NEEDS_CHROMIUM
def test_a_world_of_tables_can_be_explored_too(chromium, tmp_path):
    policies = {"oracle": MyopicOracle(), "wait": NoContact()}
    path = write_explorer(policies, "mailing", tmp_path / "page.html", customers=5)
    with opened(chromium, path, READY) as window:
        window.page.evaluate("show(1, 0)")
        assert "no hidden half" in window.page.inner_text("#side0")
        assert window.complaints == []
