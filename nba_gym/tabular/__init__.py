"""Problems small enough to be written down as tables, whose optimum is known exactly.

>>> from nba_gym.tabular import recency_mailing, tabular_problem
>>> from nba_gym.truth import solve
>>> solve(recency_mailing()).value
53.149...
"""

from nba_gym.tabular.literature import (
    PROBLEMS,
    literature_problem,
    recency_frequency_mailing,
    recency_mailing,
)
from nba_gym.tabular.problem import TabularProblem, tabular_problem

__all__ = [
    "PROBLEMS",
    "TabularProblem",
    "literature_problem",
    "recency_frequency_mailing",
    "recency_mailing",
    "tabular_problem",
]
