"""The report says what the numbers say, in one file that needs nothing else."""

import re
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from nba_gym.errors import DataError, MissingExtraError, PolicyError
from nba_gym.evaluation import Comparison, Rollout, compare
from nba_gym.evaluation.report import write_report
from nba_gym.evaluation.report.answer import digits_for, find_answer, find_roles, number
from nba_gym.evaluation.report.deeds import behaviour_figure, smoothed
from nba_gym.evaluation.report.figure import Stage, policy_styles
from nba_gym.evaluation.report.journeys import survival_figure, survival_gap
from nba_gym.evaluation.report.money import value_figure
from nba_gym.evaluation.report.painters import Line, Row, paint_levels, paint_lines, paint_stacks
from nba_gym.evaluation.report.svg import Style
from nba_gym.evaluation.rollout import StateCounts
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from nba_gym.statistics import Interval

RETAIL = load_scenario("retail")
N = 400
TITLES = (
    "Value per customer",
    "Where the money comes from",
    "How it learned",
    "Who stays",
    "Who is contacted",
    "What it does when",
    "Value by persona",
)


@dataclass(frozen=True)
class Point:
    steps: int
    seconds: float
    value: float
    low: float
    high: float


CURVE = [Point(1_000_000 * i, 60.0 * i, 20.0 + i, 18.0 + i, 22.0 + i) for i in range(8)]


def made_up(value, *, waits=False, seed=0):
    """A rollout with the given value per customer and everything else plausible."""
    generator, n = np.random.default_rng(seed), len(value)
    horizon, zero = RETAIL.horizon, np.zeros(n)
    lifetime = generator.integers(1, horizon + 1, n).astype(np.float64)
    cost = zero if waits else np.full(n, -0.25)
    lines = dict.fromkeys(LINES, zero) | {"margin": value - cost, "contact_cost": cost}
    share = np.zeros((horizon, RETAIL.n_actions))
    share[:, 0 if waits else 1] = 1.0
    states = {"basket open": np.zeros(8), "no purchase for 26": np.r_[np.arange(7.0), 0.0]}
    return Rollout(
        customers=np.arange(n, dtype=np.uint64),
        persona=np.arange(n) % 3,
        value=value,
        lines=lines,
        lifetime=lifetime,
        contacts=zero if waits else np.full(n, 5.0),
        opt_outs=zero,
        purchases=np.ones(n),
        courtship=zero,
        alive=(lifetime[:, None] > np.arange(horizon)).mean(axis=0),
        contact_rate=np.full((horizon, RETAIL.n_channels), 0.0 if waits else 0.1),
        action_share=share,
        profit=np.zeros(horizon),
        by_state=states,
    )


def comparison_of(gains, *, baseline="practice", idle=(), noise=1.0, n=N):
    """A comparison in which each policy earns so much more than the baseline."""
    generator = np.random.default_rng(1)
    base = generator.gamma(2.0, 20.0, n)
    runs = {
        name: made_up(
            base + gain + noise * generator.standard_normal(n), waits=name in idle, seed=i
        )
        for i, (name, gain) in enumerate(gains.items())
    }
    runs[baseline] = made_up(base, seed=99)
    provenance = {
        "scenario_hash": "f00d",
        "seed": 7,
        "customers": n,
        "versions": {"numpy": "2.4", "torch": None},
        "command": ["run.py", "--title", "<i>mine</i>"],
        "time": "2026-01-02T03:04:05+00:00",
    }
    return Comparison(RETAIL, 7, runs, baseline, provenance)


def answer_of(comparison, agent=None, privileged=()):
    return find_answer(comparison, find_roles(comparison, agent, privileged))


@pytest.fixture(scope="module")
def gains():
    return {"agent": 3.0, "no contact": -2.0, "oracle": 6.0, "<b>x</b> $a$": 0.1}


@pytest.fixture(scope="module")
def page(gains, tmp_path_factory):
    path = write_report(
        comparison_of(gains, idle={"no contact"}),
        tmp_path_factory.mktemp("report") / "new" / "report.html",
        privileged={"oracle"},
        curve=CURVE,
        title="A <title> & more",
        notes=["Mind <this>."],
        artefacts=["runs/<first>.json"],
    )
    return path.read_text(encoding="utf-8")


