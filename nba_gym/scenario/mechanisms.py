"""The mechanisms of a scenario and their coefficients. Defaults switch a mechanism off."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nba_gym.scenario.fields import (
    Number,
    Part,
    coefficient,
    log_odds,
    money,
    periods,
    probability,
    share,
    table,
    value,
)


class Purchase(Part):
    """Buying (equations 6-11)."""

    process: Literal["one", "counted"] = Field(
        default="one", description="one choice a period (logit), or a counted number (Poisson)"
    )
    intercept: float = log_odds("added to every customer's propensity b")
    by_need: float = coefficient("k_n, effect of the need")
    by_awareness: float = coefficient("k_w, effect of awareness")
    by_loyalty: float = coefficient("k_l, effect of loyalty above 1/2")
    by_offer: float = coefficient("k_o, effect of a noticed offer that speaks to the need")
    by_pressure: float = coefficient("k_p, effect of pressure on an open basket")
    by_basket: float = coefficient("k_b, effect of an open basket")
    transaction_shape: float = value(
        "shape of the gamma factor on one transaction's spend; 0 for none",
        "1",
        0.0,
        low=0.0,
        high=1e6,
    )
    ask_pull: float = share("how far a gift follows the amount asked for; 0: not at all", 0.0)
    referral_rate: float = probability("referrals per buying period at full loyalty", 0.0)
    referral_value: float = money("value of a referred customer", 0.0)


class Price(Part):
    """Price memory (equations 6 and 14)."""

    loss_aversion: float = value("factor on felt losses", "factor", 1.0, low=1.0, high=10.0)
    learn: float = share("weight of a noticed discount in the remembered one", 0.0)
    forget: float = share("share of the remembered discount that fades in a period", 0.0)


class NeedDynamics(Part):
    """Needs, browsing and answers (equations 15, 16, 18 and 26)."""

    decay: float = share("share of a need that lasts to the next period", 0.0)
    satisfaction: float = share("share of a need that a purchase meets", 1.0)
    start: float = share("mean of a need at acquisition, at most 1/2", 0.0)
    excitation: dict[str, dict[str, Number]] = table(
        "excitation.massage.acupuncture = 0.5: how an awake massage need excites acupuncture, >= 0",
        "factor on the arrival rate",
    )
    signal_false: float = probability("browsing signal without need", 0.0)
    signal_true: float = probability("browsing signal at full need", 0.0)
    signal_memory: float = share("memory of the smoothed signal in the records", 0.7)
    answer_noise: float = share("half-width of the noise in an answer", 0.0)


class Awareness(Part):
    """The funnel (equation 17)."""

    start: float = share("awareness at acquisition", 0.0)
    decay: float = share("share of awareness that lasts to the next period", 1.0)
    by_information: float = share("rise by noticed, fully matching information", 0.0)
    by_purchase: float = share("rise by a purchase", 0.0)


class Attention(Part):
    """Fatigue and opting out (equations 1, 5 and 13)."""

    fatigue_decay: float = value("phi, share of fatigue that lasts", "share", 0.0, low=0, below=1)
    relief: float = share("share of the intrusion that full relevance takes away", 0.0)
    opt_out_scale: float = share("scale of opting out; 0 is off", 0.0)
    opt_out_base: float = log_odds("opting out at rest, given a noticed contact")
    opt_out_by_strain: float = coefficient("effect of f / tau")
    opt_out_by_loyalty: float = coefficient("effect of loyalty")


class Relationship(Part):
    """Loyalty (equation 12)."""

    drift: float = share("pull to the baseline in a period", 0.0)
    by_purchase: float = share("gain by a purchase", 0.0)
    by_solution: float = share("gain by a solved problem", 0.0)
    by_care: float = share("gain by noticed care or reward", 0.0)
    by_information: float = share("gain by noticed, relevant information", 0.0)
    by_irrelevance: float = share("loss by irrelevant contact of intrusiveness 1", 0.0)
    by_pressure: float = share("loss by full pressure on an open basket", 0.0)
    by_problem: float = share("loss by an open problem", 0.0)
    by_silence: float = share("loss by a visit that nobody answers", 0.0)
    by_volunteering: float = share("gain by volunteering", 0.0)


class Leaving(Part):
    """Churn (equations 19-21)."""

    period_scale: float = share("scale of leaving per period; 0 is off", 0.0)
    period_base: float = log_odds("log-odds per period, added to h")
    purchase_scale: float = share("scale of leaving after each purchase; 0 is off", 0.0)
    purchase_base: float = log_odds("log-odds after a purchase, added to h")
    by_loyalty: float = coefficient("effect of loyalty above 1/2")
    by_strain: float = coefficient("effect of f / tau")
    by_problem: float = coefficient("effect of an open problem")
    by_wake_up: float = coefficient("effect of contact with the disloyal")
    by_retention: float = coefficient("log-odds taken away by an accepted retention offer")


class Contract(Part):
    """Contracts (equation 30). With a contract, leaving is observed and ends the journey."""

    enabled: bool = Field(default=False, description="customers have a contract", strict=True)
    commitment: int = periods("first commitment; customers start somewhere within it", 1, low=1)
    renewal: int = periods("commitment after a silent renewal; 1 is rolling", 1, low=1)
    recommitment: int = periods("commitment after an accepted retention offer", 1, low=1)
    recurring_margin: float = money("margin per period", 0.0)


class Service(Part):
    """Problems, visits and baskets (equations 22-24)."""

    problem_hazard: float = value("problems per period", "probability", 0.0, low=0, high=1)
    problem_end: float = probability("an open problem ends by itself", 0.0)
    complain: float = probability("an open problem is told, per period", 0.0)
    visit_scale: float = share("scale of inbound visits; 0 is off", 0.0)
    visit_base: float = log_odds("log-odds of a visit")
    visit_by_need: float = coefficient("effect of the strongest need")
    visit_by_problem: float = coefficient("effect of an open problem")
    visit_by_loyalty: float = coefficient("effect of loyalty above 1/2")
    appointment: float = probability("who bought comes in next period, at least", 0.0)
    basket_rate: float = share("rate of abandoned baskets at full need", 0.0)
    basket_periods: int = periods("periods for which a basket stays open", 2, low=1)


class Pipeline(Part):
    """Prospects on their way to a large purchase (equations 39-41); everybody begins as one."""

    stages: int = periods("stages from lead to closing; 0 is off", 0, high=100)
    by_stage: float = coefficient("utility that each missing stage takes from staged needs")
    scale: float = share("scale of advancing; 0 is off", 0.0)
    base: float = log_odds("log-odds of advancing a stage in a period")
    by_need: float = coefficient("effect of the strongest staged need")
    by_contact: float = coefficient("effect of a noticed, relevant contact of strength 1")
    cool: float = probability("an uncontacted prospect falls back a stage", 0.0)
    lead_cost: float = money("cost of a lead, paid in its first period", 0.0)


class Volunteering(Part):
    """Time given instead of money (equation 42)."""

    scale: float = share("scale of volunteering; 0 is off", 0.0)
    base: float = log_odds("log-odds of volunteering in a period")
    by_loyalty: float = coefficient("effect of loyalty above 1/2")
    by_invitation: float = coefficient("effect of a noticed invitation of strength 1")
    value: float = money("what a period of volunteering is worth", 0.0)


class Engagement(Part):
    """Contact policy over all channels, and the meaning of "recent" in the rules."""

    total_cap: int = periods("outbound contacts allowed within the window", 32, high=32)
    total_window: int = periods("length of that window", 1, low=1, high=32)
    recent_purchase: int = periods("a purchase counts as recent for so long", 2)
    recent_answer: int = periods("an answer counts as recent for so long", 8)
    renewal_window: int = periods("a renewal counts as near so long before", 2)
