"""The schema of a scenario: every number of a world, with its unit, range and meaning.

A scenario file is TOML with these keys. ``json_schema()`` exports the schema for editors.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from nba_gym.lanes import MAX_CHANNELS, MAX_NEEDS
from nba_gym.scenario.fields import (
    Beta,
    Constant,
    Distribution,
    Gamma,
    InverseGamma,
    LogNormal,
    Normal,
    Number,
    Part,
    coefficient,
    money,
    periods,
    probability,
    share,
    table,
    value,
)
from nba_gym.scenario.mechanisms import (
    Attention,
    Awareness,
    Contract,
    Engagement,
    Leaving,
    NeedDynamics,
    Pipeline,
    Price,
    Purchase,
    Relationship,
    Service,
    Volunteering,
)
from nba_gym.scenario.tables import Tabular

__all__ = [
    "Action",
    "Beta",
    "Channel",
    "Constant",
    "Distribution",
    "Gamma",
    "InverseGamma",
    "LogNormal",
    "Need",
    "Normal",
    "Persona",
    "Scenario",
    "json_schema",
]

Kind = Literal["wait", "inform", "offer", "service", "reward", "ask", "retain", "invite"]


class Need(Part):
    """Something customers want from time to time, and what serving it earns."""

    name: str = Field(description="unique name", pattern=r"^[a-z][a-z0-9_]*$")
    price: float = value(
        "list price relative to the customer's spend level", "factor", 1.0, above=0, high=1e6
    )
    margin: float = share("margin at list price, as a share of it")
    season_utility: float = coefficient("amplitude of the season in the utility")
    season_arrival: float = value("amplitude of the season in arrivals", "log", 0.0, low=0, high=10)
    season_peak: float = value("period of the year with the peak", "periods", 0.0, low=0, high=1000)
    staged: bool = Field(default=False, description="bought through the pipeline", strict=True)
    for_owners: bool = Field(
        default=False, description="bought only by who has bought something before", strict=True
    )
    quota: int = periods("calls to action on it that a customer may get in the window", 32, high=32)
    quota_window: int = periods("length of that window", 1, low=1, high=32)


class Channel(Part):
    """A way to speak with a customer."""

    name: str = Field(description="unique name", pattern=r"^[a-z][a-z0-9_]*$")
    direction: Literal["outbound", "inbound"] = Field(description="who starts the contact")
    cost: float = money("cost of one contact", 0.0)
    reach: float = probability("share of contacts that can be noticed at all", 1.0)
    intrusiveness: float = value("fatigue put on by one contact", "fatigue", 0.0, low=0, high=10)
    response: float = probability("response to a noticed, irrelevant contact", 0.0)
    response_relevance: float = probability("response added by full relevance", 0.0)
    opt_in: float = probability("share of new customers who permit contact", 1.0)
    cap: int = periods("contacts allowed within the window", 32, high=32)
    window: int = periods("length of the window of the cap", 1, low=1, high=32)
    pause_after: int = periods("ignored contacts in a row that start a pause", 10_000, low=1)
    pause: int = periods("length of the pause", 0)
    visit_share: float = share("share of the inbound visits that come here", 0.0)


class Action(Part):
    """A row of the catalogue: Issue > Group > Action > Treatment > Channel."""

    name: str = Field(description="unique name", pattern=r"^[a-z][a-z0-9_]*$")
    issue: str = Field(default="", description="business issue, e.g. Sales")
    group: str = Field(default="", description="group within the issue, e.g. Shoes")
    kind: Kind = Field(description="what the action does")
    channel: str = Field(default="", description="name of the channel; empty for waiting")
    needs: dict[str, Number] = table("how much the action speaks to each need, in [0, 1]", "share")
    discount: float = value("discount offered", "share of list price", 0.0, low=0.0, high=0.99)
    ask_amount: float = value(
        "amount asked for, relative to the usual one", "factor", 1.0, above=0, high=100
    )
    cost: float = money("cost of the contact beyond the channel's", 0.0)
    fulfil_cost: float = money("cost when the customer responds", 0.0)
    strength: float = share(
        "strength of information, care, reward, service or invitation, and in the pipeline", 1.0
    )
    pressure: float = share("pressure put on the customer", 0.0)
    intrusiveness: float = value(
        "factor on the channel's intrusiveness", "factor", 1.0, low=0, high=100
    )
    lever: float = value("business weight used by arbitration", "factor", 1.0, low=0, high=1e6)
    valid: tuple[int, int] | None = Field(
        default=None,
        description="first and last period of the year in which the action may be used [periods]",
        json_schema_extra={"unit": "periods"},
    )
    eligibility: tuple[str, ...] = Field(default=(), description="rules of law and ownership")
    applicability: tuple[str, ...] = Field(default=(), description="rules of being relevant now")
    suitability: tuple[str, ...] = Field(
        default=(), description="rules of being good for the customer"
    )


class Traits(Part):
    """How traits are distributed over customers; a persona may replace any of them."""

    price_sensitivity: Distribution = Field(description="psi > 0")
    tolerance: Distribution = Field(description="tau > 0, contact tolerance")
    baseline_loyalty: Distribution = Field(description="lbar in (0, 1)")
    purchase: Distribution = Field(
        description="b: gamma = purchase rate, beta or constant = purchase probability, normal = b"
    )
    leaving: Distribution = Field(
        description="h: beta or constant = leaving probability, gamma = rate, normal = log-odds"
    )
    spend: Distribution = Field(description="m > 0, mean list value of a purchase")
    attention: dict[str, Distribution] = Field(
        default_factory=dict[str, Distribution],
        description="alpha_c in (0, 1), by outbound channel",
    )
    arrival: dict[str, Distribution] = Field(
        default_factory=dict[str, Distribution], description="beta_k >= 0 per period, by need"
    )


def own_trait() -> Any:
    """A trait that a persona may have otherwise than the rest."""
    return Field(default=None, description="instead of the trait of the same name for everybody")


class PersonaTraits(Part):
    """The traits that a persona has otherwise than the rest."""

    price_sensitivity: Distribution | None = own_trait()
    tolerance: Distribution | None = own_trait()
    baseline_loyalty: Distribution | None = own_trait()
    purchase: Distribution | None = own_trait()
    leaving: Distribution | None = own_trait()
    spend: Distribution | None = own_trait()
    attention: dict[str, Distribution] = Field(
        default_factory=dict[str, Distribution],
        description="alpha_c where it differs, by outbound channel",
    )
    arrival: dict[str, Distribution] = Field(
        default_factory=dict[str, Distribution], description="beta_k where it differs, by need"
    )


class Persona(Part):
    """A kind of customer."""

    name: str = Field(description="unique name", pattern=r"^[a-z][a-z0-9_]*$")
    share: float = share("share of the customers")
    traits: PersonaTraits = Field(default_factory=PersonaTraits, description="traits that differ")


class Scenario(Part):
    """A world: its time, its customers, its actions and its mechanisms."""

    name: str = Field(description="unique name", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(description="one line for people")
    description: str = Field(default="", description="what the world represents")
    version: int = value("goes up when released journeys change", "count", 0, low=0)
    period: Literal["day", "week", "month", "year"] = Field(description="length of one step")
    cycle: int = periods("length of the year", low=1, high=1000)
    horizon: int = periods("periods after which a journey is cut off", low=1, high=100_000)
    discount: float = value("discount factor", "per period", above=0.0, high=1.0)
    currency: str = Field("EUR", description="name of the currency")
    spread_start: bool = Field(
        default=True, description="customers arrive all year round, or at period 0", strict=True
    )

    needs: tuple[Need, ...] = Field(description="what customers want")
    channels: tuple[Channel, ...] = Field(description="ways to speak with them")
    actions: tuple[Action, ...] = Field(description="the catalogue; the first must be waiting")
    personas: tuple[Persona, ...] = Field(description="kinds of customers; shares sum to 1")
    traits: Traits = Field(description="distributions of the traits")

    purchase: Purchase = Field(default_factory=Purchase, description="buying")
    price: Price = Field(default_factory=Price, description="price memory")
    need_dynamics: NeedDynamics = Field(default_factory=NeedDynamics, description="needs")
    awareness: Awareness = Field(default_factory=Awareness, description="the funnel")
    attention: Attention = Field(default_factory=Attention, description="fatigue, opting out")
    relationship: Relationship = Field(default_factory=Relationship, description="loyalty")
    leaving: Leaving = Field(default_factory=Leaving, description="churn")
    contract: Contract = Field(default_factory=Contract, description="contracts")
    service: Service = Field(default_factory=Service, description="problems, visits, baskets")
    pipeline: Pipeline = Field(default_factory=Pipeline, description="prospects and stages")
    volunteering: Volunteering = Field(default_factory=Volunteering, description="giving time")
    engagement: Engagement = Field(default_factory=Engagement, description="engagement policy")
    enumerable: bool = Field(
        default=False,
        description="few enough states to list them all: the optimum is known exactly",
        strict=True,
    )
    tabular: Tabular | None = Field(
        default=None, description="tables that take the place of all mechanisms"
    )

    @property
    def n_needs(self) -> int:
        """Number of needs, K."""
        return len(self.needs)

    @property
    def n_channels(self) -> int:
        """Number of channels, C."""
        return len(self.channels)

    @property
    def channel_of_action(self) -> list[int]:
        """Number of the channel of each action; -1 where it has none, as waiting."""
        names = [channel.name for channel in self.channels]
        return [names.index(action.channel) if action.channel else -1 for action in self.actions]

    @property
    def n_actions(self) -> int:
        """Number of actions, A, waiting included."""
        return len(self.actions)

    @property
    def is_seasonal(self) -> bool:
        """Whether anything depends on the period of the year."""
        moving = any(need.season_utility or need.season_arrival for need in self.needs)
        return moving or any(action.valid for action in self.actions)

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        from nba_gym.scenario.consistency import check_consistency

        check_consistency(self)
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors (``nba-gym schema > scenario.json``).

    A file that extends another is checked for what it gives, not for what it leaves out.
    """
    schema = Scenario.model_json_schema()
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "preset or .toml file that this scenario changes",
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]
    schema["$comment"] = f"at most {MAX_NEEDS} needs and {MAX_CHANNELS} channels"
    return schema