def drawings(page):
    """The drawings as XML, which is stricter than HTML."""
    found = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    return [ElementTree.fromstring(drawing) for drawing in found]  # made by ourselves above


def words(drawing):
    return [str(element.text) for element in drawing.iter("text")]


# --- one file, on any screen


def test_report_needs_nothing_but_itself(page):
    assert "http" not in page
    assert "@import" not in page
    assert not re.search(r"<(script|link|img|iframe|object|base)\b|\bsrc\s*=", page)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_report_is_small_even_with_ten_policies(tmp_path):
    gains = {f"policy {i}": float(i) for i in range(9)}
    path = write_report(comparison_of(gains), tmp_path / "r.html", curve=CURVE)
    assert path.stat().st_size < 1_500_000


def test_equal_comparisons_give_equal_reports(gains, tmp_path):
    first = write_report(comparison_of(gains), tmp_path / "a.html", curve=CURVE)
    second = write_report(comparison_of(gains), tmp_path / "b.html", curve=CURVE)
    assert first.read_bytes() == second.read_bytes()


def test_every_id_is_unique_and_every_reference_resolves(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", page)) == set(ids)


def test_drawings_are_well_formed_and_have_a_description(page):
    figures = [drawing for drawing in drawings(page) if drawing.get("role") == "img"]
    assert len(figures) == 2 + 2 + 2 + 2 + 5 + 2 + 2
    assert all(figure.get("aria-label") for figure in figures)


def test_every_colour_is_defined_for_light_and_dark(page):
    used = set(re.findall(r"var\(--(\w+)\)", page)) - {"verdict"}
    light, dark = re.findall(r":root \{\s*(?:color-scheme[^;]*;)?\s*(--[^}]*)\}", page)
    assert used <= set(re.findall(r"--(\w+):", light))
    middle_tones = {name for name in used if name.startswith("line")}  # serve both
    assert used - middle_tones <= set(re.findall(r"--(\w+):", dark))


def test_drawings_take_all_colours_from_the_page(page):
    body = page[page.index("<body>") :]
    assert not re.findall(r"(?:fill|stroke): #\w+", body)
    assert "#fa07" not in body


def test_text_of_drawings_is_text_in_the_font_of_the_page(page):
    assert any("practice" in words(drawing) for drawing in drawings(page))
    assert "DejaVu" not in page


# --- everything is there


def test_every_figure_is_there_and_numbered(page):
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    figures = [f"{i}. {title}" for i, title in enumerate(TITLES, start=1)]
    assert heads == ["Ranking", *figures, "Notes", "Files", "Provenance"]


def test_without_a_curve_there_is_no_learning_figure(gains, tmp_path):
    text = write_report(comparison_of(gains), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "How it learned" not in text
    assert "6. Value by persona" in text


def test_every_policy_is_ranked_and_drawn(page, gains):
    rows = re.findall(r'<th scope="row"><div class="name">.*?<div>(.*?)</div>', page)
    names = [unescape(row.split("<span")[0]) for row in rows]
    assert names == ["oracle", "agent", "<b>x</b> $a$", "practice", "no contact"]
    shown = [words(drawing) for drawing in drawings(page) if drawing.get("role") == "img"]
    for name in gains:
        assert sum(name in text for text in shown) >= 4, name
        assert f"by channel: {name}" in unescape(page)


def test_every_number_has_its_unit(page):
    text = [word for drawing in drawings(page) for word in words(drawing)]
    assert text.count("(EUR per customer)") == 8
    assert text.count("weeks since acquisition") == 2 + 5
    assert {"million transitions", "minutes of training", "(%)", "contacts per week"} <= set(text)


def test_provenance_is_complete(page):
    for told in ("f00d", "numpy 2.4, torch not installed", "2026-01-02T03:04:05+00:00"):
        assert told in page
    assert "run.py --title '<i>mine</i>'" in unescape(page)


def test_whatever_comes_from_outside_is_escaped(page):
    for text in ("A <title> & more", "<b>x</b> $a$", "Mind <this>.", "runs/<first>.json"):
        assert text in unescape(page)
        assert text not in page
    assert not re.search(r"<(b|i|this|first)>", page)


def test_unused_ledger_lines_and_channels_are_left_out(page):
    assert "Margin (EUR)" in page
    assert "Recurring (EUR)" not in page
    assert "</svg>recurring</li>" not in page


def test_a_real_comparison_can_be_reported(tmp_path):
    policies = {"random": UniformRandom(), "no contact": NoContact()}
    text = write_report(
        compare(policies, "retail", 60, baseline="no contact"), tmp_path / "real.html"
    ).read_text(encoding="utf-8")
    assert text.count('class="caption"') == 1 + 6
    assert "bought in the" in text


# --- the answer


def test_a_win_names_winner_size_and_interval():
    comparison = comparison_of({"agent": 3.0})
    answer, gap = answer_of(comparison), comparison.difference("agent")
    assert answer.verdict == "win"
    assert answer.sentence == (
        f"Agent earns {gap.mean:.2f} EUR more per customer than practice "
        f"(95 % interval of the paired difference {gap.low:.2f} to {gap.high:.2f} EUR)."
    )


def test_a_loss_says_that_the_agent_did_not_win():
    comparison = comparison_of({"agent": -3.0})
    answer, gap = answer_of(comparison), comparison.difference("agent")
    assert answer.verdict == "loss"
    assert answer.sentence == (
        f"Agent does not win: it earns {-gap.mean:.2f} EUR less per customer than practice "
        f"(95 % interval of the paired difference −{-gap.low:.2f} to −{-gap.high:.2f} EUR)."
    )


def test_a_tie_has_no_winner():
    comparison = comparison_of({"agent": 0.05}, noise=10.0)
    answer, gap = answer_of(comparison), comparison.difference("agent")
    assert gap.low < 0.0 < gap.high
    assert answer.verdict == "tie"
    assert answer.claim == "No winner: agent and practice cannot be told apart;"
    assert "which includes 0" in answer.sentence


def test_equal_policies_tie():
    answer = answer_of(comparison_of({"agent": 0.0}, noise=0.0))
    assert answer.verdict == "tie"
    assert "is 0.00 EUR per customer" in answer.sentence


def test_the_sentence_stands_before_everything_else(page, gains):
    answer = answer_of(comparison_of(gains, idle={"no contact"}), privileged={"oracle"})
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page[page.index("<body>") :]))
    told = unescape(plain).replace("\xa0", " ")
    assert answer.sentence in told
    assert told.index(answer.sentence) < told.index("Ranking")
    assert f'class="answer {answer.verdict}"' in page


