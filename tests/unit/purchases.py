"""The records of CDNOW and what was fitted to them, read and fitted once."""

from __future__ import annotations

from functools import cache

from nba_gym.calibration import (
    BgNbdErrors,
    BgNbdFit,
    CustomerSummary,
    TransactionLog,
    fit_bg_nbd,
    read_cdnow,
    summarise,
)

# Table 2 of Fader, Hardie & Lee (2005)
PUBLISHED = BgNbdFit(0.243, 4.414, 0.793, 2.426, -9582.4, 2357, BgNbdErrors(0, 0, 0, 0))


@cache
def cdnow() -> TransactionLog:
    return read_cdnow()


@cache
def cdnow_summary() -> CustomerSummary:
    return summarise(cdnow(), calibration_weeks=39)


@cache
def cdnow_fit() -> BgNbdFit:
    summary = cdnow_summary()
    return fit_bg_nbd(summary.frequency, summary.recency, summary.age)
