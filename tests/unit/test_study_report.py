"""The report of a study says what its cells say, in one file that works in a real browser."""

import json
import re
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from experiments import report as command
from nba_gym.errors import DataError
from nba_gym.evaluation.report.study import write_study_report
from nba_gym.evaluation.report.study.overall import frontier, gains_figure
from nba_gym.evaluation.report.study.scene import read_scenes
from nba_gym.evaluation.report.study.tables import latex, ranking_frame
from nba_gym.evaluation.report.study.words import find_words
from nba_gym.evaluation.report.svg import _short_path
from nba_gym.evaluation.results import STUDY, load_results
from nba_gym.evaluation.statistics import audit
from nba_gym.policies import NoContact
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle
from tests.browser import NEEDS_CHROMIUM, PHONE, browser, opened
from tests.studies import made_study, two_worlds

READY = "body[data-ready=yes]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = made_study(tmp_path_factory.mktemp("study"), two_worlds())
    write_study_report(folder)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return load_results(folder)


@pytest.fixture(scope="module")
def scenes(results):
    return read_scenes(results)


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def window(chromium, folder):
    with opened(chromium, folder / "report.html", READY) as window:
        yield window


# --- what it says


def test_the_answer_comes_first_and_is_that_of_the_statistics(results, scenes):
    answer = find_words(results, scenes)
    retail = scenes[0].answers["good_<agent>"]
    assert retail.gain.low > 0.0
    assert answer.verdict == "win"
    assert answer.claim.startswith("good_<agent> earns ")
    assert any("poor_agent" in detail for detail in answer.details)


