"""Fitting models of customer heterogeneity to real transactions.

A log of transactions is summarised per customer, and each model has a module of its own with one
function that fits it and one frozen result::

    summary = summarise(read_cdnow(), calibration_weeks=39)
    purchases = fit_bg_nbd(summary.frequency, summary.recency, summary.age)
    spend = fit_gamma_gamma(summary.frequency, summary.mean_spend)

Purchases at any time are BG/NBD (a customer may leave after a purchase) or Pareto/NBD (at any
moment); purchases at discrete opportunities BG/BB; contracts that are renewed or cancelled sBG.

What contacts do is fitted to a log of contacts drawn by lot (``effects``).

A further model is a further module: it checks its columns with ``inputs``, groups equal rows,
writes down the log-likelihood of one customer of each group and hands it to
``likelihood.maximise``.
"""

from nba_gym.calibration.bg_bb import BgBbErrors, BgBbFit, fit_bg_bb
from nba_gym.calibration.bg_nbd import BgNbdErrors, BgNbdFit, fit_bg_nbd
from nba_gym.calibration.cohort import Cohort, opportunity_cohort, weekly_cohort
from nba_gym.calibration.contacts import ContactLog, contact_log, read_contacts
from nba_gym.calibration.datasets import read_cdnow, read_donations
from nba_gym.calibration.effects import fit_effects
from nba_gym.calibration.effects_fit import Effect, EffectsFit, Rate
from nba_gym.calibration.gamma_gamma import GammaGammaErrors, GammaGammaFit, fit_gamma_gamma
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.inputs import OpportunityHistory
from nba_gym.calibration.own_records import Calibration, calibrate
from nba_gym.calibration.pareto_nbd import ParetoNbdErrors, ParetoNbdFit, fit_pareto_nbd
from nba_gym.calibration.reading import read_contracts, read_survivors, read_transactions
from nba_gym.calibration.retained import ContractCalibration, calibrate_contracts
from nba_gym.calibration.sbg import ContractLives, SbgErrors, SbgFit, contract_lives, fit_sbg
from nba_gym.calibration.tenure import Tenures, tenures_of_survivors
from nba_gym.calibration.transactions import (
    CustomerSummary,
    TransactionLog,
    summarise,
    transaction_log,
)
from nba_gym.calibration.validation import Bar, Series, Validation

__all__ = [
    "read_contacts",
    "fit_effects",
    "contact_log",
    "Rate",
    "EffectsFit",
    "Effect",
    "ContactLog",
    "Bar",
    "BgBbErrors",
    "BgBbFit",
    "BgNbdErrors",
    "BgNbdFit",
    "Calibration",
    "Cohort",
    "ContractCalibration",
    "ContractLives",
    "CustomerSummary",
    "GammaGammaErrors",
    "GammaGammaFit",
    "OpportunityHistory",
    "ParetoNbdErrors",
    "ParetoNbdFit",
    "SbgErrors",
    "SbgFit",
    "Series",
    "Tenures",
    "TransactionLog",
    "Validation",
    "calibrate",
    "calibrate_contracts",
    "contract_lives",
    "fit_bg_bb",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "fit_pareto_nbd",
    "fit_sbg",
    "frequency_histogram",
    "opportunity_cohort",
    "read_cdnow",
    "read_contracts",
    "read_donations",
    "read_survivors",
    "read_transactions",
    "summarise",
    "tenures_of_survivors",
    "transaction_log",
    "weekly_cohort",
]
