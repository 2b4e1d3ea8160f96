"""A scenario is packed into arrays exactly: names, shapes, precision and distributions."""

import math

import numpy as np
import pytest
from scipy import stats

from nba_gym.customer.traits import linked, tabulated_quantile
from nba_gym.lanes import MAX_CHANNELS, MAX_NEEDS
from nba_gym.scenario import parameters
from nba_gym.scenario.load import load_scenario, preset_names
from nba_gym.scenario.parameters import (
    A_NEED,
    CHANNEL_COLUMNS,
    COMMON_TRAITS,
    QUANTILE_NODES,
    QUANTILE_REACH,
    pack,
)


def single(values) -> np.ndarray:
    return np.asarray(values).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", ["small", *preset_names()])
def test_packed_arrays_are_finite_of_the_stated_shape_and_contiguous(name, small):
    scenario = small if name == "small" else load_scenario(name)
    packed = pack(scenario)
    n, k, c = scenario.n_actions, scenario.n_needs, scenario.n_channels
    p, t = len(scenario.personas), len(COMMON_TRAITS) + c + k
    shapes = {
        "actions": (n, A_NEED + k),
        "channels": (c, CHANNEL_COLUMNS),
        "needs": (k, 5),
        "excitation": (k, k),
        "seasons": (2, k, scenario.cycle),
        "waves": (scenario.cycle, 2),
        "personas": (p,),
        "traits": (p, t, QUANTILE_NODES),
        "spend_noise": (QUANTILE_NODES,),
    }
    for field, shape in shapes.items():
        array = getattr(packed, field)
        assert array.shape == shape, field
        double = field in ("needs", "personas", "traits", "spend_noise")
        assert array.dtype == (np.float64 if double else np.float32), field
        assert array.flags.c_contiguous, field
        assert np.isfinite(array).all(), field
    assert packed.links.shape == (p, t)
    assert packed.links.dtype == np.int64
    assert packed.world.shape == (1,)
    assert np.isfinite(packed.world[0].tolist()).all()
    assert packed.personas[-1] == pytest.approx(1.0, abs=1e-9)


def test_what_needs_a_special_function_is_rounded_to_single_precision(small):
    packed = pack(small)
    for field in ("seasons", "waves", "traits", "spend_noise"):
        values = getattr(packed, field)
        np.testing.assert_array_equal(values, single(values), err_msg=field)
    log_prices = packed.actions[:, parameters.A_LOG_PRICE]
    np.testing.assert_array_equal(log_prices, single(log_prices))
    assert packed.world["typical_spend"][0] == single(packed.world["typical_spend"][0])


def test_a_row_of_the_catalogue_holds_what_the_file_says(small):
    wait, offer, service = pack(small).actions
    assert wait.tolist() == [-1.0] + [0.0] * (len(wait) - 1)
    expected = {
        "A_CHANNEL": 0.0,
        "A_OUTBOUND": 1.0,
        "A_COST": 0.01 + 0.5,
        "A_FULFIL_COST": 3.0,
        "A_DISCOUNT": 0.2,
        "A_REACH": 0.6,
        "A_INTRUSIVENESS": 0.5 * 2.0,
        "A_LOG_PRICE": float(np.float32(math.log(0.8))),
        "A_OFFER": 1.0,
        "A_PRESSURE": 0.25,
        "A_RESPONSE_BASE": 0.02,
        "A_RESPONSE_SLOPE": 0.2,
        "A_GIFT": 1.0,
        "A_STRENGTH": 1.0,
        "A_NEED": 0.75,
    }
    row = np.zeros(len(offer), dtype=np.float32)
    for name, value in expected.items():
        row[getattr(parameters, name)] = value
    np.testing.assert_array_equal(offer, row)
    expected = {"A_CHANNEL": 1, "A_INBOUND": 1, "A_REACH": 1, "A_CARE": 0.6, "A_SERVICE": 0.6}
    expected |= {"A_GIFT": 1.0, "A_STRENGTH": 0.6}
    row = np.zeros(len(service), dtype=np.float32)
    for name, value in expected.items():
        row[getattr(parameters, name)] = value
    np.testing.assert_array_equal(service, row)