def test_a_privileged_policy_is_a_yardstick_and_never_the_subject():
    comparison = comparison_of({"oracle": 9.0, "agent": 3.0})
    roles = find_roles(comparison, None, {"oracle"})
    answer = find_answer(comparison, roles)
    assert roles.subject == "agent"
    assert answer.claim.startswith("Agent earns")
    yardstick = [text for text in answer.details if text.startswith("Yardstick, not contender")]
    assert "sees the hidden half of the customer" in yardstick[0]
    assert "oracle +8.98 EUR (8.88 to 9.08)" in yardstick[0]
    assert not any(text.startswith("Better than") for text in answer.details)


def test_a_privileged_agent_is_called_so():
    answer = answer_of(comparison_of({"oracle": 9.0}), "oracle", {"oracle"})
    assert answer.claim.startswith("Oracle (sees the hidden half of the customer) earns")


def test_fair_policies_that_did_better_than_the_subject_are_named():
    answer = answer_of(comparison_of({"agent": 1.0, "rival": 4.0, "twin": 1.01, "weak": 0.0}))
    better = next(text for text in answer.details if text.startswith("Better than agent: "))
    assert re.fullmatch(r"Better than agent: rival \+\d\.\d\d EUR \([^,]*\)\.", better)
    text = " ".join(answer.details)
    assert "not told apart from it: twin." in text
    assert "weak" not in text


