"""Policies without torch: simple rules and greedy practice."""

from nba_gym.policies.campaign import fit_practice
from nba_gym.policies.practice import GreedyPractice, PracticeModel
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.policies.simple import NoContact, RoundRobin, UniformRandom

__all__ = [
    "GreedyPractice",
    "NoContact",
    "Policy",
    "PracticeModel",
    "RoundRobin",
    "StochasticPolicy",
    "UniformRandom",
    "fit_practice",
]
