"""What a study file may say. Unknown keys are errors, and name the nearest known one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from nba_gym.effort import BANDIT, CAMPAIGN, TRIALS, TUNING
from nba_gym.scenario.fields import Number, Part, value

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
AS_IT_IS = "as_it_is"
"""Name of the only variation of a study that asks for none."""


def count(meaning: str, default: int | None = None, least: int = 1) -> Any:
    """A whole number of at least so many."""
    given: dict[str, Any] = {"ge": least, "strict": True, "description": meaning}
    return Field(**given) if default is None else Field(default=default, **given)


def weight(meaning: str) -> Any:
    """A weight in a reward."""
    return value(meaning, "1/unit", 0.0, low=-1e6, high=1e6)


class Effort(Part):
    """What policies are given to learn from and to be tuned with."""

    campaign: int = count("customers of the random campaign that is learned from", CAMPAIGN)
    bandit: int = count("customers that a bandit meets while it learns", BANDIT)
    tuning: int = count("customers on which policies are tuned", TUNING)
    trials: int = count("settings that tuning tries, for each policy", TRIALS)
    watching: int = count("customers behind a learning curve, and what is kept of it", 4_000, 2)


class SomeEffort(Part):
    """Effort that a variation changes; what is not given stays as it is."""

    campaign: int | None = Field(default=None, ge=1, strict=True)
    bandit: int | None = Field(default=None, ge=1, strict=True)
    tuning: int | None = Field(default=None, ge=1, strict=True)
    trials: int | None = Field(default=None, ge=1, strict=True)
    watching: int | None = Field(default=None, ge=2, strict=True)


class Weights(Part):
    """What a period is worth to an agent: the sum of these, each times its weight."""

    profit: float = weight("profit, in currency")
    purchases: float = weight("purchases")
    responses: float = weight("clicks, answers and talks")
    contacts: float = weight("outbound contacts; below 0 where they are to be spared")
    opt_outs: float = weight("channels that the customer closed")
    loyalty: float = weight("change of the loyalty of those who are there, which firms cannot see")


class Agent(Part):
    """An agent: a recipe, what is changed about it, what it sees and what it is rewarded for."""

    recipe: str = Field(
        default="maskable_ppo", description="a file in agents/recipes, or a TOML file"
    )
    changes: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="settings of the recipe that are other"
    )
    everything: bool = Field(default=False, strict=True, description="whether it is privileged")
    reward: Weights | None = Field(
        None, description="what it is to earn; profit alone if not given"
    )
    scenarios: tuple[str, ...] = Field(
        default=(), description="where it takes part; empty for everywhere"
    )


class Changes(Part):
    """How a world differs."""

    set: dict[str, Any] = Field(
        default_factory=dict[str, Any], description='fields: {"leaving.by_loyalty" = 2.0}'
    )
    scale: dict[str, Annotated[float, Field(gt=0.0)]] = Field(
        default_factory=dict[str, float], description="factors on mechanisms, by their names"
    )
    off: tuple[str, ...] = Field(default=(), description="mechanisms that are switched off")
    without: tuple[str, ...] = Field(
        default=(), description="actions that are missing; * for any text"
    )
    drift: dict[str, Number] = Field(
        default_factory=dict[str, float],
        description="traits that move in each period of a journey, on their own scale",
    )


class Variation(Part):
    """One way to ask the question.

    ``world`` holds for all; ``learning`` only where is learned and tuned, ``acting`` only where
    what was learned is judged.
    """

    name: Name = Field(default=AS_IT_IS, description="unique name")
    say: str = Field(default="", description="what it asks, in one line")
    scenarios: tuple[str, ...] = Field(
        default=(), description="where it is asked; empty for everywhere"
    )
    contenders: tuple[str, ...] = Field(
        default=(), description="who takes part; empty for everybody"
    )
    each_off: bool = Field(
        default=False, strict=True, description="one variation for each mechanism, switched off"
    )
    world: Changes = Field(default=Changes(), description="changes for all")
    learning: Changes = Field(default=Changes(), description="changes where is learned")
    acting: Changes = Field(default=Changes(), description="changes where is judged")
    effort: SomeEffort = Field(default=SomeEffort(), description="effort that differs")
    recipe: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="settings that differ in all recipes with them"
    )


class Study(Part):
    """A question, and what is run to answer it."""

    question: str = Field(min_length=1, description="what is asked, in one or two sentences")
    title: str = Field(default="", description="a few words")
    scenarios: tuple[str, ...] = Field(min_length=1, description="preset names or TOML files")
    policies: tuple[str, ...] = Field(default=(), description="names of nba-gym policies")
    agents: dict[Name, Agent] = Field(
        default_factory=dict[str, Agent], description="agents that are trained, by name"
    )
    baseline: tuple[str, ...] = Field(
        ("practice",), description="who differences are taken to: the first that takes part"
    )
    seeds: int = count("training seeds of each agent", 5)
    customers: int = count("held-out customers, the same for all", 10_000, 2)
    effort: Effort = Field(default=Effort(), description="what policies are given")
    variations: tuple[Variation, ...] = Field(default=(Variation(),), description="ways to ask")
