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
# # 4. Calibrate to your own data
#
# A world is worth more when its customers buy and leave as yours do. What you need is a file with
# one transaction a row: customer, date, amount. Here it is the real till of CDNOW, a shop for
# music: every purchase of 2,357 customers in 1997 and 1998.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nba_gym
from nba_gym.calibration import calibrate, read_cdnow
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact

till = read_cdnow()
print(f"{till.n_transactions:,} transactions of {till.n_customers:,} customers")
print(f"first day: {till.first_date}")

# %% [markdown]
# With a file of your own it is `read_transactions("till.csv", customer="id", date="day",
# amount="eur")`, or the same on the command line: `nba-gym calibrate till.csv --customer id --date
# day --amount eur`.
#
# ## Fit
#
# The first 39 weeks are fitted; the rest is held out. A model of purchases (BG/NBD) says where to
# begin; then the world's own customers are simulated, and its numbers are moved until they buy as
# the real ones did.

# %%
fitted = calibrate(till, "retail", weeks=39, name="cdnow")
print("\n".join(fitted.lines()))

# %% [markdown]
# ## Use
#
# What comes out is a scenario file that extends `retail` and gives only what was fitted. What
# contacts do cannot be learned from transactions: that stays what `retail` says, until you fit it
# to a randomised campaign (`nba-gym effects`).

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "scenario.toml"
    path.write_text(fitted.text)
    print(path.read_text())
    world = nba_gym.load_scenario(path)
run = rollout(NoContact(), world, 2_000, seed=1)
error = 1.96 * run.value.std(ddof=1) / np.sqrt(len(run.value))
print(
    f"a customer who is left alone is worth {run.value.mean():.2f} +- {error:.2f} {world.currency}"
)

# %% [markdown]
# ## Look
#
# The bars are the real customers. The points are simulated ones, with the range in which 19 of 20
# cohorts of this size would lie. Where a bar ends outside of that range the world misses the
# records: here it has somewhat too many customers who come back once, and too few who come back
# twice.

# %%
bars = fitted.bars
places = np.arange(len(bars))
figure, axis = plt.subplots(figsize=(8, 4))
axis.bar(places, [bar.actual for bar in bars], color="lightgrey", label="real customers")
middle = np.array([bar.simulated for bar in bars])
below = middle - [bar.low for bar in bars]
above = [bar.high for bar in bars] - middle
axis.errorbar(
    places, middle, yerr=[below, above], fmt="o", capsize=4, label="simulated, 95 % range"
)
axis.set_xticks(places, [*(str(bar.purchases) for bar in bars[:-1]), f"{bars[-1].purchases}+"])
axis.set(
    title=f"Repeat purchases in 39 weeks, {till.n_customers:,} customers",
    xlabel="repeat purchases",
    ylabel="customers",
)
axis.legend()
figure.tight_layout()
plt.show()
