"""What the card of a world given as tables says instead of practice: the exact optimum."""

from __future__ import annotations

from typing import Any

from nba_gym.evaluation.card.bench import POLICIES, Bench
from nba_gym.evaluation.card.page import Lines, show, table
from nba_gym.evaluation.report.answer import number
from nba_gym.evaluation.report.figure import Stage, plural, readable
from nba_gym.evaluation.rollout import MOST_STATES
from nba_gym.scenario.tables import problem_of
from nba_gym.statistics import mean_interval
from nba_gym.truth.solve import solve


def exactly(bench: Bench, stage: Stage, record: dict[str, Any]) -> Lines:
    """The optimum, what each policy reaches of it, and what is best where; also into the record."""
    scenario = bench.scenario
    problem = problem_of(scenario)
    best, ever = solve(problem, horizon=scenario.horizon), solve(problem)
    chosen = [problem.actions[int(a)] for a in ever.policy]
    exact = {"optimum": best.value, "without_end": ever.value}
    record["exact"] = exact | {"best_action": dict(zip(problem.states, chosen, strict=True))}
    rows: list[list[str]] = []
    for name in bench.shown:
        value = mean_interval(stage.runs[POLICIES[name]].value)
        share = number(100.0 * value.mean / best.value, 1) if best.value > 0.0 else "–"
        rows.append([POLICIES[name], show(value, "ratio", ""), share])
    rows.append(["exactly", number(best.value, 3), "100"])
    periods = f"{scenario.horizon} {plural(scenario.period)}"
    lines = [
        "## The exact optimum",
        "",
        f"Solved by dynamic programming: {number(best.value, 3)} {scenario.currency} over "
        f"{periods}, {number(ever.value, 3)} without end. The myopic oracle looks one period "
        "ahead.",
        "",
        *table(["policy", f"simulated value ({scenario.currency})", "of the optimum (%)"], rows),
    ]
    if problem.n_states <= MOST_STATES:
        cells = [
            [readable(state), readable(action), number(float(value), 3)]
            for state, action, value in zip(problem.states, chosen, ever.values, strict=True)
        ]
        return lines + table(["state", "best action", f"value ({scenario.currency})"], cells)
    told = ", ".join(f"{readable(each)} in {chosen.count(each)}" for each in problem.actions)
    return [*lines, f"Best action: {told} of {problem.n_states} states; all are in the JSON.", ""]
