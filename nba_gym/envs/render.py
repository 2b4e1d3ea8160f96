"""A journey for people: as readable lines, or drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import MissingExtraError, PolicyError
from nba_gym.records.events import event_columns
from nba_gym.scenario.schema import Scenario


class Journal:
    """What happened to one customer so far, as the firm saw it.

    Args:
        scenario: The world, for the names of actions, needs and channels.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._columns = event_columns(scenario)
        self._customer: int | None = None
        self._events: list[dict[str, float]] = []
        self._profits: list[float] = []

    def begin(self, customer: int) -> None:
        """Start a new journey."""
        self._customer = customer
        self._events, self._profits = [], []

    def add(self, events: NDArray[np.float64], ledger: NDArray[np.float64]) -> None:
        """Keep the events and the ledger of one period."""
        self._events.append(dict(zip(self._columns, events.tolist(), strict=True)))
        self._profits.append(float(ledger.sum()))

    def render(self, mode: str) -> Any:
        """The journey as text (``"ansi"``) or as an ``(height, width, 3)`` picture."""
        if mode == "ansi":
            return self.text()
        if mode == "rgb_array":
            return self.picture()
        raise PolicyError(f"render_mode must be 'ansi' or 'rgb_array', got {mode!r}")

    def text(self) -> str:
        """One line a period: the action, what happened, the profit and its sum."""
        unit = self.scenario.currency
        lines = [f"customer {self._customer} of {self.scenario.name}"]
        total = 0.0
        for t, (events, profit) in enumerate(zip(self._events, self._profits, strict=True)):
            total += profit
            action = self.scenario.actions[int(events["action"])].name
            lines.append(
                f"{self.scenario.period} {t:>3}  {action:<26} {self._happened(events):<44}"
                f" {profit:>9.2f} {unit}  sum {total:>10.2f}"
            )
        return "\n".join(lines)

    def _happened(self, events: dict[str, float]) -> str:
        needs, channels = self.scenario.needs, self.scenario.channels
        words: list[str] = []
        if events["purchases"]:
            deal = " at the deal" if events["redeemed"] else ""
            need = needs[int(events["need_bought"])].name
            count = f"{events['purchases']:.0f} x " if events["purchases"] > 1 else ""
            words.append(f"bought {count}{need} ({events['list_spend']:.0f}{deal})")
        plain = ("responded", "answered", "accepted", "complained", "solved", "opted_out")
        words += [name.replace("_", " ") for name in plain if events[name]]
        if events["referred"]:
            words.append("brought a friend")
        if events["basket"]:
            words.append(f"left a basket ({needs[int(events['basket']) - 1].name})")
        if events["visit"]:
            words.append(f"comes to {channels[int(events['visit']) - 1].name}")
        if events["cancelled"]:
            words.append("CANCELLED")
        return ", ".join(words)

    def picture(self) -> NDArray[np.uint8]:
        """Contacts, purchases and cumulative profit over time."""
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError('render_mode="rgb_array"', "report") from error
        figure = Figure(figsize=(8, 4.5), dpi=100, layout="constrained")
        canvas: Any = FigureCanvasAgg(figure)
        axes: Any = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        self._draw_profit(axes[0])
        self._draw_events(axes[1])
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()

    def _draw_profit(self, axes: Any) -> None:
        scenario = self.scenario
        axes.step(range(1, len(self._profits) + 1), np.cumsum(self._profits), where="post")
        axes.axhline(0.0, color="grey", linewidth=0.8)
        axes.set_xlim(0, scenario.horizon)
        axes.set_ylabel(f"cumulative profit ({scenario.currency})")
        axes.set_title(f"{scenario.name}: customer {self._customer}")

    def _draw_events(self, axes: Any) -> None:
        rows = ("sent", "responded", "purchases", "complained", "opted_out", "cancelled")
        for y, name in enumerate(rows):
            at = [t + 1 for t, events in enumerate(self._events) if events[name]]
            axes.plot(at, [y] * len(at), "|", markersize=9)
        axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{self.scenario.period} since acquisition")