KINDS = {
    "inform": {"A_INFORM": 0.6},
    "offer": {"A_OFFER": 1.0},
    "service": {"A_CARE": 0.6, "A_SERVICE": 0.6},
    "reward": {"A_CARE": 0.6},
    "ask": {"A_ASK": 1.0},
    "retain": {"A_OFFER": 1.0, "A_RETAIN": 1.0},
    "invite": {"A_INVITE": 0.6},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_action_has_its_own_effects(kind, small):
    path = "actions.web_service"
    changes = {f"{path}.kind": kind, f"{path}.needs.gifts": 0.5, "volunteering.scale": 0.5}
    row = pack(load_scenario(small, changes)).actions[2]
    columns = {name for effects in KINDS.values() for name in effects}
    expected = dict.fromkeys(columns, 0.0) | KINDS[kind]
    assert {name: row[getattr(parameters, name)] for name in columns} == expected


def test_keeping_a_customer_without_naming_needs_is_no_offer(small):
    row = pack(load_scenario(small, {"actions.web_service.kind": "retain"})).actions[2]
    assert (row[parameters.A_RETAIN], row[parameters.A_OFFER]) == (1.0, 0.0)


NAMES_IN_THE_WORLD = {
    "purchase.intercept": "purchase_intercept",
    "leaving.period_scale": "leave_scale",
    "leaving.period_base": "leave_base",
    "leaving.purchase_scale": "dropout_scale",
    "leaving.purchase_base": "dropout_base",
    "leaving.by_loyalty": "leave_loyalty",
    "leaving.by_strain": "leave_strain",
    "leaving.by_problem": "leave_problem",
    "leaving.by_wake_up": "leave_wake_up",
    "leaving.by_retention": "leave_retained",
    "contract.commitment": "first_commitment",
    "contract.renewal": "renewal_periods",
    "contract.recommitment": "recommit_periods",
    "engagement.total_cap": "total_contacts",
    "engagement.recent_purchase": "recent_periods",
    "engagement.recent_answer": "answer_periods",
    "attention.opt_out_by_strain": "opt_out_strain",
    "attention.opt_out_by_loyalty": "opt_out_loyalty",
    "attention.relief": "fatigue_relief",
    "price.learn": "reference_learn",
    "price.forget": "reference_forget",
    "need_dynamics.decay": "need_decay",
    "need_dynamics.satisfaction": "need_satisfaction",
    "need_dynamics.start": "need_start",
    "awareness.decay": "awareness_decay",
    "awareness.by_information": "awareness_information",
    "awareness.by_purchase": "awareness_purchase",
    "awareness.start": "awareness_start",
    "service.complain": "complain_probability",
    "service.visit_by_need": "visit_need",
    "service.visit_by_problem": "visit_problem",
    "service.visit_by_loyalty": "visit_loyalty",
    "relationship.by_purchase": "gain_purchase",
    "relationship.by_solution": "gain_solution",
    "relationship.by_care": "gain_care",
    "relationship.by_information": "gain_information",
    "relationship.by_irrelevance": "loss_irrelevance",
    "relationship.by_pressure": "loss_pressure",
    "relationship.by_problem": "loss_problem",
    "relationship.by_silence": "loss_silence",
    "relationship.by_volunteering": "gain_volunteering",
    "pipeline.scale": "advance_scale",
    "pipeline.base": "advance_base",
    "pipeline.by_need": "advance_need",
    "pipeline.by_contact": "advance_contact",
    "volunteering.scale": "volunteer_scale",
    "volunteering.base": "volunteer_base",
    "volunteering.by_loyalty": "volunteer_loyalty",
    "volunteering.by_invitation": "volunteer_invitation",
    "volunteering.value": "volunteer_value",
}
MECHANISMS = (
    "purchase",
    "price",
    "need_dynamics",
    "awareness",
    "attention",
    "relationship",
    "leaving",
    "contract",
    "service",
    "pipeline",
    "volunteering",
    "engagement",
)
ELSEWHERE = ("purchase.transaction_shape", "purchase.ask_pull", "engagement.total_window")


def test_the_world_holds_every_number_of_the_mechanisms_under_its_name(small):
    """Each gets a value of its own: a coefficient packed into another's place is noticed."""
    fractions, counts = iter(np.linspace(0.001, 0.499, 100).tolist()), iter(range(3, 20))
    changes: dict[str, float] = {"cycle": 53, "horizon": 77, "contract.enabled": True}
    for table in MECHANISMS:
        for name, field in type(getattr(small, table)).model_fields.items():
            if field.annotation in (int, float):
                series = fractions if field.annotation is float else counts
                changes[f"{table}.{name}"] = next(series)
    changes["price.loss_aversion"] = 1.75
    changes["need_dynamics.signal_true"] = 0.75  # never below signal_false
    changes["needs.shoes.staged"] = True  # what a pipeline is for
    world = pack(load_scenario(small, changes)).world[0]
    for path, value in changes.items():
        if path not in (*ELSEWHERE, "contract.enabled", "needs.shoes.staged"):
            assert world[NAMES_IN_THE_WORLD.get(path, path.split(".")[-1])] == value, path


def test_the_world_holds_switches_as_zero_or_one(small):
    switches = ("spread_start", "contract", "counted", "transaction_noise")
    on = pack(load_scenario(small, {"contract.enabled": True})).world[0]
    off = {"spread_start": False, "purchase.process": "one", "purchase.transaction_shape": 0.0}
    off = pack(load_scenario(small, off)).world[0]
    assert [on[name] for name in switches] == [1.0] * 4
    assert [off[name] for name in switches] == [0.0] * 4


def test_typical_spend_is_the_median_of_what_everybody_spends(small):
    typical = pack(small).world["typical_spend"][0]
    assert typical == pytest.approx(stats.gamma.median(2.0, scale=16.0), rel=1e-6)


def test_a_row_of_the_channel_table_holds_what_the_file_says(small):
    email, web = pack(load_scenario(small, {"channels.email.opt_in": 0.25})).channels
    names = ("CAP", "PAUSE_AFTER", "PAUSE_FOR", "VISIT_SHARE", "OPT_IN", "IS_OUTBOUND")
    columns = [getattr(parameters, name) for name in names]
    assert email[columns].tolist() == [2.0, 10_000.0, 0.0, 0.0, 0.25, 1.0]
    assert web[columns].tolist() == [32.0, 10_000.0, 0.0, 1.0, 1.0, 0.0]


def test_excitation_goes_from_row_to_column(small):
    np.testing.assert_array_equal(
        pack(small).excitation, np.array([[0.0, 0.6], [0.0, 0.0]], dtype=np.float32)
    )


def test_seasons_peak_where_the_file_says_and_average_out(small):
    utility, arrival = pack(small).seasons
    assert np.argmax(utility[0]) == np.argmax(arrival[0]) == 13
    assert utility[0, 13] == single(0.3)
    assert arrival[0, 13] == pytest.approx(math.exp(0.7), rel=1e-7)
    assert arrival[0, 39] == pytest.approx(math.exp(-0.7), rel=1e-7)
    assert abs(utility[0].sum()) < 1e-6
    assert (utility[1] == 0).all()
    assert (arrival[1] == 1).all()


def test_a_persona_has_its_own_traits_and_else_those_of_everybody(small):
    packed = pack(small)
    assert packed.personas.tolist() == [0.7, 1.0]
    tolerance, gifts = COMMON_TRAITS.index("tolerance"), len(COMMON_TRAITS) + 2 + 1
    assert (packed.traits[1, tolerance] == 0.5).all()
    assert (packed.traits[1, gifts] == 0.0).all()
    same = [i for i in range(packed.traits.shape[1]) if i not in (tolerance, gifts)]
    np.testing.assert_array_equal(packed.traits[0, same], packed.traits[1, same])


TRAITS = {
    "CDNOW purchase rate": ("purchase", stats.gamma(0.243, scale=1 / 4.414), np.exp),
    "CDNOW dropout": ("leaving", stats.beta(0.793, 2.426), stats.logistic.cdf),
    "log-normal": ("tolerance", stats.lognorm(0.45, scale=2.0), None),
    "beta": ("baseline_loyalty", stats.beta(5.0, 4.5), None),
    "gamma": ("spend", stats.gamma(2.0, scale=16.0), None),
}


def draws(packed, i: int, us) -> np.ndarray:
    table, link = packed.traits[0, i], packed.links[0, i]
    return np.array([linked(tabulated_quantile(table, u), link) for u in us.tolist()])


@pytest.mark.parametrize("trait", TRAITS)
def test_tables_of_traits_reproduce_their_distributions(trait, small):
    name, distribution, back = TRAITS[trait]
    i = COMMON_TRAITS.index(name)
    us = (np.arange(20_000) + 0.5) / 20_000
    xs = draws(pack(small), i, us)
    xs = xs if back is None else back(xs)
    assert np.abs(distribution.cdf(xs) - us).max() < 5e-5  # Kolmogorov and Smirnov's distance
    z = np.linspace(-6.4, 6.4, 6401)
    weights = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    xs = draws(pack(small), i, stats.norm.cdf(z))
    xs = xs if back is None else back(xs)
    mean = (weights * xs).sum()
    variance = (weights * (xs - mean) ** 2).sum()
    assert mean == pytest.approx(distribution.mean(), rel=1e-4)
    assert variance == pytest.approx(distribution.var(), rel=1e-4)


def test_constants_and_normals_are_tabulated_as_they_are(small):
    changes = {
        "purchase.process": "one",
        "traits.purchase": {"family": "normal", "mean": -1.5, "sd": 2.0},
        "traits.leaving": {"family": "constant", "value": 0.2},
        "traits.spend": {"family": "constant", "value": 12.5},
    }
    packed = pack(load_scenario(small, changes))
    us = np.linspace(0.001, 0.999, 50)
    places = [COMMON_TRAITS.index(name) for name in ("purchase", "leaving", "spend")]
    propensity, leaving, spend = (draws(packed, i, us) for i in places)
    np.testing.assert_allclose(propensity, -1.5 + 2.0 * stats.norm.ppf(us), atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-leaving)), 0.2, rtol=1e-6)
    np.testing.assert_array_equal(spend, 12.5)


