"""Tuning of recipes and baselines: what ``python -m agents.tune`` is made of."""
