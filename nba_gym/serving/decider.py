"""Deciding for a batch of customers: fold, look, permit, score, choose, and say what to record."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.engagement.rules import compile_rules
from nba_gym.errors import RecordError, RequestError
from nba_gym.lanes import LANES
from nba_gym.records.places import KEPT
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.choosing import Asked, Catalogue, Chosen, catalogue_of, choose
from nba_gym.serving.contents import FORBIDDEN
from nba_gym.serving.events import Records, Seen
from nba_gym.serving.histories import Histories
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.memory import MARK, mark_of
from nba_gym.serving.records import moment, new_id, number_or_none, pack_bytes
from nba_gym.serving.requests import Question

_SEAL = 16
"""Bytes of the seal on a history that a caller keeps."""


@dataclass(frozen=True, slots=True)
class Made:
    """One decision that has been made and not recorded yet.

    Attributes:
        record: What the chain is to hold.
        personal: What is personal of it.
        state: What to remember of the customer: which decision contacts in this period, if any,
            and the folded history.
    """

    record: dict[str, Any]
    personal: dict[str, Any]
    state: bytes


class Decider:
    """Decides for customers of one world; for one thread at a time.

    Args:
        scenario: The world.
        generator: Whom exploration is drawn from.
        secret: What histories that callers keep are sealed with.
    """

    def __init__(self, scenario: Scenario, generator: np.random.Generator, secret: bytes) -> None:
        self.records = Records(scenario)
        self.rules = compile_rules(scenario)
        self.catalogue: Catalogue = catalogue_of(scenario)
        visiting = KEPT.places["visiting"].absolute(scenario.n_needs, scenario.n_channels)
        self._visiting = visiting[0] // LANES
        self._generator = generator
        self._secret = secret

    def decide(
        self, questions: list[Question], states: list[bytes | None], lineup: Lineup, at: float
    ) -> list[Made | RequestError]:
        """Decide, each customer once.

        Args:
            questions: What is asked; no customer twice.
            states: What is remembered of each customer, None of whoever is new.
            lineup: Who decides.
            at: Time, in seconds since 1970.

        Returns:
            A decision each, or why there is none.
        """
        histories, marks, wrong = self._fold(questions, states)
        answers: list[Made | RequestError] = []
        good = [i for i, error in enumerate(wrong) if error is None]
        if good:
            chosen = [questions[i] for i in good]
            fine = Histories(histories.kept[good], histories.bits[good])
            answers += self._decide(chosen, fine, marks[good], lineup, at)
        for i, error in enumerate(wrong):
            if error is not None:
                answers.insert(i, error)
        return answers

    def seal(self, customer: str, state: bytes) -> str:
        """A state as a text that only this service can have written, for one customer."""
        return urlsafe_b64encode(self._seal_of(customer, state) + state).decode()

    def unseal(self, customer: str, token: str) -> bytes:
        """The reverse.

        Raises:
            RequestError: If it was not written here, or for somebody else.
        """
        try:
            raw = urlsafe_b64decode(token)
        except NotBase64:
            raw = b""
        seal, state = raw[:_SEAL], raw[_SEAL:]
        if not hmac.compare_digest(seal, self._seal_of(customer, state)):
            raise RequestError("history must be one that an answer gave for the same customer")
        return state

    def _seal_of(self, customer: str, state: bytes) -> bytes:
        digest = hmac.new(self._secret, customer.encode() + b"\n" + state, hashlib.sha256).digest()
        return digest[:_SEAL]

    def _fold(
        self, questions: list[Question], states: list[bytes | None]
    ) -> tuple[Histories, NDArray[np.uint8], list[RequestError | None]]:
        """Histories with the events asked about, marks of decided contacts, what is wrong."""
        wrong: list[RequestError | None] = [None] * len(questions)
        marks = np.zeros((len(questions), MARK), dtype=np.uint8)
        kept = [None if state is None else state[MARK:] for state in states]
        before = self._read(kept, wrong)
        for i, (question, state) in enumerate(zip(questions, states, strict=True)):
            told = max(int(before.kept[i, 0]), 0)
            if question.period is not None and question.period != told:
                wrong[i] = RequestError(
                    f"period must be the number of periods told of before ({told})", 409
                )
            if state is not None and not len(question.events):
                marks[i] = np.frombuffer(state[:MARK], dtype=np.uint8)
        births = np.stack([question.birth for question in questions])
        events = [question.events for question in questions]
        consent = np.array([question.consent for question in questions], dtype=np.float32)
        try:
            after = self.records.fold(births, events, before=before, consent=consent)
        except RecordError:
            after = self._fold_one_by_one(births, events, before, consent, wrong)
        return after, marks, wrong

    def _read(self, kept: list[bytes | None], wrong: list[RequestError | None]) -> Histories:
        """Histories from their bytes; one that cannot be read is its own customer's trouble."""
        form = self.records.form
        try:
            return form.read_many(kept)
        except RecordError:
            readable = list(kept)
            for i, each in enumerate(kept):
                try:
                    form.read_many([each])
                except RecordError as error:
                    wrong[i], readable[i] = RequestError(f"history must be {error.rule}", 409), None
            return form.read_many(readable)

    def _fold_one_by_one(
        self,
        births: NDArray[np.float64],
        events: list[NDArray[np.float64]],
        before: Histories,
        consent: NDArray[np.float32],
        wrong: list[RequestError | None],
    ) -> Histories:
        """Fold where some customer's events cannot have come about, and note whose."""
        after = before.copy()
        for i in range(len(events)):
            row = slice(i, i + 1)
            one = Histories(before.kept[row], before.bits[row])
            try:
                folded = self.records.fold(
                    births[row], events[row], before=one, consent=consent[row]
                )
            except RecordError as error:
                wrong[i] = RequestError(f"{error.field} must be {error.rule} after these events")
            else:
                after.kept[row], after.bits[row] = folded
        return after

    def _look(self, histories: Histories, channel: NDArray[np.int64]) -> Seen:
        """What is known and allowed now, with the customers where they say they are."""
        here = histories.copy()
        here.kept[:, self._visiting] = np.where(
            channel > 0, channel, histories.kept[:, self._visiting]
        )
        return self.records.look(here)

    def _decide(
        self,
        questions: list[Question],
        histories: Histories,
        marks: NDArray[np.uint8],
        lineup: Lineup,
        at: float,
    ) -> list[Made | RequestError]:
        contacted: NDArray[np.bool_] = np.any(marks > 0, axis=1)
        asked = Asked(
            consent=np.array([question.consent for question in questions], dtype=np.bool_),
            channel=np.array([question.channel for question in questions], dtype=np.int64),
            outbound=np.array([question.asking != "inbound" for question in questions]),
            inbound=np.array([question.asking != "outbound" for question in questions]),
            contacted=contacted,
        )
        seen = self._look(histories, asked.channel)
        challenged = lineup.challenged([question.customer for question in questions])
        chosen, masks, scores, values = decide_rows(
            self.catalogue, lineup, seen, asked, challenged, self._generator
        )
        contacts = self.catalogue.outbound[chosen.actions]
        tenure = histories.tenure()
        made: list[Made | RequestError] = []
        time, policies = moment(at), (lineup.champion, lineup.challenger or lineup.champion)
        told = (masks.tolist(), scores.tolist(), chosen.propensities.tolist(), values.tolist())
        for i, (question, mask, by_action, chances, value) in enumerate(
            zip(questions, *told, strict=True)
        ):
            decision = new_id(at)
            mark = mark_of(decision) if contacts[i] else marks[i].tobytes()
            state = mark + self.records.form.write(histories, i)
            record = {
                "kind": "decision",
                "id": decision,
                "time": time,
                "policy": policies[int(challenged[i])].digest,
                "arm": "challenger" if challenged[i] else "champion",
                "asking": question.asking,
                "action": int(chosen.actions[i]),
                "explored": bool(chosen.explored[i]),
                "mask": mask,
                "scores": [
                    score if may else None for score, may in zip(by_action, mask, strict=True)
                ],
                "propensities": chances,
                "value": number_or_none(value),
            }
            personal = {
                "customer": question.customer,
                "key": question.key,
                "request": question.request,
                "period": int(tenure[i]),
                "consent": question.consent,
                "channel": question.channel,
                "contacted": bool(contacted[i]),
                "conditions": int(seen.conditions[i]),
                "features": pack_bytes(seen.observations[i]),
                "state": pack_bytes(state),
            }
            made.append(Made(record, personal, state))
        return made


def decide_rows(
    catalogue: Catalogue,
    lineup: Lineup,
    seen: Seen,
    asked: Asked,
    challenged: NDArray[np.bool_],
    generator: np.random.Generator,
) -> tuple[Chosen, NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Decide for rows of features: permit first, then score, then choose.

    Args:
        catalogue: The actions.
        lineup: Who decides.
        seen: What the records show and the engagement rules allow.
        asked: What is wanted, and of whom.
        challenged: Whether the challenger decides, ``(n,)``.
        generator: Whom exploration is drawn from.

    Returns:
        Decisions, what was permitted, scores and values.

    Raises:
        ServiceError: If a decision would contact somebody without consent.
    """
    masks = catalogue.permitted(seen.masks, asked)
    scores, values = lineup.score(challenged, seen.observations, masks)
    masks = masks * (scores > FORBIDDEN)  # what a policy's own cap closes is not explored either
    chosen = choose(scores, masks, lineup.epsilon, generator.random(len(masks)))
    catalogue.check_contacts(chosen.actions, asked.consent)
    return chosen, masks, scores, values
