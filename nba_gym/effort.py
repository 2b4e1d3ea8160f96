"""How much a policy is given to learn from and to be tuned with, unless one says otherwise."""

CAMPAIGN = 32_000
"""Customers of the random campaign that is learned from."""
BANDIT = 16_000
"""Customers that a bandit meets while it learns."""
TUNING = 12_000
"""Customers that a policy is tuned on."""
TRIALS = 200
"""Settings that tuning tries at most."""
