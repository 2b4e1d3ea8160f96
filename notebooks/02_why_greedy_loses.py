# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Why greedy loses
#
# Most firms take, for each customer, the action that pays best now. Here we give greedy every
# advantage. It knows the hidden half, and it computes the expected profit of each action exactly.
# It still loses, because today's profit is paid with tomorrow's customer.
#
# The world is `solvable`, a tea merchant. It is so small that the best policy of all is known.

# %%
import matplotlib.pyplot as plt
import numpy as np

import nba_gym
from nba_gym.evaluation import compare, rollout
from nba_gym.policies import NoContact
from nba_gym.truth import MyopicOracle, OptimalPolicy

scenario = nba_gym.load_scenario("solvable")
print(scenario.title)
print("actions:", ", ".join(action.name for action in scenario.actions))

# %% [markdown]
# ## Three policies, the same customers, the same luck

# %%
CUSTOMERS = 6_000
policies = {
    "greedy (knows all)": MyopicOracle(),
    "optimal": OptimalPolicy(),
    "no contact": NoContact(),
}
result = compare(policies, scenario, customers=CUSTOMERS, seed=5, baseline="greedy (knows all)")
columns = ("policy", "value", "value_low", "value_high", "contacts", "lifetime")
print(result.table.select(columns))

# %% [markdown]
# Greedy and the optimal policy make about as many contacts. But greedy's customers leave two weeks
# earlier, even earlier than those who are left alone. What counts is which contact, and when.

# %%
print(f"{'share of customers':<20} {'week 1':>8} {'week 6':>8}")
for name in ("greedy (knows all)", "optimal"):
    shares = result.rollouts[name].action_share
    for action, (first, sixth) in zip(scenario.actions, shares[[0, 5]].T, strict=True):
        if action.name != "wait" and first + sixth > 0:
            print(f"{name:<20} {first:8.0%} {sixth:8.0%}  {action.name}")

# %% [markdown]
# The optimal policy begins with a gift for half of its new customers, and goes on with stories.
# Neither earns anything in its own week, so greedy never sends them. It sends offers and deals.
#
# ## When is the money lost?
#
# We add up each customer's profit week by week, and look at the difference between greedy and the
# optimum. The pairs have the same luck, so the intervals are narrow.


# %%
def profit_by_week(policy):
    """Discounted profit up to each week, (weeks, customers)."""
    weeks = []

    def look(week, population):
        if week > 0:
            weeks.append(scenario.discount ** (week - 1) * population.out.rewards.copy())

    rollout(policy, scenario, CUSTOMERS, seed=5, chunk=CUSTOMERS, watch=look)
    return np.cumsum(weeks, axis=0)


optimal = profit_by_week(policies["optimal"])
gaps = {
    "greedy (knows all)": profit_by_week(policies["greedy (knows all)"]) - optimal,
    "no contact": profit_by_week(policies["no contact"]) - optimal,
}
lead = gaps["greedy (knows all)"].mean(axis=1)
print(f"greedy leads by up to {lead.max():.2f} per customer, in week {lead.argmax() + 1}")
print(f"at the end it is behind by {-lead[-1]:.2f}")

# %% [markdown]
# For some weeks greedy is ahead, and so is leaving everybody alone: the gifts of the optimal policy
# have to be paid for first. Who looked at the figures of the first month would choose greedy. Then
# loyalty pays, and the gap opens.

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
weeks = np.arange(1, scenario.horizon + 1)
for (name, gap), style in zip(gaps.items(), ("-", "--"), strict=True):
    mean, error = gap.mean(axis=1), 1.96 * gap.std(axis=1) / np.sqrt(CUSTOMERS)
    [line] = axis.plot(weeks, mean, style, label=name)
    axis.fill_between(weeks, mean - error, mean + error, alpha=0.25, color=line.get_color())
axis.axhline(0.0, color="black", linewidth=0.8, label="optimal policy")
axis.set(
    title=f"Greedy is ahead first and behind later ({CUSTOMERS:,} pairs, bands: 95 % intervals)",
    xlabel="weeks since acquisition",
    ylabel=f"profit so far, less the optimum's\n({scenario.currency} per customer)",
)
axis.legend()
figure.tight_layout()
plt.show()
