"""Building blocks of the scenario schema: fields with a unit, and distributions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict


class Part(BaseModel):
    """A frozen part of a scenario; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def value(
    meaning: str,
    unit: str,
    default: float | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A number with a meaning, a unit and a range; without a default it must be given.

    It is strict: neither ``"0.5"`` nor ``true`` is a number.
    """
    limits = {"ge": low, "le": high, "gt": above, "lt": below}
    given: dict[str, Any] = {name: x for name, x in limits.items() if x is not None}
    text = f"{meaning} [{unit}]"
    extra: dict[str, Any] = {"unit": unit}
    if default is None:
        return Field(description=text, json_schema_extra=extra, strict=True, **given)
    return Field(default, description=text, json_schema_extra=extra, strict=True, **given)


def table(meaning: str, unit: str) -> Any:
    """A table of numbers by name, with their meaning and unit; empty by default."""
    return Field(
        default_factory=dict, description=f"{meaning} [{unit}]", json_schema_extra={"unit": unit}
    )


Number = Annotated[float, Strict()]
"""A number in a table; the ranges of tables are checked in ``consistency.py``."""


def probability(meaning: str, default: float | None = None) -> Any:
    """A number in [0, 1]."""
    return value(meaning, "probability", default, low=0.0, high=1.0)


def share(meaning: str, default: float | None = None) -> Any:
    """A share in [0, 1]; 0 switches the mechanism off."""
    return value(meaning, "share", default, low=0.0, high=1.0)


def coefficient(meaning: str, default: float = 0.0) -> Any:
    """A coefficient >= 0 on a utility or on log-odds; 0 switches the mechanism off."""
    return value(meaning, "utility", default, low=0.0, high=50.0)


def log_odds(meaning: str, default: float = 0.0) -> Any:
    """An intercept on log-odds or utility."""
    return value(meaning, "log-odds", default, low=-50.0, high=50.0)


def money(meaning: str, default: float | None = None) -> Any:
    """An amount of money, >= 0."""
    return value(meaning, "currency", default, low=0.0, high=1e9)


def periods(meaning: str, default: int | None = None, *, low: int = 0, high: int = 10_000) -> Any:
    """A whole number of periods."""
    return value(meaning, "periods", default, low=low, high=high)


def family_name() -> Any:
    """The field that says which distribution it is."""
    return Field(description="family of the distribution")


class Constant(Part):
    """The same value for everybody."""

    family: Literal["constant"] = family_name()
    value: float = value("the value", "as the trait", low=-1e9, high=1e9)


class Gamma(Part):
    """Gamma distribution with mean ``shape / rate``."""

    family: Literal["gamma"] = family_name()
    shape: float = value("shape", "1", above=0.0, high=1e6)
    rate: float = value("rate", "1/unit of the trait", low=1e-9, high=1e9)


class InverseGamma(Part):
    """Distribution of ``scale / G`` with ``G`` gamma of this shape and rate 1.

    Its mean is ``scale / (shape - 1)``, its upper tail that of a power ``-shape``: a few customers
    who spend very much. Below a shape of 1 there would be no mean.
    """

    family: Literal["inverse_gamma"] = family_name()
    shape: float = value("shape", "1", above=1.0, high=1e6)
    scale: float = value("scale", "as the trait", low=1e-9, high=1e9)


class LogNormal(Part):
    """Log-normal distribution."""

    family: Literal["lognormal"] = family_name()
    median: float = value("median", "as the trait", low=1e-9, high=1e9)
    sigma: float = value("standard deviation of the logarithm", "1", low=0.0, high=5.0)


class Beta(Part):
    """Beta distribution on (0, 1) with mean ``a / (a + b)``."""

    family: Literal["beta"] = family_name()
    a: float = value("first shape", "1", above=0.0, high=1e6)
    b: float = value("second shape", "1", above=0.0, high=1e6)


class Normal(Part):
    """Normal distribution; for traits that are utilities or log-odds."""

    family: Literal["normal"] = family_name()
    mean: float = value("mean", "as the trait", low=-50.0, high=50.0)
    sd: float = value("standard deviation", "as the trait", low=0.0, high=50.0)


Distribution = Annotated[
    Constant | Gamma | InverseGamma | LogNormal | Beta | Normal, Field(discriminator="family")
]
"""A distribution of a trait over the customers of a persona."""
