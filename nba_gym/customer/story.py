"""One period of a customer's life, in six steps. The page to read first.

A customer has a hidden half (needs, awareness, loyalty, fatigue, price memory, an open problem) and
a visible half (what the firm's records show). The only bridge between them is the events of a
period. The order never changes:

1. observe   what the records show: features and the allowed actions (``observe``)
2. decide    a policy picks one allowed action, or waits (outside; ``kernel._decide`` lays it down)
3. respond   hidden state + action -> probabilities, in closed form
4. draw      probabilities + this customer's luck -> events
5. settle    events -> money
6. live on   events -> next hidden state, and next records

Every step works on a tile of ``LANES`` customers that lie side by side on the worktable
(``nba_gym.lanes``): quantity ``LOYALTY`` of lane ``j`` is ``kept[LOYALTY + j]``. The loops over
lanes are in the modules named below; the equations themselves are one-line functions without
loops, one mechanism a file: ``response``, ``purchase``, ``needs``, ``relationship``, ``leaving``,
``service``. Step 1 comes last in this file because what a period leads to is observed at its end,
for the next decision. ``fetch_some`` asks for memory ahead of time and means nothing to the model.
"""

from __future__ import annotations

from nba_gym.compiled import sequence
from nba_gym.customer.arrays import Rules
from nba_gym.customer.draw import draw_events
from nba_gym.customer.live_on import live_on
from nba_gym.customer.look_up import look_up
from nba_gym.customer.luck import draw_luck
from nba_gym.customer.respond import respond
from nba_gym.engagement.rules import update_conditions
from nba_gym.fetching import fetch_some
from nba_gym.records.features import observe_history
from nba_gym.records.history import update_history
from nba_gym.records.ledger import settle
from nba_gym.scenario.parameters import Array, World


@sequence
def live_one_period(
    ahead: Array,
    table: Array,
    purse: Array,
    tray: Array,
    kept: Array,
    born: Array,
    bits: Array,
    identity: Array,
    rules: Rules,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Steps 3 to 6 for a tile of customers whose actions have been decided.

    Args:
        ahead: Memory to ask for meanwhile, see ``nba_gym.fetching``.
        table: Worktable; ``ACTION`` holds what step 2 decided for each lane.
        purse: Money of the period.
        tray: Scratch.
        kept: State and history of the tile.
        born: Traits of the tile.
        bits: Bit histories of the tile.
        identity: Seeds and customer numbers of the tile.
        rules: The scenario as arrays.
        world: All scalar coefficients of the scenario.
        n_needs: Needs in use.
        n_channels: Channels in use.
        width: Lanes in use.
    """
    # 3. respond: what is this action, and how likely is everything now?
    look_up(table, kept, born, rules.cards, rules.season_cards, tray, n_needs, width)
    fetch_some(ahead)
    respond(table, kept, born, rules.excitation, rules.needs, world, n_needs, width)

    # 4. draw: what happens, given this customer's luck?
    fetch_some(ahead)
    draw_luck(table, kept, identity, n_needs, width)
    fetch_some(ahead)
    draw_events(
        table,
        purse,
        kept,
        born,
        identity,
        rules.needs,
        rules.channels,
        rules.spend_noise,
        world,
        n_needs,
        n_channels,
        width,
    )

    # 5. settle: what is it worth?
    fetch_some(ahead)
    settle(table, purse, kept, rules.needs, world, width)

    # 6. live on: how does it change the customer, and what do the records keep of it?
    fetch_some(ahead)
    live_on(table, kept, born, world, n_needs, width)
    fetch_some(ahead)
    update_history(
        table, purse, kept, bits, rules.channels, rules.needs, world, n_needs, n_channels, width
    )


@sequence
def observe(
    kept: Array,
    bits: Array,
    conditions: Array,
    view: Array,
    rules: Rules,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Step 1 for a tile of customers: the features, and the rules that are broken now.

    Args:
        kept: State and history of the tile.
        bits: Bit histories of the tile.
        conditions: Written: the broken rules of each lane.
        view: Written: the features.
        rules: The scenario as arrays.
        world: All scalar coefficients of the scenario.
        n_needs: Needs in use.
        n_channels: Channels in use.
        width: Lanes in use.
    """
    observe_history(
        kept,
        bits,
        view,
        rules.channels,
        rules.waves,
        world,
        n_needs,
        n_channels,
        width,
    )
    update_conditions(
        kept,
        bits,
        conditions,
        rules.channels,
        rules.needs,
        rules.windows,
        rules.shut,
        world,
        n_needs,
        n_channels,
        width,
    )
