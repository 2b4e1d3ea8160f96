"""Whatever a user gets wrong on the command line: one clear message, never a traceback."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nba_gym import cli

NEEDS = {"completion": ["bash"], "calibrate": ["x.csv"], "effects": ["x.csv"]}
NEEDS |= {"export": ["wait", "retail"], "score": ["policy", "x.parquet"], "serve": ["policy"]}
NEEDS |= {
    "off-policy": ["retail", "log"],
    "key": ["keys.json", "me"],
    "decisions": ["verify", "log"],
}
NEEDS |= {name: [] for name in ("scenarios", "schema", "policies")}
WORLD = "retail"

# what was called, and what the message must say
WRONG = {
    "scenrios": "did you mean 'scenarios'?",
    "simulat": "did you mean 'simulate'?",
    "xyz": "choose from calibrate, card",
    "--nosuch": "Unrecognized options",
    "show": "Required options",
    "show retial": "did you mean 'retail'?",
    "show retail --set leavin.by_loyalty=2": "did you mean 'leaving'?",
    "show retail --set channels.emial.cost=2": "did you mean 'email'?",
    "show retail --set horizon": "override must read field=value, got 'horizon'",
    "show retail --set horizon=-3": "horizon must be",
    "show nothere.toml": "scenario must be a file that exists",
    "schema --out {folder}/no/such/schema.json": "file must be there",
    "schema --out {folder}": "file must be there",
    "features retial": "did you mean 'retail'?",
    "journey retail --policy practise": "did you mean 'practice'?",
    "journey retail --policy {folder}": "policy must be a name or a folder with card.json",
    "journey retail --customer -1": "customer must be a whole number in [0, 2**64), got -1",
    "journey retail --customer x": "Error parsing --customer",
    "journey retail --seed 1e3": "Error parsing --seed",
    "journey retial": "did you mean 'retail'?",
    "evaluate retail --policies oracel": "did you mean 'oracle'?",
    "evaluate retail --against wiat": "did you mean 'wait'?",
    "evaluate retail --policies wait --customers 1": "customers must be at least 2, got 1",
    "evaluate retail --policies wait --customers 0": "customers must be at least 2, got 0",
    "evaluate retail --campaign 0": "campaign must be at least 1, got 0",
    "evaluate retail --trials -1": "trials must be at least 1, got -1",
    "evaluate retail --out {folder}/no/such.csv": "out must lie in a folder that exists",
    "evaluate retail --policy wait": "Perhaps you meant",
    "simulate retial --out {folder}/o": "did you mean 'retail'?",
    "simulate retail --policy ramdom --out {folder}/o": "did you mean 'random'?",
    "simulate retail --policy {folder}/p --out {folder}/o": "policy must be a name or a folder",
    "simulate retail --customers 0 --out {folder}/o": "customers must be at least 1, got 0",
    "simulate retail --customers many --out {folder}/o": "Error parsing --customers",
    "simulate retail --periods 500 --out {folder}/o": "periods must be in [1, 104]",
    "simulate retail --part 0 --out {folder}/o": "part must be at least 1, got 0",
    "simulate retail --first -5 --out {folder}/o": "first must be at least 0, got -5",
    "simulate retail --threads 0 --out {folder}/o": "threads must be a whole number",
    "simulate retail --seed -1 --out {folder}/o": "seed must be a whole number",
    "simulate retail --out {folder}": "out must be an empty folder or a simulation's",
    "simulate retail --out {folder}/mine.txt": "out must be a folder, got the file",
    "simulate mailing --out {folder}/o": "scenario must have event logs, got 'mailing'",
    "calibrate {folder}/nothere.csv": "file must exist",
    "calibrate {folder}/mine.txt": "must be",
    "calibrate {folder}/till.csv": "must have the column 'customer'",
    "calibrate {folder}/till.csv --model bgnbd": "bg-nbd",
    "calibrate {folder}/till.csv --customer id --date when": "must have the column 'when'",
    "calibrate {folder}/till.csv --customer id --date day --amount eur --base retial": "'retail'?",
    "effects {folder}/nothere.csv": "file must exist",
    "effects {folder}/till.csv": "must have the column 'customer'",
    "card": "card must be given a scenario or --all, got both or neither",
    "card retail --all": "card must be given a scenario or --all, got both or neither",
    "card retial": "did you mean 'retail'?",
    "explore retail --policies oracel wait": "did you mean 'oracle'?",
    "explore retial": "did you mean 'retail'?",
    "export practise retail --out {folder}/o": "did you mean 'practice'?",
    "export practice retial --out {folder}/o": "did you mean 'retail'?",
    "export oracle retail --out {folder}/o": "oracle",
    "export practice retail": "Required options",
    "export practice retail --out {folder}/o --trials 0": "trials must be at least 1, got 0",
    "score {folder} {folder}/x.parquet --out {folder}/o": "policy folder must hold",
    "score {folder}/no {folder}/x.parquet --out {folder}/o": "policy folder must be a folder",
    "serve {folder}/no --data {folder}/d": "policy folder must be a folder",
    "serve {folder} --data {folder}/d --port x": "Error parsing --port",
    "key {folder}/mine.txt me": "mine.txt",
    "key {folder}/keys.json me --role king": "client",
    "decisions verfy {folder}": "verify",
    "decisions verify {folder}/no": "no",
    "decisions erase {folder}": "customer must be named with --customer, got none",
    "completion": "Required options",
    "completion fish": "bash",
}


def call(monkeypatch, *arguments: str) -> int | str | None:
    """What ``nba-gym`` ends with; anything but SystemExit would be a traceback."""
    monkeypatch.setattr(sys, "argv", ["nba-gym", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "mine.txt").write_text("years of work")
    rows = [f"{i % 7},2024-{1 + i % 12:02}-01,{10 + i}" for i in range(60)]
    (tmp_path / "till.csv").write_text("\n".join(["id,day,eur", *rows]))
    return tmp_path


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_call_is_told_in_a_clear_message(wrong, folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "300")
    code = call(monkeypatch, *wrong.format(folder=folder).split())
    shown = capsys.readouterr()
    said = f"{code}{shown.out}{shown.err}"
    assert code not in (0, None)
    assert WRONG[wrong] in said
    assert "Traceback" not in said
    assert (folder / "mine.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_an_unknown_option_is_refused_by_every_command(name, monkeypatch, capsys):
    given = NEEDS.get(name, [WORLD])
    assert call(monkeypatch, name, *given, "--no-such-option", "1") == 2
    assert "no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_every_command_teaches_with_an_example(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert call(monkeypatch, name, "--help") == 0
    shown = capsys.readouterr().out
    assert f"nba-gym {name}" in shown.split("options", maxsplit=1)[0].replace("usage: ", "", 1)
    assert shown.count(f"nba-gym {name}") >= 2, "usage, and an example"


def test_a_mistake_is_told_to_machines_too(monkeypatch, capsys):
    code = call(monkeypatch, "show", "retial", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "show"
    assert told["error"].endswith("did you mean 'retail'?")
    assert "result" not in told
    assert str(code).startswith("error: ")
