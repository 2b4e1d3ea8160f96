"""A scenario as arrays for the compiled kernel.

Pydantic models are for people; the kernel wants numbers. ``pack(scenario)`` turns one into the
other, once. Whatever needs a special function (quantiles, cosines) is computed here and rounded to
single precision, so that the last bit of a C library cannot change a journey.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from nba_gym.scenario.schema import (
    Action,
    Beta,
    Channel,
    Constant,
    Distribution,
    Gamma,
    InverseGamma,
    LogNormal,
    Normal,
    Scenario,
)

Array = NDArray[Any]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


class World(NamedTuple):
    """Every scalar of a scenario that the equations use; names as in the scenario file."""

    # time and contract
    cycle: float
    horizon: float
    spread_start: float
    contract: float
    first_commitment: float
    renewal_periods: float
    recommit_periods: float
    recurring_margin: float
    # purchase
    counted: float
    by_need: float
    by_awareness: float
    by_loyalty: float
    by_offer: float
    by_pressure: float
    by_basket: float
    purchase_intercept: float
    loss_aversion: float
    transaction_noise: float
    referral_rate: float
    referral_value: float
    typical_spend: float
    # pipeline
    stages: float
    by_stage: float
    advance_scale: float
    advance_base: float
    advance_need: float
    advance_contact: float
    cool: float
    lead_cost: float
    # volunteering
    volunteer_scale: float
    volunteer_base: float
    volunteer_loyalty: float
    volunteer_invitation: float
    volunteer_value: float
    # opting out
    opt_out_scale: float
    opt_out_base: float
    opt_out_strain: float
    opt_out_loyalty: float
    # leaving
    leave_scale: float
    leave_base: float
    dropout_scale: float
    dropout_base: float
    leave_loyalty: float
    leave_strain: float
    leave_problem: float
    leave_wake_up: float
    leave_retained: float
    # relationship
    drift: float
    gain_purchase: float
    gain_solution: float
    gain_care: float
    gain_information: float
    loss_irrelevance: float
    loss_pressure: float
    loss_problem: float
    loss_silence: float
    gain_volunteering: float
    fatigue_decay: float
    fatigue_relief: float
    reference_learn: float
    reference_forget: float
    # needs
    need_decay: float
    need_satisfaction: float
    need_start: float
    awareness_decay: float
    awareness_information: float
    awareness_purchase: float
    awareness_start: float
    signal_false: float
    signal_true: float
    signal_memory: float
    answer_noise: float
    # service
    problem_hazard: float
    problem_end: float
    complain_probability: float
    visit_scale: float
    visit_base: float
    visit_need: float
    visit_problem: float
    visit_loyalty: float
    appointment: float
    basket_rate: float
    basket_periods: float
    # engagement
    total_contacts: float
    recent_periods: float
    answer_periods: float
    renewal_window: float


_MONEY = ("recurring_margin", "referral_value", "lead_cost", "volunteer_value")
WORLD_TYPE = np.dtype(
    [(name, np.float64 if name in _MONEY else np.float32) for name in World._fields], align=True
)
"""The same as a record, which compiled code reads field by field; money in double precision."""

# columns of the catalogue, one row an action
A_CHANNEL, A_OUTBOUND, A_INBOUND, A_COST, A_FULFIL_COST, A_DISCOUNT = 0, 1, 2, 3, 4, 5
A_INFORM, A_ASK, A_REACH, A_INTRUSIVENESS, A_LOG_PRICE, A_OFFER = 6, 7, 8, 9, 10, 11
A_CARE, A_SERVICE, A_RETAIN, A_PRESSURE, A_RESPONSE_BASE, A_RESPONSE_SLOPE = 12, 13, 14, 15, 16, 17
A_GIFT, A_INVITE, A_STRENGTH = 18, 19, 20
A_NEED = 21

# columns of the channel table
CAP, PAUSE_AFTER, PAUSE_FOR, VISIT_SHARE, OPT_IN, IS_OUTBOUND = 0, 1, 2, 3, 4, 5
CHANNEL_COLUMNS = 6

# columns of the table of needs
NEED_MARGIN, NEED_PRICE, NEED_STAGED, NEED_OWNED, NEED_QUOTA = 0, 1, 2, 3, 4

# links of a trait: how a tabulated quantile becomes the trait
LINK_IDENTITY, LINK_EXP, LINK_LOGISTIC = 0, 1, 2
QUANTILE_REACH = 6.5
"""Trait tables cover normal quantiles from -6.5 to 6.5."""
QUANTILE_NODES = 521
"""Nodes of a trait table; the spacing is 0.025 standard deviations."""
COMMON_TRAITS = (
    "price_sensitivity",
    "tolerance",
    "baseline_loyalty",
    "purchase",
    "leaving",
    "spend",
)


@dataclass(frozen=True)
class Parameters:
    """A scenario, packed.

    Attributes:
        world: One record with the fields of :class:`World`, ``(1,)``.
        actions: The catalogue, ``(n_actions, A_NEED + n_needs)``.
        channels: Channel table, ``(n_channels, CHANNEL_COLUMNS)``.
        needs: Table of needs, ``(n_needs, 5)``.
        excitation: X_jk, how an awake need j excites need k, ``(n_needs, n_needs)``.
        seasons: Utility and arrival factor by need and phase, ``(2, n_needs, cycle)``.
        waves: Sine and cosine of the phase, ``(cycle, 2)``.
        personas: Cumulative shares of the personas, ``(n_personas,)``.
        traits: Quantile tables, ``(n_personas, n_traits, QUANTILE_NODES)``.
        links: Link of each trait, ``(n_personas, n_traits)``.
        spend_noise: Quantile table of the unit-mean factor of one transaction,
            ``(QUANTILE_NODES,)``.
    """

    world: Array
    actions: Singles
    channels: Singles
    needs: Floats
    excitation: Singles
    seasons: Singles
    waves: Singles
    personas: Floats
    traits: Floats
    links: NDArray[np.int64]
    spend_noise: Floats


def pack(scenario: Scenario) -> Parameters:
    """Turn a scenario into the arrays the kernel works on.

    Args:
        scenario: A validated scenario.

    Returns:
        Arrays in native byte order, C-contiguous; they are never written to.
    """
    traits, links = _trait_tables(scenario)
    seasons = np.stack([_season_utility(scenario), _season_arrival(scenario)])
    phase = 2.0 * np.pi * np.arange(scenario.cycle) / scenario.cycle
    return Parameters(
        world=np.array([tuple(map(float, _world(scenario)))], dtype=WORLD_TYPE).view(np.recarray),
        actions=_single(_catalogue(scenario)),
        channels=_single(_channel_table(scenario)),
        needs=np.array(
            [
                [need.margin, need.price, need.staged, need.for_owners, need.quota]
                for need in scenario.needs
            ],
            dtype=np.float64,
        ),
        excitation=_single(_excitation(scenario)),
        seasons=_single(seasons),
        waves=_single(np.stack([np.sin(phase), np.cos(phase)], axis=1)),
        personas=np.cumsum([persona.share for persona in scenario.personas]),
        traits=traits,
        links=links,
        spend_noise=_spend_noise(scenario.purchase.transaction_shape),
    )


def _single(values: Any) -> Singles:
    """In single precision, the precision of the equations."""
    return np.ascontiguousarray(values, dtype=np.float32)


def _portable(values: Any) -> Floats:
    """Round to single precision and widen again: the same number whatever the C library."""
    return np.ascontiguousarray(np.asarray(values, dtype=np.float32).astype(np.float64))


def _world(scenario: Scenario) -> World:
    buy, price, needs = scenario.purchase, scenario.price, scenario.need_dynamics
    aware, attention, bond = scenario.awareness, scenario.attention, scenario.relationship
    leave, contract, service = scenario.leaving, scenario.contract, scenario.service
    pipeline, volunteer, policy = scenario.pipeline, scenario.volunteering, scenario.engagement
    return World(
        cycle=scenario.cycle,
        horizon=scenario.horizon,
        spread_start=scenario.spread_start,
        contract=contract.enabled,
        first_commitment=contract.commitment,
        renewal_periods=contract.renewal,
        recommit_periods=contract.recommitment,
        recurring_margin=contract.recurring_margin,
        counted=buy.process == "counted",
        by_need=buy.by_need,
        by_awareness=buy.by_awareness,
        by_loyalty=buy.by_loyalty,
        by_offer=buy.by_offer,
        by_pressure=buy.by_pressure,
        by_basket=buy.by_basket,
        purchase_intercept=buy.intercept,
        loss_aversion=price.loss_aversion,
        transaction_noise=buy.transaction_shape > 0,
        referral_rate=buy.referral_rate,
        referral_value=buy.referral_value,
        typical_spend=_typical_spend(scenario),
        stages=pipeline.stages,
        by_stage=pipeline.by_stage,
        advance_scale=pipeline.scale,
        advance_base=pipeline.base,
        advance_need=pipeline.by_need,
        advance_contact=pipeline.by_contact,
        cool=pipeline.cool,
        lead_cost=pipeline.lead_cost,
        volunteer_scale=volunteer.scale,
        volunteer_base=volunteer.base,
        volunteer_loyalty=volunteer.by_loyalty,
        volunteer_invitation=volunteer.by_invitation,
        volunteer_value=volunteer.value,
        opt_out_scale=attention.opt_out_scale,
        opt_out_base=attention.opt_out_base,
        opt_out_strain=attention.opt_out_by_strain,
        opt_out_loyalty=attention.opt_out_by_loyalty,
        leave_scale=leave.period_scale,
        leave_base=leave.period_base,
        dropout_scale=leave.purchase_scale,
        dropout_base=leave.purchase_base,
        leave_loyalty=leave.by_loyalty,
        leave_strain=leave.by_strain,
        leave_problem=leave.by_problem,
        leave_wake_up=leave.by_wake_up,
        leave_retained=leave.by_retention,
        drift=bond.drift,
        gain_purchase=bond.by_purchase,
        gain_solution=bond.by_solution,
        gain_care=bond.by_care,
        gain_information=bond.by_information,
        loss_irrelevance=bond.by_irrelevance,
        loss_pressure=bond.by_pressure,
        loss_problem=bond.by_problem,
        loss_silence=bond.by_silence,
        gain_volunteering=bond.by_volunteering,
        fatigue_decay=attention.fatigue_decay,
        fatigue_relief=attention.relief,
        reference_learn=price.learn,
        reference_forget=price.forget,
        need_decay=needs.decay,
        need_satisfaction=needs.satisfaction,
        need_start=needs.start,
        awareness_decay=aware.decay,
        awareness_information=aware.by_information,
        awareness_purchase=aware.by_purchase,
        awareness_start=aware.start,
        signal_false=needs.signal_false,
        signal_true=needs.signal_true,
        signal_memory=needs.signal_memory,
        answer_noise=needs.answer_noise,
        problem_hazard=service.problem_hazard,
        problem_end=service.problem_end,
        complain_probability=service.complain,
        visit_scale=service.visit_scale,
        visit_base=service.visit_base,
        visit_need=service.visit_by_need,
        visit_problem=service.visit_by_problem,
        visit_loyalty=service.visit_by_loyalty,
        appointment=service.appointment,
        basket_rate=service.basket_rate,
        basket_periods=service.basket_periods,
        total_contacts=policy.total_cap,
        recent_periods=policy.recent_purchase,
        answer_periods=policy.recent_answer,
        renewal_window=policy.renewal_window,
    )


def _catalogue(scenario: Scenario) -> Floats:
    channels = {channel.name: (c, channel) for c, channel in enumerate(scenario.channels)}
    rows = [_action_row(action, channels, scenario) for action in scenario.actions]
    return np.array(rows, dtype=np.float64)


def _action_row(
    action: Action, channels: dict[str, tuple[int, Channel]], scenario: Scenario
) -> list[float]:
    row = [0.0] * (A_NEED + scenario.n_needs)
    if action.kind == "wait":
        row[A_CHANNEL] = -1.0
        return row
    c, channel = channels[action.channel]
    kind = action.kind
    row[A_CHANNEL] = c
    row[A_OUTBOUND] = channel.direction == "outbound"
    row[A_INBOUND] = channel.direction == "inbound"
    row[A_COST] = channel.cost + action.cost
    row[A_FULFIL_COST] = action.fulfil_cost
    row[A_DISCOUNT] = action.discount
    row[A_INFORM] = action.strength if kind == "inform" else 0.0
    row[A_ASK] = kind == "ask"
    row[A_REACH] = channel.reach
    row[A_INTRUSIVENESS] = channel.intrusiveness * action.intrusiveness
    log_price = math.log1p(-action.discount) + math.log(action.ask_amount)
    row[A_LOG_PRICE] = float(np.float32(log_price))
    row[A_OFFER] = kind in ("offer", "retain") and bool(action.needs)
    row[A_CARE] = action.strength if kind in ("service", "reward") else 0.0
    row[A_SERVICE] = action.strength if kind == "service" else 0.0
    row[A_RETAIN] = kind == "retain"
    row[A_PRESSURE] = action.pressure
    row[A_RESPONSE_BASE] = channel.response
    row[A_RESPONSE_SLOPE] = channel.response_relevance
    row[A_GIFT] = float(np.float32(action.ask_amount**scenario.purchase.ask_pull))
    row[A_INVITE] = action.strength if kind == "invite" else 0.0
    row[A_STRENGTH] = action.strength
    for k, need in enumerate(scenario.needs):
        row[A_NEED + k] = action.needs.get(need.name, 0.0)
    return [float(x) for x in row]


def _channel_table(scenario: Scenario) -> Floats:
    table = np.zeros((scenario.n_channels, CHANNEL_COLUMNS))
    for c, channel in enumerate(scenario.channels):
        table[c, CAP] = channel.cap
        table[c, PAUSE_AFTER] = channel.pause_after
        table[c, PAUSE_FOR] = channel.pause
        table[c, VISIT_SHARE] = channel.visit_share
        table[c, OPT_IN] = channel.opt_in
        table[c, IS_OUTBOUND] = channel.direction == "outbound"
    return table


def _excitation(scenario: Scenario) -> Floats:
    names = {need.name: k for k, need in enumerate(scenario.needs)}
    matrix = np.zeros((scenario.n_needs, scenario.n_needs))
    for source, targets in scenario.need_dynamics.excitation.items():
        for target, weight in targets.items():
            matrix[names[source], names[target]] = weight
    return matrix


def _wave(scenario: Scenario, peak: float) -> Floats:
    return np.cos(2.0 * np.pi * (np.arange(scenario.cycle) - peak) / scenario.cycle)


def _season_utility(scenario: Scenario) -> Floats:
    return np.stack([n.season_utility * _wave(scenario, n.season_peak) for n in scenario.needs])


def _season_arrival(scenario: Scenario) -> Floats:
    waves = [n.season_arrival * _wave(scenario, n.season_peak) for n in scenario.needs]
    return np.exp(np.stack(waves))


def _typical_spend(scenario: Scenario) -> float:
    distribution = scenario.traits.spend
    levels = _quantiles(distribution)
    return float(np.float32(np.median(levels)))


def _grid() -> Floats:
    return np.linspace(-QUANTILE_REACH, QUANTILE_REACH, QUANTILE_NODES)


def _quantiles(given: Distribution) -> Floats:
    """Quantiles of a distribution at the nodes of the normal grid; exact in both tails.

    Kept, since a fit packs hundreds of worlds that share most of their traits; read-only.
    """
    return _kept_levels(cast(Any, given))  # frozen, so it has a hash that its type does not know


@lru_cache(maxsize=256)
def _kept_levels(given: Any) -> Floats:
    levels = _levels(given)
    levels.setflags(write=False)
    return levels


def _levels(given: Distribution) -> Floats:
    z = _grid()
    low, high = special.ndtr(z), special.ndtr(-z)
    match given:
        case Constant():
            return np.full(QUANTILE_NODES, given.value)
        case Normal():
            return given.mean + given.sd * z
        case LogNormal():
            return given.median * np.exp(given.sigma * z)
        case Gamma():
            lower = special.gammaincinv(given.shape, low)
            upper = special.gammainccinv(given.shape, high)
            return np.where(z > 0, upper, lower) / given.rate
        case InverseGamma():
            mirror = Gamma(family="gamma", shape=given.shape, rate=1.0)
            return given.scale / _quantiles(mirror)[::-1]
        case Beta():
            lower = special.betaincinv(given.a, given.b, low)
            upper = 1.0 - special.betaincinv(given.b, given.a, high)
            return np.where(z > 0, upper, lower)


def _log_quantiles(given: Distribution) -> Floats:
    floor = 1e-30  # traits are kept in single precision: what something is divided by stays > 0
    return np.log(np.maximum(_quantiles(given), floor))


def _logit_quantiles(given: Beta) -> Floats:
    """Log-odds quantiles of a Beta, exact in both tails by its mirror image."""
    mirror = Beta(family="beta", a=given.b, b=given.a)
    return _log_quantiles(given) - _log_quantiles(mirror)[::-1]


def _trait_tables(scenario: Scenario) -> tuple[Floats, NDArray[np.int64]]:
    counted = scenario.purchase.process == "counted"
    tables: list[list[Floats]] = []
    links: list[list[int]] = []
    for persona in scenario.personas:
        pairs = [
            _tabulate(name, given, counted=counted)
            for name, given in _trait_list(scenario, persona.traits)
        ]
        tables.append([table for table, _ in pairs])
        links.append([link for _, link in pairs])
    return _portable(tables), np.array(links, dtype=np.int64)


def _trait_list(scenario: Scenario, own: Any) -> list[tuple[str, Distribution]]:
    base = scenario.traits
    chosen = [(name, getattr(own, name) or getattr(base, name)) for name in COMMON_TRAITS]
    for channel in scenario.channels:
        given = own.attention.get(channel.name) or base.attention.get(channel.name)
        chosen.append(("attention", given or Constant(family="constant", value=1.0)))
    arrival = base.arrival | own.arrival
    return chosen + [("arrival", arrival[need.name]) for need in scenario.needs]


def _tabulate(name: str, given: Distribution, *, counted: bool) -> tuple[Floats, int]:
    """Table of a trait on its link scale, and the link that leads back."""
    if name in ("purchase", "leaving"):
        if name == "leaving" and isinstance(given, Gamma):
            return _hazard_log_odds(given), LINK_IDENTITY
        return _propensity(given, counted=counted and name == "purchase"), LINK_IDENTITY
    match given:
        case Constant() | Normal():
            return _quantiles(given), LINK_IDENTITY
        case Beta():
            return _logit_quantiles(given), LINK_LOGISTIC
        case Gamma() | InverseGamma() | LogNormal():
            return _log_quantiles(given), LINK_EXP


def _propensity(given: Distribution, *, counted: bool) -> Floats:
    """Propensity b or h: log of a rate, or log-odds of a probability."""
    match given:
        case Normal():
            return _quantiles(given)
        case Beta():
            return _logit_quantiles(given)
        case Constant():
            chance = min(max(given.value, 1e-300), 1.0 - 1e-16)
            level = math.log(chance) if counted else math.log(chance) - math.log1p(-chance)
            return np.full(QUANTILE_NODES, level)
        case Gamma() | InverseGamma() | LogNormal():
            return _log_quantiles(given)


def _hazard_log_odds(given: Gamma) -> Floats:
    """Log-odds of leaving within a period of who leaves at a constant rate, 1 - exp(-rate)."""
    rate = np.maximum(_quantiles(given), 1e-30)
    return np.log(-np.expm1(-rate)) + rate


def _spend_noise(shape: float) -> Floats:
    """Quantile table of a Gamma(shape, shape), scaled so that the interpolated mean is 1."""
    if shape <= 0.0:
        return np.ones(QUANTILE_NODES)
    levels = _quantiles(Gamma(family="gamma", shape=shape, rate=shape))
    return _portable(levels / _interpolated_mean(levels))


def _interpolated_mean(levels: Floats) -> float:
    """Exact mean of a table that is linear between the nodes of a standard normal score."""
    z = _grid()
    mass = np.diff(special.ndtr(z))
    slope = np.diff(levels) / np.diff(z)
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    first_moment = -np.diff(density)  # integral of z * density over each cell
    return float(np.sum(levels[:-1] * mass + slope * (first_moment - z[:-1] * mass)))