def test_an_unfinished_study_says_so(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    study = json.loads((copy / STUDY).read_text()) | {"finished": False}
    shutil.rmtree(copy / "cells" / study["cells"][-1])
    (copy / STUDY).write_text(json.dumps(study))
    results = load_results(copy)
    told = find_words(results, read_scenes(results)).details
    assert (
        told[-1] == f"The study is not finished: {len(study['cells']) - 1} of 18 cells are there."
    )


def test_the_parts_of_the_value_add_up_to_it_for_every_contender(results, scenes):
    for scene in scenes:
        for name, cells in scene.cells.items():
            mean = np.mean([results.cell(cell)["summary"]["value"] for cell in cells])
            assert abs(sum(scene.lines[name].values()) - mean) < 1e-9
            row = ranking_frame(results, scene).filter(pl.col("contender") == name).to_dicts()[0]
            assert abs(sum(row[line] for line in LINES) - mean) < 1e-9


def test_every_contender_but_the_baseline_has_its_interval_in_every_world(folder, scenes):
    page = (folder / "report.html").read_text()
    head = page[page.index('class="verdicts"') :]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", head[: head.index("</table>")])
    assert len(rows) == len(scenes[0].answers) == 4
    for row in rows:
        assert row.count('<span class="interval">') == len(scenes) == 2
    assert "good_<wbr>&lt;agent&gt;" in head
    assert "<agent>" not in page


def test_gains_are_drawn_for_fair_contenders_only(scenes):
    figure = gains_figure(scenes)
    assert figure is not None
    assert [name for _, name in figure.legend] == ["good_<agent>", "poor_agent"]


def test_where_nobody_is_fair_gains_are_drawn_for_everybody(scenes):
    """A study of privileged agents beside the optimum has nobody else."""

    def unfair(scene, answers):
        roles = replace(scene.cast.roles, privileged=frozenset(scene.cast.ranking))
        return replace(scene, cast=replace(scene.cast, roles=roles), answers=answers)

    figure = gains_figure([unfair(scene, scene.answers) for scene in scenes])
    assert figure is not None
    assert {name for _, name in figure.legend} == set(scenes[0].answers)
    assert gains_figure([unfair(scene, {}) for scene in scenes]) is None


def test_variations_of_a_world_are_shown_beside_each_other(tmp_path):
    mild = load_scenario("retail", ["horizon=8"])
    harsh = load_scenario("retail", ["horizon=8", "leaving.by_loyalty=4.0"])
    worlds = [("as_it_is", mild), ("by_loyalty", harsh)]
    made_study(tmp_path, worlds, customers=60, seeds=2)
    page = write_study_report(tmp_path, pictures="none").read_text()
    assert "Sensitivity: retail" in page
    assert 'id="scene-retail--by_loyalty"' in page
    assert not (tmp_path / "figures").exists()


@NEEDS_CHROMIUM
def test_many_variations_are_a_list_and_lie_compressed_until_one_is_chosen(
    tmp_path, chromium, monkeypatch
):
    """Sixty worlds one after the other were 16 MB, and ten seconds of an empty window."""
    monkeypatch.setattr("nba_gym.evaluation.report.study.page.MANY", 2)
    mild = load_scenario("retail", ["horizon=8"])
    odds = {"half": 0.5, "twice": 2.0}
    others = [
        (n, load_scenario("retail", ["horizon=8", f"leaving.by_loyalty={x}"]))
        for n, x in odds.items()
    ]
    made_study(tmp_path, [("as_it_is", mild), *others], customers=60, seeds=2)
    seen: list[tuple[int, int]] = []
    path = write_study_report(tmp_path, progress=lambda *told: seen.append(told))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {p.name.partition("--")[2][:8] for p in (tmp_path / "figures").glob("retail--*")} == {
        "as_it_is"
    }
    with opened(chromium, path, READY) as window:
        page = window.page
        assert page.locator(".tabs button").count() == 0
        assert page.locator(".verdicts tbody tr").count() == 3
        shown = page.locator("#scene-retail--as_it_is")
        twice = page.locator("#scene-retail--twice")
        assert shown.locator("svg").count() > 5
        assert twice.locator("svg").count() == 0
        page.locator(".tabs select").select_option(label="retail: twice")
        twice.locator("svg").first.wait_for()
        assert twice.locator("svg").count() == shown.locator("svg").count()
        assert not shown.is_visible()
        item = twice.locator(".legend li").first
        item.click()
        assert item.get_attribute("aria-pressed") == "true"
        assert not window.complaints
    with opened(chromium, path, READY, viewport=PHONE) as phone:
        assert not phone.scrolls_sideways
    write_study_report(tmp_path, pictures="all")
    assert list((tmp_path / "figures").glob("retail--twice*"))


def test_rules_of_engagement_make_a_frontier_and_other_variations_do_not(tmp_path):
    capped = load_scenario("retail", ["horizon=8", "engagement.total_cap=1"])
    harsh = load_scenario("retail", ["horizon=8", "leaving.by_loyalty=4.0"])
    mild = load_scenario("retail", ["horizon=8"])
    worlds = [("as_it_is", mild), ("capped", capped), ("harsh", harsh)]
    made_study(tmp_path, worlds, customers=60, seeds=2)
    study = json.loads((tmp_path / STUDY).read_text())
    sets = {"capped": "engagement.total_cap", "harsh": "leaving.by_loyalty"}
    changes = [{"name": name, "world": {"set": {field: 1}}} for name, field in sets.items()]
    study["study"] = {"variations": [{"name": "as_it_is"}, *changes]}
    (tmp_path / STUDY).write_text(json.dumps(study))
    results = load_results(tmp_path)
    scenes = read_scenes(results)
    paths = frontier(results, scenes)["retail"]
    assert set(paths) == set(scenes[0].cast.ranking)
    for name, path in paths.items():
        known = {
            float(np.mean([results.cell(c)["summary"]["contacts"] for c in scene.cells[name]])): (
                scene.values[name]
            )
            for scene in scenes[:2]
        }
        assert len(path) == 2  # as it is, and capped
        assert {point.x: point.y for point in path} == known
        assert [point.x for point in path] == sorted(point.x for point in path)


def test_an_agent_that_only_waits_is_a_result_and_not_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tests.studies.acting",
        lambda name, _: NoContact() if name in ("wait", "poor_agent") else MyopicOracle(),
    )
    made_study(tmp_path, [("as_it_is", load_scenario("retail", ["horizon=8"]))], customers=60)
    (scene,) = read_scenes(load_results(tmp_path))
    assert scene.cast.roles.idle == {"wait"}


def test_rewards_are_audited_on_the_page(tmp_path):
    world = load_scenario("retail", ["horizon=8"])
    made_study(tmp_path, [("as_it_is", world)], customers=60)
    assert "Rewards, audited" not in write_study_report(tmp_path, pictures="none").read_text()
    study = json.loads((tmp_path / STUDY).read_text())
    study["contenders"]["poor_agent"]["reward"] = {"profit": 0.0, "responses": 2.0}
    (tmp_path / STUDY).write_text(json.dumps(study))
    page = write_study_report(tmp_path, pictures="none").read_text()
    table = page[page.index('class="audit"') :]
    table = table[: table.index("</table>")]
    assert table.count('<th scope="row">') == 1
    assert "poor_<wbr>agent" in table
    assert "<td>2 responses</td>" in table
    found = audit(load_results(tmp_path)).to_dicts()[0]
    assert (">hacked<" in table) == found["hacked"]