def test_what_contacting_earns_at_all_is_told():
    comparison = comparison_of({"agent": 1.0, "quiet": 1.0}, idle={"quiet"}, noise=0.0)
    assert "Against quiet: agent 0.00 EUR (0.00 to 0.00; cannot be told apart)" in " ".join(
        answer_of(comparison).details
    )
    assert "practice −1.00 EUR (−1.00 to −1.00; worse)" in " ".join(answer_of(comparison).details)


def test_subject_is_the_first_fair_policy_that_does_more_than_wait():
    comparison = comparison_of(
        {"quiet": 5.0, "oracle": 9.0, "agent": 1.0, "x": 2.0}, idle={"quiet"}
    )
    assert find_roles(comparison, None, {"oracle"}).subject == "agent"
    assert find_roles(comparison, "x", {"oracle"}).subject == "x"


def test_a_baseline_alone_decides_nothing(tmp_path):
    comparison = comparison_of({"oracle": 1.0})
    answer = answer_of(comparison, privileged={"oracle"})
    assert answer.verdict == "alone"
    assert answer.claim.startswith("Nothing to decide: only practice was run")
    assert write_report(comparison, tmp_path / "r.html", privileged={"oracle"}).exists()


@pytest.mark.parametrize(
    ("agent", "privileged", "message"),
    [
        ("agnt", (), "'agnt' is not one of the compared policies; did you mean 'agent'"),
        (None, {"orcale"}, "'orcale' is not one of the compared policies"),
        ("practice", (), "agent must differ from the baseline, got 'practice' for both"),
    ],
)
def test_unknown_names_are_refused(agent, privileged, message):
    with pytest.raises(PolicyError, match=re.escape(message)):
        find_roles(comparison_of({"agent": 1.0}), agent, privileged)


def test_one_customer_is_too_few(tmp_path):
    comparison = comparison_of({"agent": 1.0})
    runs = {
        name: replace(run, customers=run.customers[:1]) for name, run in comparison.rollouts.items()
    }
    with pytest.raises(DataError, match="at least 2 customers, got 1"):
        write_report(replace(comparison, rollouts=runs), tmp_path / "r.html")


def test_missing_matplotlib_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"nba_gym\[report\]"):
        write_report(comparison_of({"agent": 1.0}), tmp_path / "r.html")


# --- the numbers


@pytest.mark.parametrize(
    ("x", "digits", "signed", "text"),
    [
        (1234.5, 1, False, "1,234.5"),
        (-0.004, 2, True, "0.00"),
        (-3.14159, 2, False, "−3.14"),
        (2.0, 0, True, "+2"),
    ],
)
def test_numbers_are_written_for_people(x, digits, signed, text):
    assert number(x, digits, signed=signed) == text


@pytest.mark.parametrize(
    ("half", "digits"), [(123.0, 0), (9.0, 1), (0.5, 2), (0.098, 2), (0.012, 3), (0.0, 2)]
)
def test_decimals_follow_the_width_of_the_interval(half, digits):
    assert digits_for(Interval(5.0, 5.0 - half, 5.0 + half)) == digits


