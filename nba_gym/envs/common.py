"""What the single and the vector environment share: spaces, checks, descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast, overload

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.errors import ActionError, EpisodeError, PolicyError, nearest
from nba_gym.records.features import Feature
from nba_gym.records.ledger import LINES

Observe = Literal["records", "everything"]
LEDGER_TYPE = np.dtype([(line, np.float64) for line in LINES])
"""One row of the ledger; ``info["ledger"]["margin"]`` is a line."""
RENDER_MODES = ("ansi", "rgb_array")


class FeatureTable(Sequence[Feature]):
    """The columns of an observation, in order; prints as a table.

    Args:
        features: The features.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = tuple(features)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [feature.name for feature in self._features]

    @overload
    def __getitem__(self, index: int) -> Feature: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Feature]: ...
    def __getitem__(self, index: int | slice) -> Feature | Sequence[Feature]:
        return self._features[index]

    def __len__(self) -> int:
        return len(self._features)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._features)

    def __repr__(self) -> str:
        width = max(len(feature.name) for feature in self._features)
        lines = [f"{'':>3}  {'name':<{width}}  {'range':<12}  {'unit':<14}  meaning"]
        for i, f in enumerate(self._features):
            span = f"[{f.low:g}, {f.high:g}]"
            lines.append(f"{i:>3}  {f.name:<{width}}  {span:<12}  {f.unit:<14}  {f.meaning}")
        return "\n".join(lines)


def observation_space(features: Sequence[Feature]) -> Any:
    """The box that every observation of one customer lies in."""
    low = np.array([feature.low for feature in features], dtype=np.float32)
    high = np.array([feature.high for feature in features], dtype=np.float32)
    return spaces.Box(low, high, dtype=np.float32)


def check_observe(observe: str) -> bool:
    """Whether the hidden half is to be shown.

    Raises:
        PolicyError: If ``observe`` is neither ``"records"`` nor ``"everything"``.
    """
    if observe not in ("records", "everything"):
        raise PolicyError(f"observe must be 'records' or 'everything', got {observe!r}")
    return observe == "everything"


def check_actions(actions: Any, n: int, n_actions: int) -> NDArray[np.int64]:
    """Actions as integers, checked for type, shape and range.

    Raises:
        ActionError: Naming the rule and the first value that breaks it.
    """
    given = _check_integers("actions", actions, n, n_actions).astype(np.int64, copy=False)
    # a read-only or strided array is another type to Numba, which would compile the call anew
    return given if given.flags.carray else given.copy()


def check_customers(customers: Any, n: int) -> NDArray[np.uint64]:
    """Numbers of customers, checked for type, shape and range.

    Raises:
        ActionError: Naming the rule and the first value that breaks it.
    """
    return _check_integers("customers", customers, n, 2**64).astype(np.uint64)


def _check_integers(name: str, values: Any, n: int, limit: int) -> NDArray[Any]:
    try:
        given = np.asarray(values)
    except (ValueError, OverflowError):  # rows of different lengths, for example
        raise ActionError(f"{name} must have shape ({n},), got {values!r}") from None
    if given.dtype.kind not in "iu":
        raise ActionError(f"{name} must be integers, got {given.dtype} {_first(given)}")
    if given.shape != (n,):
        raise ActionError(f"{name} must have shape ({n},), got {given.shape}")
    if int(given.min()) < 0 or int(given.max()) >= limit:
        wrong = int(np.flatnonzero((given < 0) | (given >= limit))[0])
        raise ActionError(f"{name}[{wrong}] must be in [0, {limit}), got {int(given[wrong])}")
    return given


def check_number(name: str, given: Any, low: int = 0, limit: int = 2**64) -> int:
    """One whole number in ``[low, limit)``: a seed, a customer, a count.

    Raises:
        ActionError: If it is something else.
    """
    whole = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
    number = int(cast(Any, given)) if whole else -1
    if not whole or not low <= number < limit:
        most = "2**64" if limit == 2**64 else limit
        raise ActionError(f"{name} must be a whole number in [{low}, {most}), got {given!r}")
    return number


def check_options(options: Any, known: Sequence[str]) -> dict[str, Any]:
    """Options of a reset; a mistyped one must not be ignored.

    Raises:
        ActionError: If they are no dictionary, or hold an unknown key.
    """
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ActionError(f"options must be a dictionary, got {options!r}")
    given = cast(dict[str, Any], options)
    for key in given:
        if key not in known:
            raise ActionError(f"options must be known, got {key!r}{nearest(str(key), known)}")
    return given


def check_render_mode(mode: Any) -> str | None:
    """How journeys are to be drawn, if at all.

    Raises:
        PolicyError: If it is no render mode.
    """
    if mode is not None and mode not in RENDER_MODES:
        raise PolicyError(f"render_mode must be None, 'ansi' or 'rgb_array', got {mode!r}")
    return cast("str | None", mode)


def check_autoreset(mode: Any) -> AutoresetMode:
    """The autoreset mode meant.

    Raises:
        ActionError: If it is none.
    """
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(repr(one.value) for one in AutoresetMode)
        raise ActionError(f"autoreset_mode must be one of {known}, got {mode!r}") from None


def check_begun(what: str, *, begun: bool) -> None:
    """Check that there is something to look at.

    Raises:
        EpisodeError: Before the first reset.
    """
    if not begun:
        raise EpisodeError(f"{what} must come after reset, got it before the first reset")


def check_running(ended: NDArray[Any], *, begun: bool) -> None:
    """Check that a step is possible.

    Raises:
        EpisodeError: Before the first reset, or when a journey is over.
    """
    check_begun("step", begun=begun)
    if ended.any():
        which = int(np.flatnonzero(ended)[0])
        raise EpisodeError(
            f"step must not follow the end of a journey, got a step after journey {which} ended;"
            " call reset"
        )


def explain_mask(population: AnyPopulation, i: int) -> str:
    """The actions of customer ``i``: which are allowed now, and why not the rest.

    Raises:
        ActionError: If there is no customer of that index.
    """
    check_number("index", i, limit=population.n)
    actions, broken = population.scenario.actions, population.broken_rules(i)
    width = max(len(action.name) for action in actions)
    lines: list[str] = []
    for a, (action, reasons) in enumerate(zip(actions, broken, strict=True)):
        verdict = "allowed" if not reasons else "; ".join(reasons)
        lines.append(f"{a:>3}  {action.name:<{width}}  {verdict}")
    return "\n".join(lines)


def _first(values: NDArray[Any]) -> Any:
    return values.reshape(-1)[0] if values.size else "nothing"
