"""The file of a fitted world: what it extends, and what was fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nba_gym.scenario import Scenario


def for_everybody(world: Scenario, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same changes, of personas as well that have a changed trait of their own.

    A fit speaks of all customers together, so no persona may keep another distribution.
    """
    found = dict(changes)
    for path, given in changes.items():
        group, _, trait = path.partition(".")
        for persona in world.personas:
            if group == "traits" and getattr(persona.traits, trait) is not None:
                found[f"personas.{persona.name}.traits.{trait}"] = given
    return found


def extended(base: str) -> str:
    """A base as a file anywhere can name it: a file by its full path."""
    return str(Path(base).resolve()) if base.endswith(".toml") else base


def scenario_text(base: str, name: str, changes: Mapping[str, Any], told: list[str]) -> str:
    """A scenario file that extends another.

    Args:
        base: What is extended.
        name: Name of the new world.
        changes: Settings by their path, as ``traits.spend`` or ``personas.saver.traits.spend``.
        told: Lines of comment at its head.
    """
    lines = [f"# {line}" for line in told]
    lines += [f"extends = {json.dumps(base)}", f"name = {json.dumps(name)}"]
    tables: dict[str, list[str]] = {}
    for path, given in changes.items():
        table, _, field = path.rpartition(".")
        tables.setdefault(table, []).append(f"{field} = {_value(given)}")
    plain = [table for table in tables if not table.startswith("personas.")]
    for table in plain:
        lines += ["", f"[{table}]", *tables[table]]
    for table in sorted(set(tables) - set(plain)):
        persona = table.split(".")[1]
        lines += ["", "[[personas]]", f'name = "{persona}"', "[personas.traits]", *tables[table]]
    return "\n".join(lines) + "\n"


def _value(given: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(given, Mapping):
        pairs: Mapping[str, Any] = given  # pyright: ignore[reportUnknownVariableType]
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in pairs.items()) + " }"
    return json.dumps(given) if isinstance(given, (str, bool)) else repr(given)