def test_a_constant_purchase_trait_is_a_rate_when_purchases_are_counted(small):
    constant = {"traits.purchase": {"family": "constant", "value": 0.25}}
    i = COMMON_TRAITS.index("purchase")
    counted = pack(load_scenario(small, constant)).traits[0, i]
    np.testing.assert_array_equal(counted, single(math.log(0.25)))
    one = pack(load_scenario(small, constant | {"purchase.process": "one"})).traits[0, i]
    np.testing.assert_array_equal(one, single(math.log(0.25 / 0.75)))


@pytest.mark.parametrize("shape", [0.5, 1.0, 6.25, 100.0])
def test_the_mean_of_the_spend_noise_is_exactly_one(shape, small):
    table = pack(load_scenario(small, {"purchase.transaction_shape": shape})).spend_noise
    z = np.linspace(-9, 9, 360_001)
    nodes = np.linspace(-QUANTILE_REACH, QUANTILE_REACH, QUANTILE_NODES)
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    mean = (np.interp(z, nodes, table) * density).sum() * (z[1] - z[0])
    assert mean == pytest.approx(1.0, abs=1e-6)
    us = np.linspace(0.001, 0.999, 99)
    drawn = [tabulated_quantile(table, u) for u in us.tolist()]
    np.testing.assert_allclose(drawn, np.interp(stats.norm.ppf(us), nodes, table), rtol=1e-7)
    np.testing.assert_allclose(drawn, stats.gamma.ppf(us, shape, scale=1 / shape), rtol=5e-3)


