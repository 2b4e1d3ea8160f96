"""The notebooks run to their end, end with a picture, and are what their scripts say."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from notebooks.make import read_script, scripts

ROOT = Path(__file__).parents[2]
USERS = {"nba_gym", "agents", "gymnasium", "matplotlib", "numpy", "polars"}
"""What a user has: our own packages' public names, and what they stand on."""
NAMES = [path.name for path in scripts()]


def source_of(name: str) -> Path:
    return ROOT / "notebooks" / name


def test_there_are_five_of_them():
    assert [name[:2] for name in NAMES] == ["01", "02", "03", "04", "05"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_to_its_end_and_ends_with_a_picture(name, tmp_path):
    command = [sys.executable, "-m", "notebooks.make", "--names", name, "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = tmp_path.glob("*.ipynb")
    last = jupytext.read(path).cells[-1]
    shown = [kind for output in last.outputs for kind in output.get("data", {})]
    assert "image/png" in shown


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_the_cells_of_its_script_and_what_they_came_to(name):
    notebook = jupytext.read(source_of(name).with_suffix(".ipynb"))
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    script = [(cell.cell_type, cell.source) for cell in read_script(source_of(name)).cells]
    assert cells == script, "make notebooks writes it anew"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_imports_what_a_user_would(name):
    tree = ast.parse(source_of(name).read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
            assert not [alias.name for alias in node.names if alias.name.startswith("_")]
    roots = {module.split(".")[0] for module in imported}
    assert roots - set(sys.stdlib_module_names) <= USERS
    assert "nba_gym" in roots


@pytest.mark.parametrize("name", NAMES)
def test_a_notebooks_last_picture_has_titles_units_and_intervals(name):
    last = source_of(name).read_text(encoding="utf-8").split("# %%")[-1]
    assert "title" in last
    assert "xlabel" in last
    assert "fill_between" in last or "errorbar" in last
    assert "95 %" in last
