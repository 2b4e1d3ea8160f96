"""The card as Markdown: nothing but what is in its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nba_gym.evaluation.card.bench import POLICIES, Sizes
from nba_gym.evaluation.card.calibration import Row
from nba_gym.evaluation.card.figures import Stage
from nba_gym.evaluation.card.mechanisms import MECHANISMS, is_on
from nba_gym.evaluation.card.quantities import ACTING, QUANTITIES, Unit
from nba_gym.evaluation.card.sensitivity import Loyalty, Reaction
from nba_gym.evaluation.card.watch import Watched
from nba_gym.evaluation.report.answer import amount, number, span
from nba_gym.evaluation.report.figure import Figure, plural, readable
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval, mean_interval

Lines = list[str]
COMMON_LIMITS = (
    "What holds for every world: [the limits of the model](../model.md#limits).",
    "Means and intervals are over simulated customers. They say nothing of how far real customers "
    "are from simulated ones.",
)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    """A Markdown table; the first column left, the rest as they are."""
    cells = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [list(heads), *cells]]
    return [lines[0], "|" + "---|" * len(heads), *lines[1:], ""]


def head(scenario: Scenario, sizes: Sizes, stamp: str) -> Lines:
    """Title, description and the world in brief."""
    time = f"{scenario.horizon} {plural(scenario.period)}, discounted by {scenario.discount:g} each"
    text = " ".join(scenario.description.split())
    return [
        f"# {scenario.name}: {scenario.title}",
        "",
        f"*Written by `nba-gym card {scenario.name}`; do not edit. Every number here is also in "
        f"[{scenario.name}.json]({scenario.name}.json), with sample sizes and seed. World "
        f"`{stamp}`, version {scenario.version}.*",
        "",
        text,
        "",
        f"A journey: {time}. Money in {scenario.currency}. If nothing else is said, numbers are of "
        f"{sizes.customers:,} customers, with 95 % intervals over customers.",
        "",
    ]


def catalogue(scenario: Scenario) -> Lines:
    """What the firm can do."""
    kinds = Counter((action.channel, action.kind) for action in scenario.actions[1:])
    rows: list[list[str]] = []
    for channel in scenario.channels:
        here = [f"{n} {kind}" for (name, kind), n in kinds.items() if name == channel.name]
        cap = f"{channel.cap} in {channel.window}" if channel.cap < 32 else "no cap"
        cost = f"{channel.cost:g}"
        row = [readable(channel.name), channel.direction, cost, cap, ", ".join(here) or "none"]
        rows.append(row)
    needs = ", ".join(readable(need.name) for need in scenario.needs)
    personas = ", ".join(f"{readable(p.name)} ({100 * p.share:g} %)" for p in scenario.personas)
    heads = ["channel", "who starts", f"cost ({scenario.currency})"]
    heads += [f"contacts allowed ({plural(scenario.period)})", "actions by kind"]
    return [
        "## Catalogue in brief",
        "",
        f"{scenario.n_actions} actions, waiting included. Needs: {needs}. Personas: {personas}.",
        "",
        *table(heads, rows),
    ]


def mechanisms(scenario: Scenario) -> Lines:
    """Which mechanisms are on and off."""
    on = [each for each in MECHANISMS if is_on(each, scenario)]
    off = [each for each in MECHANISMS if each not in on]

    def told(found: Sequence[object]) -> str:
        names = [f"{m.name} ({m.equations})" for m in MECHANISMS if m in found]
        return "; ".join(names) or "none"

    return [
        "## Mechanisms",
        "",
        "In parentheses: equations of [the model](../model.md). Off means that its coefficients "
        "have the default 0.",
        "",
        f"**On**: {told(on)}.",
        "",
        f"**Off**: {told(off)}.",
        "",
    ]


def calibration(rows: Sequence[Row], currency: str) -> Lines:
    """The calibration table, and what each quantity means."""
    if not rows:
        return ["## Calibration", "", "No targets have been set for this world.", ""]
    cells: list[list[str]] = []
    for row in rows:
        unit, target = _unit(row), row.target
        reached = "–" if row.reached is None else show(row.reached, unit, currency)
        verdict = row.verdict if row.is_inside else f"**{row.verdict}**"
        aim = _range(target.low, target.high, unit, currency)
        cells.append([target.label, aim, reached, verdict, target.source])
    inside = sum(row.is_inside for row in rows)
    lines = ["## Calibration", "", f"{inside} of {len(rows)} targets are reached.", ""]
    lines += table(["target", "range", "reached (95 % interval)", "", "source"], cells)
    lines += ["How each is measured:", ""]
    for row in rows:
        parts = [_measured(row), _choices(row), row.target.note]
        lines.append(f"- *{row.target.label}*: " + ". ".join(p for p in parts if p) + ".")
    failed = [row for row in rows if not row.is_inside]
    if failed:
        lines += ["", "Not reached, and why:", ""]
        for row in failed:
            why = row.problem or row.target.why_not or "not explained yet"
            lines.append(f"- *{row.target.label}* ({row.verdict}): {why.rstrip('.')}.")
    return [*lines, ""]


def _unit(row: Row) -> Unit:
    quantity = QUANTITIES.get(row.target.quantity)
    return quantity.unit if quantity else "ratio"


def _measured(row: Row) -> str:
    """What is measured, and who acts meanwhile."""
    quantity = QUANTITIES.get(row.target.quantity)
    if quantity is None:
        return row.target.quantity
    policy = row.target.policy or quantity.policy
    return f"{quantity.meaning} ({ACTING.get(policy, policy)})" if policy else quantity.meaning


def _choices(row: Row) -> str:
    """What the target chose beyond who acts."""
    names = ("channel", "action", "period", "window", "states")
    chosen = {name: getattr(row.target, name) for name in names}
    return ", ".join(f"{name} `{value}`" for name, value in chosen.items() if value)


def _range(low: float | None, high: float | None, unit: Unit, currency: str) -> str:
    ends = [_plain(x, unit) for x in (low, high) if x is not None]
    sign = _sign(unit, currency)
    if low is None:
        return f"at most {ends[0]}{sign}"
    if high is None:
        return f"at least {ends[0]}{sign}"
    return f"{ends[0]}{sign}" if low == high else f"{ends[0]} to {ends[1]}{sign}"


def _plain(x: float, unit: Unit) -> str:
    return f"{100.0 * x if unit in ('share', 'points') else x:,.6g}".replace("-", "−")


def _sign(unit: Unit, currency: str) -> str:
    return {"share": " %", "points": " points", "ratio": "", "money": f" {currency}"}[unit]


def show(interval: Interval, unit: Unit, currency: str) -> str:
    """A number with its interval, in its unit."""
    factor = 100.0 if unit in ("share", "points") else 1.0
    shown = Interval(*(factor * x for x in interval))
    sign = _sign(unit, currency)
    if shown.high == shown.low:
        return f"{number(shown.mean, 3)}{sign}"
    return f"{amount(shown.mean, shown)}{sign} ({span(shown)})"


def behaviour(stage: Stage, watched: Mapping[str, Watched]) -> Lines:
    """What happens under each policy, in one table."""
    scenario = stage.comparison.scenario
    rows: list[list[str]] = []
    for name, each in watched.items():
        run, series = each.run, each.series
        title = POLICIES.get(name, name)
        values, gap = mean_interval(run.value), stage.comparison.difference(title)
        row = [title, show(values, "ratio", "")]
        row.append("–" if title == stage.comparison.baseline else show(gap, "ratio", ""))
        row += [number(float(run.lifetime.mean()), 1), number(float(run.purchases.mean()), 2)]
        row += [number(float(run.contacts.mean()), 1), number(float(run.opt_outs.mean()), 3)]
        row += [number(float(np_last(series, key)), 2) for key in ("fatigue", "loyalty")]
        rows.append(row)
    heads = ["policy", f"value ({scenario.currency})", "difference to no contact"]
    heads += [f"stays ({plural(scenario.period)})", "purchases", "contacts", "opt-outs"]
    heads += ["fatigue at the end", "loyalty at the end"]
    if not all("loyalty" in each.series for each in watched.values()):
        heads, rows = heads[:-2], [row[:-2] for row in rows]
    third = "tuned on customers of its own" if scenario.tabular is None else "solved, not learned"
    who = (
        "No contact leaves customers alone; uniform random takes any allowed action, waiting "
        f"included; {POLICIES['practice' if scenario.tabular is None else 'optimum']} is {third}; "
        "the myopic oracle sees the hidden half and takes what pays most at once."
    )
    return ["## Behaviour that emerges", "", who, "", *table(heads, rows)]


def np_last(series: Mapping[str, object], name: str) -> float:
    """The last mean of a series; not a number where there is none."""
    found = series.get(name)
    return float("nan") if found is None else float(found[0][-1])  # pyright: ignore


def pictures(name: str, figures: Mapping[str, Figure]) -> Lines:
    """Links to the figures, with captions."""
    lines: Lines = []
    for key, figure in figures.items():
        lines += [f"![{figure.title}](figures/{name}-{key}.svg)", "", f"*{figure.caption}*", ""]
    return lines


def loyalty(found: Mapping[str, Loyalty], n: int, currency: str) -> Lines:
    """What 5 % more loyalty is worth, beside the claim."""
    rows: list[list[str]] = []
    for name, each in found.items():
        change = show(each.change, "ratio", "")
        relative = "–" if each.relative is None else show(each.relative, "share", "")
        rows.append([POLICIES[name], number(each.value, 2), change, relative])
    heads = ["policy", f"value ({currency})", f"change ({currency})", "change in profit"]
    return [
        "## Loyalty and profit",
        "",
        'Marketing writing says "5 % more loyalty, up to 20 % more profit per customer". Here '
        "every customer's baseline loyalty, where loyalty also starts, is raised by 5 % of "
        f"itself (to 1 at most); the same {n:,} customers, the same luck, the same policies.",
        "",
        *table(heads, rows),
    ]


def reactions(found: Sequence[Reaction], n: int) -> Lines:
    """What each mechanism does to value and to the ranking of policies."""
    shown = ("no_contact", "practice", "oracle")
    rows: list[list[str]] = []
    for each in found:
        row = [each.mechanism, f"× {each.factor:g}{' *' if each.stopped else ''}"]
        for policy in shown:
            relative = each.relative[policy]
            row.append("–" if relative is None else show(relative, "share", ""))
        told = "; ".join(each.ranking)
        for name, title in POLICIES.items():
            told = told.replace(name, title)
        rows.append([*row, told or "same"])
    stopped = sorted({field for each in found for field in each.stopped})
    lines = [
        "## What value depends on",
        "",
        "Each mechanism's main coefficients at half and at one and a half of their strength (of "
        f"log-odds the odds, of traits everybody's trait); change in value of the same {n:,} "
        "customers with the same luck. Practice is **not** tuned again. The ranking is that of the "
        "three policies: a pair counts as ranked where the 95 % interval of its paired difference "
        "leaves out 0.",
        "",
        *table(["mechanism", "strength", *(POLICIES[p] for p in shown), "ranking"], rows),
    ]
    if stopped:
        names = ", ".join(f"`{field}`" for field in stopped)
        lines += [f"\\* These stop at the end of their range: {names}.", ""]
    return lines


def limits(own: Sequence[str]) -> Lines:
    """What the reader must not read into this world."""
    return ["## Known limits", "", *(f"- {each}" for each in (*own, *COMMON_LIMITS)), ""]
