"""Bringing a store up to date from the decision log, after a crash or when the store is new."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from pathlib import Path

from nba_gym.serving.chain import Entry, segments_of
from nba_gym.serving.decider import Made
from nba_gym.serving.decision_log import read_after
from nba_gym.serving.desk import Desk, remember_outcome
from nba_gym.serving.memory import take_back
from nba_gym.serving.store import Changes, Store, open_store

_STRETCH = 2_000
"""Changes that are brought to the store in one transaction."""


def bring_up_to_date(store: Store, folder: Path, desk: Desk) -> int:
    """Tell a store what the log holds and it does not know yet.

    Args:
        store: The store.
        folder: The decision log.
        desk: Whose answers they are; it has not begun to answer.

    Returns:
        How many records it had not known.
    """
    news, told = Changes(), 0
    known = store.applied()
    for entry in read_after(folder, known) if segments_of(folder) else ():
        _take(entry, news, store, desk)
        told += 1
        if len(news) >= _STRETCH:
            store.apply(news)
            news = Changes()
    if news.seq > known:
        store.apply(news)
    return told


def _take(entry: Entry, news: Changes, store: Store, desk: Desk) -> None:
    record, personal = entry.record, entry.personal
    news.seq = record["seq"]
    if record.get("kind") == "decision" and personal is not None:
        news.at = int(datetime.fromisoformat(record["time"]).timestamp())
        desk.remember(Made(record, personal, b64decode(personal["state"])), news)
        return
    if record.get("kind") != "outcome":
        return
    if personal is not None:
        news.at = int(datetime.fromisoformat(record["time"]).timestamp())
        remember_outcome((record, personal), news)
    if not (record["delivered"] or desk.stateless):
        customer = news.decisions.get(record["decision"]) or store.decided(record["decision"])
        if customer is not None:
            take_back(news, customer, record["decision"], store)


def erase_from_store(where: str | Path, customer: str) -> None:
    """Forget a customer in the store of a service that does not run.

    Raises:
        StoreError: If it cannot be used.
    """
    store = open_store(where, None)
    try:
        store.erase(customer)
    finally:
        store.close()
