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
# # 1. A customer's life
#
# A simulated customer has two halves. The firm's records show one of them: visits, purchases,
# clicks, complaints. The other is hidden: needs, loyalty, fatigue. Here you meet one customer, then
# two thousand, and see what contacts do to the hidden half.

# %%
import gymnasium
import matplotlib.pyplot as plt
import numpy as np

import nba_gym
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, UniformRandom

# %% [markdown]
# ## What the firm may do
#
# Customer 7 of the shop has just been acquired. Some actions are allowed now; for the rest the
# engagement rules say why not.

# %%
env = gymnasium.make("nba_gym/Retail-v0", render_mode="ansi")
observation, info = env.reset(seed=1, options={"customer": 7})
print(env.unwrapped.explain_mask())

# %% [markdown]
# ## What the firm sees
#
# An observation is one row of numbers from the records. Every column has a range, a unit and a
# meaning. None of them is taken from the hidden half.

# %%
print("\n".join(repr(env.unwrapped.features).splitlines()[:12]))

# %% [markdown]
# ## Thirteen weeks, seen from the firm
#
# A random allowed action each week. The reward is the week's profit, and it is exactly the sum of
# the lines of the ledger.

# %%
generator = np.random.default_rng(0)
for _ in range(13):
    allowed = np.flatnonzero(info["action_mask"])
    observation, reward, terminated, truncated, info = env.step(generator.choice(allowed))
print(env.render())

# %% [markdown]
# Customers leave in silence: the records of a customer who is gone look like those of one who buys
# seldom. The journey goes on, and the firm goes on paying for contacts.
#
# ## What only a simulator can show
#
# Now the same 2,000 customers live a year twice: left alone, and contacted whenever the rules
# allow. Their luck is the same both times, so every difference is due to the contacts.

# %%
WEEKS, CUSTOMERS = 52, 2_000
scenario = nba_gym.load_scenario("retail", [f"horizon={WEEKS}"])


def hidden_paths(policy):
    """Loyalty and fatigue of every customer before each week, (weeks, customers)."""
    paths = {"loyalty": [], "fatigue": []}

    def look(week, population):
        if week < WEEKS:
            for name, path in paths.items():
                path.append(population.read(name)[:, 0])

    run = rollout(policy, scenario, CUSTOMERS, seed=1, watch=look)
    return {name: np.array(path) for name, path in paths.items()}, run


lives = {
    "left alone": hidden_paths(NoContact()),
    "contacted at random": hidden_paths(UniformRandom()),
}
for name, (_, run) in lives.items():
    here = f"{100 * run.alive[-1]:.0f} % are still here"
    print(f"{name:<20} {run.contacts.mean():5.1f} contacts, {here}")

# %% [markdown]
# Contacts do two things at once. All of them tire. Some of them please, with care or with news, so
# loyalty fades more slowly than without. In this shop customers leave after a purchase, the tired
# and the disloyal sooner. Here tiredness wins, and more customers are lost than if they had been
# left alone. The firm's records show none of these three curves.

# %%
panels = (
    ("fatigue", "Fatigue builds up", "fatigue (1 = one fresh contact)"),
    ("loyalty", "Loyalty fades more slowly", "loyalty (0 to 1)"),
)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8))
weeks = np.arange(WEEKS)
for (name, (paths, run)), style in zip(lives.items(), ("-", "--"), strict=True):
    for axis, (what, title, unit) in zip(axes, panels, strict=False):
        mean = paths[what].mean(axis=1)
        error = 1.96 * paths[what].std(axis=1) / np.sqrt(CUSTOMERS)
        [line] = axis.plot(weeks, mean, style, label=name)
        axis.fill_between(weeks, mean - error, mean + error, alpha=0.25, color=line.get_color())
        axis.set(title=title, ylabel=unit, xlabel="weeks since acquisition")
    error = 196 * np.sqrt(run.alive * (1 - run.alive) / CUSTOMERS)
    [line] = axes[2].plot(weeks, 100 * run.alive, style, label=name)
    low, high = 100 * run.alive - error, 100 * run.alive + error
    axes[2].fill_between(weeks, low, high, alpha=0.25, color=line.get_color())
axes[2].set(title="Yet more customers leave", ylabel="customers still here (%)", ylim=(0, 100))
axes[2].set_xlabel("weeks since acquisition")
axes[0].legend()
figure.suptitle("The same 2,000 customers, twice (bands: 95 % intervals)")
figure.tight_layout()
plt.show()
