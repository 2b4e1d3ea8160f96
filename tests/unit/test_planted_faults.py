"""The faults of ``make mutants`` can be planted, and only a test that fails is a catch."""

import ast
import re

import pytest

from tests.mutants.run import ROOT, judge, load_faults

FAULTS = {fault.name: fault for fault in load_faults()}


def test_every_fault_has_a_name_of_its_own():
    assert len(FAULTS) == len(load_faults()) >= 40


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_can_be_planted_in_one_place_and_leaves_code(name):
    fault = FAULTS[name]
    text = (ROOT / fault.file).read_text()
    assert text.count(fault.before) == 1
    planted = text.replace(fault.before, fault.after)
    assert planted != text
    if fault.file.endswith(".py"):
        assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize("name", FAULTS)
def test_the_tests_of_a_fault_exist(name):
    assert FAULTS[name].tests
    for test in FAULTS[name].tests:
        file, _, function = test.partition("::")
        words = re.escape(function.partition("[")[0])
        assert re.search(rf"^def {words}\(", (ROOT / file).read_text(), re.MULTILINE), test


def report(part: str) -> str:
    case = f'<testcase classname="tests.unit.test_a" name="test_b">{part}</testcase>'
    return f"<testsuites><testsuite>{case}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("code", "part", "outcome"),
    [
        (0, "", "SURVIVED"),
        (1, '<failure message="assert 1 == 2">...</failure>', "caught"),
        (1, '<failure message="AssertionError: not equal">...</failure>', "caught"),
        (1, '<failure message="numba.core.errors.TypingError: no">...</failure>', "BROKEN"),
        (1, '<failure message="ImportError: no">...</failure>', "BROKEN"),
        (1, '<failure message="Failed: Timeout (&gt;600.0s)">...</failure>', "BROKEN"),
        (1, '<error message="failed on setup">...</error>', "BROKEN"),
        (2, '<error message="collection failure">...</error>', "BROKEN"),
        (4, "", "BROKEN"),
        (-11, '<failure message="assert 1 == 2">...</failure>', "BROKEN"),
    ],
)
def test_only_a_test_that_ran_and_failed_is_a_catch(code, part, outcome, tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(report(part))
    found, by, said = judge(code, path)
    assert found == outcome
    assert by == "tests/unit/test_a.py::test_b" or outcome != "caught"
    assert said


def test_without_a_report_nothing_is_caught(tmp_path):
    assert judge(1, tmp_path / "report.xml")[0] == "BROKEN"
