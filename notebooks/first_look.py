# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A first look: one customer, three policies
#
# Run the cells from top to bottom (VS Code and Jupyter with jupytext open this file as a notebook),
# or the whole file as a script: `python notebooks/first_look.py`.

# %%
import gymnasium
import matplotlib.pyplot as plt
import numpy as np

import nba_gym
from nba_gym.evaluation import compare, learn_practice
from nba_gym.policies import NoContact
from nba_gym.truth import MyopicOracle

# %% [markdown]
# One customer of the shop, left alone for ten weeks. What the firm's records show is the
# observation; needs, loyalty and fatigue stay hidden.

# %%
env = gymnasium.make("nba_gym/Retail-v0", render_mode="ansi")
observation, info = env.reset(seed=7)
for _ in range(10):
    observation, reward, terminated, truncated, info = env.step(0)
print(env.render())
print(env.unwrapped.explain_mask())

# %% [markdown]
# What firms do: propensity models from a logged random campaign, arbitration, tuning. Small here;
# the defaults of `learn_practice` are those of `make run`.

# %%
retail = nba_gym.load_scenario("retail")
practice, trials = learn_practice(retail, campaign=16_000, tuning=3_000, trials=40)
print(practice.settings)

# %% [markdown]
# The same customers and the same luck under three policies. Greedy with perfect knowledge of the
# hidden half earns *less* than leaving everybody alone: today's click is paid with tomorrow's
# customer.

# %%
contenders = {
    "greedy practice": practice,
    "no contact": NoContact(),
    "myopic oracle": MyopicOracle(),
}
result = compare(contenders, retail, customers=3_000, seed=1, baseline="no contact")
print(result.table.select("policy", "value", "difference", "difference_low", "difference_high"))

# %%
figure, axes = plt.subplots(figsize=(7, 3.5))
for (name, run), style in zip(result.rollouts.items(), ("-", "--", ":"), strict=True):
    [line] = axes.plot(100.0 * run.alive, style, label=name)
    error = 196.0 * np.sqrt(run.alive * (1.0 - run.alive) / len(run.customers))
    low, high = 100.0 * run.alive - error, 100.0 * run.alive + error
    axes.fill_between(range(len(low)), low, high, alpha=0.2, color=line.get_color())
axes.set_title("Who stays, under three policies (bands: 95 % intervals)")
axes.set_xlabel("weeks since acquisition")
axes.set_ylabel("customers who have not left (%)")
axes.set_ylim(0, 100)
axes.legend()
figure.tight_layout()
figure.savefig("first_look.png", dpi=120)