def test_nothing_of_an_earlier_report_stays_beside_a_new_one(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "figures" / "old.svg").write_text("<svg/>")
    (copy / "tables" / "old.csv").write_text("old\n")
    write_study_report(copy)
    assert not (copy / "figures" / "old.svg").exists()
    assert not (copy / "tables" / "old.csv").exists()
    assert {p.name for p in (copy / "tables").iterdir()} == {
        p.name for p in (folder / "tables").iterdir()
    }
    write_study_report(copy, pictures="none")
    assert not (copy / "figures").exists()
    assert not (copy / "tables").exists()
    assert not [path.name for path in copy.iterdir() if path.name.startswith(".")]


def test_a_study_with_nothing_to_compare_is_refused_in_one_line(folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="folder must be that of a study"):
        write_study_report(tmp_path)
    shutil.copy(folder / STUDY, tmp_path / STUDY)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    with pytest.raises(SystemExit, match="error: study must have cells of a baseline"):
        command.main()


# --- beside the report


def test_figures_leave_as_svg_pdf_and_png_in_colours_that_paper_has(folder):
    names = {path.name for path in (folder / "figures").iterdir()}
    stems = {name.rsplit(".", 1)[0] for name in names}
    assert len(stems) >= 16
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "pdf", "png")}
    for path in (folder / "figures").glob("*.svg"):
        ElementTree.parse(path)
        assert "var(--" not in path.read_text()
        assert "#fa07" not in path.read_text()
    assert (folder / "figures" / "gain_over_the_baseline.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "figures" / "gain_over_the_baseline.pdf").read_bytes()[:5] == b"%PDF-"


def test_tables_leave_as_csv_and_latex(folder, results):
    table = pl.read_csv(folder / "tables" / "ranking--retail--as_it_is.csv")
    assert set(table["contender"]) == set(results.study["contenders"])
    assert pl.read_csv(folder / "tables" / "cells.csv").height == len(results.records)
    text = latex(["name", "gain (%)"], [["a_b", "−1.0\n−2 to 1"]])
    assert r"a\_b & $-$1.0 ($-$2 to 1) \\" in text
    assert r"gain (\%)" in text


def test_a_path_in_steps_ends_where_the_path_ends():
    steps = _short_path("M 10 20 \nL 30.05 10 \nL 30.05 0 \n")
    assert steps == "M10 20l20-10l0-10"


# --- in a browser


@NEEDS_CHROMIUM
def test_one_world_is_shown_at_a_time_and_paper_gets_all(window):
    page = window.page
    assert page.locator(".scene:visible").count() == 1
    page.click(".tabs button:nth-child(2)")
    assert page.locator(".scene:visible").get_attribute("data-scene") == "control--as_it_is"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".scene:visible").get_attribute("data-scene") == "retail--as_it_is"
    page.emulate_media(media="print")
    assert page.locator(".scene:visible").count() == 2
    assert page.locator(".tabs").is_hidden()
    page.emulate_media(media="screen")
    assert window.complaints == []


@NEEDS_CHROMIUM
def test_a_link_to_a_world_opens_its_tab(chromium, folder):
    with opened(chromium, folder / "report.html", READY) as window:
        page = window.page
        page.click('.verdicts a[href="#scene-control--as_it_is"]')
        assert page.locator(".scene:visible").get_attribute("data-scene") == "control--as_it_is"
        page.reload()
        page.wait_for_selector(READY)
        assert page.locator(".scene:visible").get_attribute("data-scene") == "control--as_it_is"
        assert window.complaints == []


@NEEDS_CHROMIUM
def test_an_entry_of_a_legend_is_brought_out_and_put_back(window):
    figure = window.page.locator(".scene:visible figure", has_text="Not yet left")
    entry = figure.locator(".legend li", has_text="poor_agent")
    colour = "(e, name) => getComputedStyle(e).getPropertyValue(name)"
    own, other = f"--{entry.get_attribute('data-look')}", "--agent"
    before = figure.evaluate(colour, own), figure.evaluate(colour, other)
    entry.click()
    assert figure.evaluate(colour, own) == before[0]
    assert figure.evaluate(colour, other) != before[1]
    assert entry.get_attribute("aria-pressed") == "true"
    entry.press("Enter")
    assert (figure.evaluate(colour, own), figure.evaluate(colour, other)) == before


@NEEDS_CHROMIUM
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark_and_asks_for_nothing(chromium, folder, scheme):
    with opened(chromium, folder / "report.html", READY, color_scheme=scheme) as window:
        for selector in ("h2", ".caption", ".evidence", "td", ".interval", ".tabs button"):
            assert window.least_contrast(selector) >= 4.5, selector
        assert not window.scrolls_sideways
        assert window.complaints == []


@NEEDS_CHROMIUM
def test_a_phone_need_not_scroll_sideways(chromium, folder):
    with opened(chromium, folder / "report.html", READY, viewport=PHONE) as window:
        assert not window.scrolls_sideways
        assert window.complaints == []