def test_paired_survival_equals_a_count_of_every_customer():
    generator, horizon = np.random.default_rng(3), 12
    mine, base = generator.integers(0, horizon + 1, (2, 50)).astype(np.float64)
    periods = np.arange(horizon)
    gaps = 100.0 * ((mine[:, None] > periods) * 1.0 - (base[:, None] > periods))
    gap, error = survival_gap(mine, base, horizon)
    np.testing.assert_allclose(gap, gaps.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(error, 1.96 * gaps.std(axis=0, ddof=1) / np.sqrt(50), atol=1e-9)


def test_smoothing_averages_a_period_with_those_before_it():
    series = np.array([[4.0], [0.0], [2.0], [2.0], [8.0]])
    assert smoothed(series, 4)[:, 0].tolist() == [4.0, 2.0, 2.0, 2.0, 3.0]


def test_where_nobody_leaves_no_axis_goes_beyond_a_hundred_per_cent():
    comparison = comparison_of({"agent": 1.0})
    stays = {"alive": np.ones(RETAIL.horizon), "lifetime": np.full(N, float(RETAIL.horizon))}
    runs = {name: replace(run, **stays) for name, run in comparison.rollouts.items()}
    stage = Stage.of(replace(comparison, rollouts=runs), find_roles(comparison, None, ()))
    share, gap = (
        words(ElementTree.fromstring(panel)) for _, panel in survival_figure(stage).panels
    )
    assert "100" in share
    assert not {"102", "102.5", "105"} & set(share)
    assert {"−1", "0", "1"} <= set(gap)


def test_behaviour_shows_shares_that_sum_to_a_hundred():
    comparison = comparison_of({"agent": 1.0})
    stage = Stage.of(comparison, find_roles(comparison, None, ()))
    title, drawing = behaviour_figure(stage).panels[0]
    assert title == "agent"
    told = words(ElementTree.fromstring(drawing))
    kinds = [k for k in StateCounts.KINDS if any(a.kind == k for a in RETAIL.actions)]
    assert told[: len(kinds)] == kinds
    assert told.count("–") == len(kinds)
    assert {"26 weeks", "no purchase for"} <= set(told)
    shares = [100.0 * i / 21.0 for i in range(7) if StateCounts.KINDS[i] in kinds]
    assert [word for word in told if word.isdigit()] == [f"{share:.0f}" for share in shares]


def test_bars_stack_earnings_right_of_zero_and_costs_left():
    axes: Any = Figure().add_subplot()
    parts, look = np.array([[5.0, -1.0, 2.0, -3.0]]), Style("ink", "D")
    rows = [Row(0.0, Interval(3.0, 2.0, 4.0), look, "agent")]
    paint_stacks(axes, parts, [Style(f"line{i}") for i in range(4)], rows, "money")
    bars = [patch.get_bbox().intervalx.tolist() for patch in axes.patches]
    spans = sorted(sorted(bar) for bar in bars if bar[0] != bar[1])
    assert spans == [[-4.0, -1.0], [-1.0, 0.0], [0.0, 5.0], [5.0, 7.0]]
    drawn = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    assert [2.0, 4.0] in drawn
    assert [3.0] in drawn


def test_value_figure_draws_the_numbers_of_the_table():
    comparison = comparison_of({"agent": 3.0})
    stage = Stage.of(comparison, find_roles(comparison, None, ()))
    told = [words(ElementTree.fromstring(drawing)) for _, drawing in value_figure(stage).panels]
    row = comparison.table.row(0, named=True)
    assert row["policy"] == "agent"
    assert f"{row['value']:.1f}" in told[0]
    assert f"+{row['difference']:.2f}" in told[1]


def test_learning_curve_is_drawn_with_its_interval_and_levels():
    axes, look = Figure().add_subplot(), Style("agent", "o")
    x, y = np.arange(3.0), np.array([1.0, 2.0, 3.0])
    paint_lines(axes, [Line(x, y, look, (y - 0.5, y + 1.0))], "steps", "value")
    paint_levels(axes, [(2.5, look)])
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (0.5, 4.0)
    heights = [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
    assert heights == [[1.0, 2.0, 3.0], [2.5, 2.5]]


def test_looks_tell_policies_apart_and_follow_roles(gains):
    comparison = comparison_of(gains, idle={"no contact"})
    looks = policy_styles(list(comparison.rollouts), find_roles(comparison, None, {"oracle"}))
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(looks)
    assert {name: looks[name].colour for name in ("agent", "practice", "no contact", "oracle")} == {
        "agent": "agent",
        "practice": "baseline",
        "no contact": "idle",
        "oracle": "privileged",
    }


def test_level_lines_of_the_curve_say_whose_they_are(gains, tmp_path):
    def caption(**more):
        path = write_report(comparison_of(gains), tmp_path / "r.html", curve=CURVE, **more)
        return path.read_text(encoding="utf-8")

    assert "means over the customers of the table; they are others" in caption()
    assert "means over the same customers" in caption(curve_levels={"practice": 21.0})
