"""Every deliberate exception of nba_gym.

Each message names the field, the rule and the value that broke it, in one line. Every class also
derives from the built-in exception that Python users would expect, so ``except ValueError`` works.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class NbaGymError(Exception):
    """Base class of every error that nba_gym raises on purpose."""


class ScenarioError(NbaGymError, ValueError):
    """A scenario file, preset name or override is not valid."""


class ActionError(NbaGymError, ValueError):
    """An action is out of range, of the wrong shape or type, or not allowed by the mask."""


class EpisodeError(NbaGymError, RuntimeError):
    """An environment was used out of order: stepped before a reset or after its end."""


class DataError(NbaGymError, ValueError):
    """A data file or an event log cannot be used as given."""


class RecordError(DataError):
    """A record of a customer cannot be used: an event, a consent, a history.

    Args:
        field: What is wrong, by the names of the scenario; never text that a caller made up.
        rule: What it must be.
        got: What it is.
    """

    def __init__(self, field: str, rule: str, got: object) -> None:
        super().__init__(f"{field} must be {rule}, got {str(got)[:80]!r}")
        self.field, self.rule, self.got = field, rule, got


class PolicyError(NbaGymError, ValueError):
    """A policy was configured wrongly, or answered with something that is not an action."""


class BundleError(NbaGymError, ValueError):
    """An exported policy folder is incomplete, damaged or made for something else."""


class LogError(NbaGymError, RuntimeError):
    """A decision log cannot be written, or does not hold together."""


class StoreError(NbaGymError, RuntimeError):
    """A store of customers cannot be opened, or belongs to something else."""


class ServiceError(NbaGymError, RuntimeError):
    """The decision service cannot start, or must not answer."""


class RequestError(NbaGymError, ValueError):
    """A request to the decision service cannot be answered as it was asked.

    Args:
        message: Field and rule; never what was sent, for that may be anybody's.
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class CheckpointError(NbaGymError, RuntimeError):
    """A checkpoint cannot be written or read, or belongs to another training."""


class MissingExtraError(NbaGymError, ImportError):
    """An optional dependency is needed and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'nba_gym[{extra}]'")


def check_least(least: float, **numbers: float) -> None:
    """Refuse settings that are too small.

    Args:
        least: The smallest value allowed.
        **numbers: Settings by name.

    Raises:
        PolicyError: For the first that is smaller.
    """
    for name, number in numbers.items():
        if number < least:
            raise PolicyError(f"{name} must be at least {least:g}, got {number:g}")


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint for an error message: the valid name that looks most like a mistyped one.

    Args:
        name: What the user wrote.
        choices: The valid names.

    Returns:
        ``"; did you mean 'retail'?"`` when something is close, else ``"; choose from a, b, c"``.
    """
    known = sorted(choices)
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose from {', '.join(known)}"
