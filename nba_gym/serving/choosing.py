"""From scores to a decision: what may be done at all, who decides, and with what probability."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import ServiceError
from nba_gym.policies.limits import mix_in
from nba_gym.policies.simple import draw_actions
from nba_gym.scenario.schema import Scenario

Flags = NDArray[np.bool_]


class Asked(NamedTuple):
    """What some callers want to know, one row a customer.

    Attributes:
        consent: Whether each channel may be used, ``(n, n_channels)``.
        channel: Inbound channel the customer is on, from 1; 0 is as recorded, ``(n,)``.
        outbound: Whether actions of the firm's own accord are asked for, ``(n,)``.
        inbound: Whether answers to a customer who is here are asked for, ``(n,)``.
        contacted: Whether a contact was decided in this period already, ``(n,)``.
    """

    consent: Flags
    channel: NDArray[np.int64]
    outbound: Flags
    inbound: Flags
    contacted: Flags


class Chosen(NamedTuple):
    """Decisions, one row a customer.

    Attributes:
        actions: What was decided, ``(n,)``.
        propensities: Probability with which each action could have been decided,
            ``(n, n_actions)``; rows sum to 1.
        explored: Whether it was drawn and is not what the policy would have done, ``(n,)``.
    """

    actions: NDArray[np.int64]
    propensities: NDArray[np.float64]
    explored: Flags


@dataclass(frozen=True)
class Catalogue:
    """What a service has to know of the actions of a world.

    Attributes:
        names: Name of each action.
        channels: Index of the channel of each action, -1 for waiting, ``(n_actions,)``.
        outbound: Actions that contact the customer of the firm's own accord, ``(n_actions,)``.
        channel_names: Name of each channel.
        period: What a period is called.
    """

    names: tuple[str, ...]
    channels: NDArray[np.int64]
    outbound: Flags
    channel_names: tuple[str, ...]
    period: str

    def permitted(self, masks: NDArray[np.int8], asked: Asked) -> NDArray[np.int8]:
        """What may be decided, ``(n, n_actions)``: never a contact without consent.

        The engagement rules have their say in the masks already. Consent is looked at again here,
        straight from what was asked, whatever the records and the masks made of it.

        Args:
            masks: What the engagement rules allow, ``(n, n_actions)``.
            asked: What is wanted, and of whom.
        """
        consented = asked.consent[:, np.maximum(self.channels, 0)]
        contact = consented & (asked.outbound & ~asked.contacted)[:, None]
        here = (asked.channel == 0)[:, None] | (self.channels + 1 == asked.channel[:, None])
        answer = here & asked.inbound[:, None]
        fits = np.where(self.outbound, contact, answer)
        fits[:, 0] = True  # waiting always may be decided
        return ((masks > 0) & fits).astype(np.int8)

    def check_contacts(self, actions: NDArray[np.int64], consent: Flags) -> None:
        """Refuse to let out a decision to contact somebody without consent.

        Raises:
            ServiceError: If there is one, which would be a fault of this program.
        """
        given = consent[np.arange(len(actions)), np.maximum(self.channels[actions], 0)]
        if bool(np.any(self.outbound[actions] & ~given)):
            raise ServiceError("a decision must not contact anybody without consent, got one")

    def reasons_beside_rules(self, action: int, asking: str, channel: int, contacted: bool) -> str:
        """Why an action was not to be had besides the engagement rules; empty if it was."""
        if self.channels[action] < 0:
            return ""
        if self.outbound[action]:
            if asking == "inbound":
                return "asked for: an answer in the channel that the customer is on"
            done = f"contact policy: a contact was decided in this {self.period} already"
            return done if contacted else ""
        if asking == "outbound":
            return "asked for: contacts of the firm's own accord"
        elsewhere = channel > 0 and self.channels[action] + 1 != channel
        here = self.channel_names[channel - 1]
        return f"asked for: an answer on {here}" if elsewhere else ""


def catalogue_of(scenario: Scenario) -> Catalogue:
    """The catalogue of a world."""
    channels = {channel.name: i for i, channel in enumerate(scenario.channels)}
    places = [-1 if a.kind == "wait" else channels[a.channel] for a in scenario.actions]
    outbound = [i >= 0 and scenario.channels[i].direction == "outbound" for i in places]
    return Catalogue(
        names=tuple(action.name for action in scenario.actions),
        channels=np.array(places, dtype=np.int64),
        outbound=np.array(outbound, dtype=np.bool_),
        channel_names=tuple(channels),
        period=scenario.period,
    )


def choose(
    scores: NDArray[Any], masks: NDArray[np.int8], epsilon: float, luck: NDArray[np.float64]
) -> Chosen:
    """Decide: the best score, or now and then one of what is allowed, drawn to learn from.

    Args:
        scores: What the policy says of each action, ``(n, n_actions)``.
        masks: What may be decided, ``(n, n_actions)``; waiting always may.
        epsilon: Probability of drawing, in [0, 1].
        luck: Uniform numbers in (0, 1), ``(n,)``.
    """
    best = np.argmax(np.where(masks > 0, scores, -np.inf), axis=1)
    propensities = mix_in(best, masks, epsilon)
    actions = draw_actions(propensities, luck)
    return Chosen(actions, propensities, actions != best)


def share_of(customer: str, salt: str) -> float:
    """Where a customer falls in [0, 1), always at the same place for the same salt."""
    digest = hashlib.sha256(f"{salt}\n{customer}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2.0**64
