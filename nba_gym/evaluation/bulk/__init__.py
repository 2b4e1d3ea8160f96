"""Millions of customers: totals in bounded memory, and an event log that is written as it comes."""

from nba_gym.evaluation.bulk.run import Bulk, simulate
from nba_gym.evaluation.bulk.totals import Totals

__all__ = ["Bulk", "Totals", "simulate"]
