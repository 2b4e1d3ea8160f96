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
# # 5. Export and serve
#
# A trained policy leaves as a folder: a graph in ONNX, a card that says what it is, golden answers,
# and a checksum for every byte. Who decides with it needs neither torch nor the simulator's
# training stack. This notebook trains a small agent, exports it, looks into the folder, and
# decides.

# %%
import tempfile
import time
from pathlib import Path

import gymnasium
import matplotlib.pyplot as plt
import numpy as np

import nba_gym
from agents.export import export
from agents.recipe import load_recipe
from agents.train import train
from nba_gym.errors import BundleError
from nba_gym.evaluation import compare
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.serving import Engine

# %% [markdown]
# ## Train a little, and export
#
# The export is refused unless the folder chooses as the network in memory does. The same folder is
# also loaded by MLflow, MLServer and Triton, with no code of ours.

# %%
scenario = nba_gym.load_scenario("control")
small = {"steps": 400_000, "customers": 512, "batch_size": 2_048}
recipe = load_recipe("control", "maskable_ppo_from_scratch").with_changes(**small)
trained = train(scenario, recipe, seed=0, watch_customers=200, watch_every=100, quiet=True)

store = tempfile.TemporaryDirectory()
folder = Path(store.name) / "policy"
parity = export(trained.policy, scenario, folder, rows=5_000, customers=100)
print(
    f"largest difference of a probability on {parity.rows:,} rows: {parity.largest_difference:.1e}"
)
for path in sorted(folder.rglob("*")):
    if path.is_file():
        print(f"{path.stat().st_size:>8,} bytes  {path.relative_to(folder)}")

# %% [markdown]
# ## Decide
#
# `Engine` checks every byte, runs the golden answers, and then decides: for one customer, ranked,
# with what the customer is expected to be worth; or for a batch.

# %%
engine = Engine(folder)
envs = gymnasium.make_vec("nba_gym/Control-v0", num_envs=4_096)
observations, info = envs.reset(seed=3)
decision = engine.decide(observations[0], info["action_mask"][0])
print(f"expected to be worth {decision.value:.2f} {scenario.currency}; best first:")
for action, probability in zip(decision.actions[:3], decision.probabilities[:3], strict=True):
    print(f"  {engine.actions[action]:<24} {probability:.3f}")

begun = time.perf_counter()
decisions = engine.decide_batch(observations, info["action_mask"])
print(f"{len(observations) / (time.perf_counter() - begun):,.0f} decisions a second in a batch")

# %% [markdown]
# Over HTTP the same engine answers behind `nba-gym serve policy/`, with every decision on record
# before it is answered. `nba-gym score policy/ customers.parquet` decides for a whole file.

# %% [markdown]
# ## Whoever changes a byte is found out

# %%
graph = folder / "policy.onnx"
whole = graph.read_bytes()
graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
try:
    Engine(folder)
except BundleError as error:
    print("refused:", error)
graph.write_bytes(whole)

# %% [markdown]
# ## The folder is a policy like any other
#
# So it is compared on the same customers, with the same luck, as everybody else.

# %%
policies = {"exported agent": engine, "random": UniformRandom(), "no contact": NoContact()}
result = compare(policies, scenario, customers=4_000, seed=11, baseline="no contact")
print(result.table.select("policy", "value", "value_low", "value_high", "contacts"))

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for (name, run), style in zip(result.rollouts.items(), ("-", "--", ":"), strict=True):
    weeks = np.arange(1, len(run.profit) + 1)
    axis.plot(weeks, np.cumsum(run.profit), style, label=name)
    error = 1.96 * run.value.std(ddof=1) / np.sqrt(len(run.value))
    axis.errorbar(weeks[-1], np.sum(run.profit), yerr=error, capsize=4, color="black")
axis.set(
    title="An exported agent decides for 4,000 customers (bars at the end: 95 % intervals)",
    xlabel="weeks since acquisition",
    ylabel=f"profit so far ({scenario.currency} per customer)",
)
axis.legend()
figure.tight_layout()
plt.show()
store.cleanup()