def test_without_a_shape_there_is_no_spend_noise(small):
    packed = pack(load_scenario(small, {"purchase.transaction_shape": 0.0}))
    assert (packed.spend_noise == 1).all()
    assert packed.world["transaction_noise"][0] == 0


EXTREMES = [
    {"family": "gamma", "shape": 1e-6, "rate": 1e9},
    {"family": "gamma", "shape": 1e6, "rate": 1e-9},
    {"family": "lognormal", "median": 1e-9, "sigma": 5.0},
    {"family": "lognormal", "median": 1e9, "sigma": 5.0},
]


@pytest.mark.parametrize("given", EXTREMES)
def test_the_most_extreme_tolerance_allowed_is_a_positive_single(given, small):
    """Traits are kept in single precision, and fatigue is divided by tolerance."""
    packed = pack(load_scenario(small, {"traits.tolerance": given}))
    i = COMMON_TRAITS.index("tolerance")
    drawn = draws(packed, i, np.array([2.0**-33, 1e-3, 0.5, 0.999, 1 - 2.0**-33]))
    assert (drawn.astype(np.float32) > 0).all()
    assert np.isfinite(drawn.astype(np.float32)).all()
    assert (np.diff(drawn) >= 0).all()


@pytest.mark.parametrize("a", [1e-6, 1e6])
@pytest.mark.parametrize("b", [1e-6, 1e6])
def test_the_most_extreme_beta_allowed_has_finite_increasing_log_odds(a, b, small):
    beta = {"family": "beta", "a": a, "b": b}
    changes = {"traits.leaving": beta, "traits.baseline_loyalty": beta}
    packed = pack(load_scenario(small, changes))
    for name in ("leaving", "baseline_loyalty"):
        table = packed.traits[0, COMMON_TRAITS.index(name)]
        assert np.isfinite(table).all()
        assert (np.diff(table) >= 0).all()


def test_a_catalogue_holds_as_many_needs_and_channels_as_the_worktable(small):
    needs = [{"name": f"need_{k}", "margin": 0.5} for k in range(MAX_NEEDS)]
    channels = [
        {"name": f"channel_{c}", "direction": "inbound", "visit_share": 1 / MAX_CHANNELS}
        for c in range(MAX_CHANNELS)
    ]
    constant = {"family": "constant", "value": 0.1}
    changes = {
        "needs": needs,
        "channels": channels,
        "actions": [{"name": "wait", "kind": "wait"}],
        "personas": [{"name": "all", "share": 1.0}],
        "traits.attention": {},
        "traits.arrival": {need["name"]: constant for need in needs},
        "need_dynamics.excitation": {},
    }
    full = load_scenario(small, changes)
    assert (full.n_needs, full.n_channels, full.n_actions) == (MAX_NEEDS, MAX_CHANNELS, 1)
    assert pack(full).traits.shape == (1, len(COMMON_TRAITS) + 16, QUANTILE_NODES)
