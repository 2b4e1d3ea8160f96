"""Markov decision problems given as tables: transitions, rewards, a discount factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_gym.errors import ScenarioError

Floats = NDArray[np.float64]
_SUM_ERROR = 1e-9
"""How far probabilities may be from a sum of 1; they are then divided by their sum."""


@dataclass(frozen=True, eq=False)
class TabularProblem:
    """A customer who is in one of S states, and a firm with A actions. Made by ``tabular_problem``.

    Attributes:
        name: What it is called.
        states: Names of the states, S of them.
        actions: Names of the actions, A of them.
        transitions: Probability of the next state, ``(S, A, S)``; each row sums to 1.
        income: What a period earns by state, action and next state, ``(S, A, S)``, in currency.
        costs: What its contact costs, ``(S, A)``, >= 0.
        discount: Discount factor per period, in (0, 1).
        start: Probability of each state at the start, ``(S,)``.
        allowed: Which actions may be taken in a state, ``(S, A)``; at least one in each.
        bought: Next states that tell of a purchase, ``(S,)``.
        source: Where it is from.
    """

    name: str
    states: tuple[str, ...]
    actions: tuple[str, ...]
    transitions: Floats
    income: Floats
    costs: Floats
    discount: float
    start: Floats
    allowed: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    source: str = ""

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.states)

    @property
    def n_actions(self) -> int:
        """Number of actions, A."""
        return len(self.actions)

    @property
    def rewards(self) -> Floats:
        """Expected reward by state and action, ``(S, A)``: income less costs."""
        return (self.transitions * self.income).sum(axis=2) - self.costs

    @property
    def absorbing(self) -> NDArray[np.bool_]:
        """States that are never left and earn nothing whatever is done there, ``(S,)``."""
        here = np.arange(self.n_states)
        stays = (self.transitions[here, :, here] == 1.0) | ~self.allowed
        earns = (self.income[here, :, here] != 0.0) | (self.costs != 0.0)
        return stays.all(axis=1) & ~(earns & self.allowed).any(axis=1)


def tabular_problem(
    transitions: ArrayLike,
    rewards: ArrayLike,
    discount: float,
    *,
    name: str = "tabular",
    states: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    costs: ArrayLike | None = None,
    start: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
    bought: ArrayLike | None = None,
    source: str = "",
) -> TabularProblem:
    """Check tables and make a problem of them; the usual (P, R, gamma).

    Args:
        transitions: P, probability of the next state by state and action, ``(S, A, S)``.
        rewards: R, reward by state and action, ``(S, A)``, or by next state, too, ``(S, A, S)``.
        discount: gamma, in (0, 1).
        name: What the problem is called.
        states: Names of the states; by default their numbers.
        actions: Names of the actions; by default their numbers.
        costs: Costs of contact, ``(S, A)``, where they are not in the rewards already; none by
            default. Reports show them apart.
        start: Probability of each state at the start, ``(S,)``; by default all begin in the first.
        allowed: Which actions may be taken, ``(S, A)``; by default all.
        bought: Next states that tell of a purchase, ``(S,)``, for reports; none by default.
        source: Where the problem is from.

    Raises:
        ScenarioError: Naming the table, its rule and the first value that breaks it.
    """
    p = _table("transitions", transitions)
    if p.ndim != 3 or p.shape[0] != p.shape[2] or 0 in p.shape:
        raise ScenarioError(f"transitions must have shape (S, A, S), got {p.shape}")
    n_states, n_actions, _ = p.shape
    pairs = (n_states, n_actions)
    r = _table("rewards", rewards)
    if r.shape not in (pairs, p.shape):
        raise ScenarioError(f"rewards must have shape {pairs} or {p.shape}, got {r.shape}")
    spent = np.zeros(pairs) if costs is None else _shaped("costs", _table("costs", costs), pairs)
    if (spent < 0.0).any():
        at = _first(spent < 0.0)
        raise ScenarioError(f"costs{list(at)} must be at least 0, got {spent[at]:g}")
    if not 0.0 < discount < 1.0:
        raise ScenarioError(f"discount must be in (0, 1), got {discount:g}")
    first = np.eye(n_states)[0] if start is None else _table("start", start)
    may = _flags("allowed", allowed, pairs, default=True)
    stuck = np.asarray(np.logical_not(may).all(axis=1))
    if stuck.any():
        raise ScenarioError(f"allowed[{_first(stuck)[0]}] must allow at least one action, got none")
    return TabularProblem(
        name=name,
        states=_names("states", states, n_states),
        actions=_names("actions", actions, n_actions),
        transitions=_distributions("transitions", p),
        income=np.broadcast_to(r[:, :, None], p.shape).copy() if r.ndim == 2 else r,
        costs=spent,
        discount=float(discount),
        start=_distributions("start", _shaped("start", first, (n_states,))),
        allowed=may,
        bought=_flags("bought", bought, (n_states,), default=False),
        source=source,
    )


def _first(where: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


def _shaped(name: str, table: Floats, shape: tuple[int, ...]) -> Floats:
    if table.shape != shape:
        raise ScenarioError(f"{name} must have shape {shape}, got {table.shape}")
    return table


def _flags(
    name: str, given: ArrayLike | None, shape: tuple[int, ...], *, default: bool
) -> NDArray[np.bool_]:
    flags: NDArray[Any] = np.full(shape, default) if given is None else np.asarray(given)
    if flags.shape != shape or flags.dtype != np.bool_:
        raise ScenarioError(
            f"{name} must be booleans of shape {shape}, got {flags.dtype} {flags.shape}"
        )
    return flags


def _table(name: str, values: ArrayLike) -> Floats:
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ScenarioError(f"{name} must be a table of numbers, got {values!r}") from None
    if not np.isfinite(table).all():
        at = _first(~np.isfinite(table))
        raise ScenarioError(f"{name}{list(at)} must be finite, got {table[at]}")
    return table


def _distributions(name: str, table: Floats) -> Floats:
    """The table, its last axis divided by its sum, which must be 1 but for rounding."""
    if (table < 0.0).any():
        at = _first(table < 0.0)
        raise ScenarioError(f"{name}{list(at)} must be at least 0, got {table[at]:g}")
    sums = table.sum(axis=-1)
    wrong = np.abs(sums - 1.0) > _SUM_ERROR
    if wrong.any():
        at = _first(wrong)
        where = list(at) if at else ""
        raise ScenarioError(f"{name}{where} must sum to 1, got {float(sums[at]):g}")
    return table / sums[..., None]


def _names(label: str, names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    chosen: tuple[Any, ...] = tuple(map(str, range(n))) if names is None else tuple(names)
    if len(chosen) != n or len(set(chosen)) != n:
        raise ScenarioError(f"{label} must be {n} different names, got {list(chosen)}")
    return chosen
