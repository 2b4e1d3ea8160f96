"""Gymnasium environments: one customer, a native batch, and the Stable-Baselines3 adapter."""
