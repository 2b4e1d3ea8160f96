"""Scenarios load, extend one another, can be overridden, and are described by their schema."""

import math
import re
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from nba_gym.scenario.load import load_scenario, preset_names, scenario_hash
from nba_gym.scenario.schema import Scenario, json_schema


@pytest.fixture
def write(tmp_path, small_file):
    """Writes a file beside ``small.toml`` and returns its path."""
    (tmp_path / "small.toml").write_text(small_file.read_text())

    def write(text, name="mine.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_under_its_own_name(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.title
    assert scenario.actions[0].kind == "wait"


def test_loading_a_scenario_again_returns_it_unchanged(small):
    assert load_scenario(small) is small


def test_a_scenario_cannot_be_changed_after_loading(small):
    with pytest.raises(ValidationError, match="frozen"):
        small.horizon = 3
    with pytest.raises(ValidationError, match="frozen"):
        small.leaving.period_base = 3.0


def test_a_file_that_extends_another_changes_only_what_it_gives(write, small):
    mine = load_scenario(
        write(
            'extends = "small.toml"\nhorizon = 20\n[purchase]\nby_need = 2.0\n'
            '[[channels]]\nname = "email"\ncost = 0.5\n'
            '[[actions]]\nname = "email_offer"\nneeds = { gifts = 0.5 }\n'
        )
    )
    assert mine.horizon == 20
    assert mine.purchase == small.purchase.model_copy(update={"by_need": 2.0})
    assert mine.channels[0] == small.channels[0].model_copy(update={"cost": 0.5})
    assert mine.actions[1].needs == {"shoes": 0.75, "gifts": 0.5}
    rest = set(Scenario.model_fields) - {"horizon", "purchase", "channels", "actions"}
    assert all(getattr(mine, name) == getattr(small, name) for name in rest)


def test_new_rows_are_added_after_the_old_ones(write):
    row = '[[actions]]\nname = "email_news"\nkind = "inform"\nchannel = "email"\n'
    mine = load_scenario(write('extends = "small.toml"\n' + row))
    assert [a.name for a in mine.actions] == ["wait", "email_offer", "web_service", "email_news"]


def test_a_distribution_of_another_family_replaces_the_old_one_whole(write, small):
    text = 'extends = "small.toml"\n[traits]\n'
    mine = load_scenario(
        write(
            text + 'spend = { family = "lognormal", median = 9.0, sigma = 0.5 }\n'
            "leaving = { a = 2.0 }\n"
        )
    )
    assert mine.traits.spend.model_dump() == {"family": "lognormal", "median": 9.0, "sigma": 0.5}
    assert mine.traits.leaving.model_dump() == {"family": "beta", "a": 2.0, "b": 2.426}
    assert mine.traits.arrival == small.traits.arrival


def test_a_need_may_be_called_family(write):
    """Only a distribution is replaced; a table that happens to have such a row is merged."""
    rows = '[[needs]]\nname = "family"\nmargin = 0.5\n[[actions]]\nname = "email_offer"\n'
    arrival = '[traits.arrival.family]\nfamily = "constant"\nvalue = 0.1\n'
    text = 'extends = "small.toml"\n' + rows + "needs = { family = 1.0 }\n" + arrival
    mine = load_scenario(write(text))
    assert mine.actions[1].needs == {"shoes": 0.75, "family": 1.0}


def test_a_file_may_extend_one_that_extends_a_preset(write):
    write('extends = "retail"\nhorizon = 7\nname = "parent"', "parent.toml")
    mine = load_scenario(write('extends = "parent.toml"\nname = "child"'))
    assert (mine.name, mine.horizon) == ("child", 7)
    assert mine.needs == load_scenario("retail").needs


def test_overrides_read_the_same_as_a_mapping_and_as_text(small):
    mapping = {
        "leaving.period_base": -3.0,
        "channels.email.cost": 0.25,
        "actions.email_offer.suitability": ["complaint", "basket"],
        "traits.spend": {"family": "constant", "value": 5.0},
        "purchase.process": "one",
        "contract.enabled": True,
    }
    texts = [
        "leaving.period_base=-3.0",
        " channels.email.cost = 0.25",
        'actions.email_offer.suitability=["complaint", "basket"]',
        "traits.spend={family = 'constant', value = 5.0}",
        "purchase.process=one",  # a bare word, as from a command line
        "contract.enabled=true",
    ]
    changed = load_scenario(small, mapping)
    assert changed == load_scenario(small, texts)
    assert changed.leaving.period_base == -3.0
    assert changed.channels[0].cost == 0.25
    assert changed.actions[1].suitability == ("complaint", "basket")
    assert changed.contract.enabled
    assert load_scenario(small, texts[0]) == load_scenario(small, texts[:1])


def test_overrides_may_be_numbers_of_numpy(small):
    changed = load_scenario(small, {"horizon": np.int64(7), "discount": np.float32(0.5)})
    assert (changed.horizon, changed.discount) == (7, 0.5)
    assert type(changed.horizon) is int


def test_a_persona_gets_a_trait_of_its_own_by_override(small):
    own = {"family": "lognormal", "median": 3.0, "sigma": 0.1}
    paths = {f"personas.calm.traits.tolerance.{key}": value for key, value in own.items()}
    changed = load_scenario(small, paths)
    tolerance = changed.personas[0].traits.tolerance
    assert tolerance is not None
    assert tolerance.model_dump() == own
    assert small.personas[0].traits.tolerance is None


def test_the_hash_is_that_of_the_values_whatever_the_file_looks_like(small, small_file, write):
    small_text = small_file.read_text()
    digest = scenario_hash(small)
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    whole_number = small_text.replace("price = 2.0", "price = 2")
    other_order = 'title = "A small shop"\n' + small_text.replace('title = "A small shop"\n', "")
    rows = re.findall(r"^arrival.*\n", small_text, re.MULTILINE)[-2:]
    rows_turned = small_text.replace("".join(rows), "".join(rows[::-1]))
    assert rows_turned != small_text
    for text in (small_text, whole_number, other_order, rows_turned):
        assert scenario_hash(load_scenario(write(text))) == digest
    assert scenario_hash(Scenario.model_validate(small.model_dump(mode="json"))) == digest


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 1),
        ("horizon", 11),
        ("title", "Another shop"),
        ("channels.email.cost", 0.010000000000000002),
        ("actions.email_offer.needs.gifts", 1e-9),
        ("traits.leaving.a", 0.794),
        ("personas.busy.traits.arrival.gifts.value", 0.5),
        ("need_dynamics.excitation.shoes.gifts", 0.7),
        ("contract.enabled", True),
    ],
)
def test_the_hash_changes_with_every_value(small, path, value):
    assert scenario_hash(load_scenario(small, {path: value})) != scenario_hash(small)


def parts(model: type[BaseModel], seen: set[type[BaseModel]] | None = None):
    """The model and every model inside its fields."""
    seen = set() if seen is None else seen
    if model in seen:
        return seen
    seen.add(model)
    for field in model.model_fields.values():
        for kind in leaves(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                parts(kind, seen)
    return seen


def leaves(annotation: Any) -> list[Any]:
    """The types an annotation is made of."""
    if get_origin(annotation) is Literal:
        return [str]
    inner = get_args(annotation)
    return [leaf for part in inner for leaf in leaves(part)] if inner else [annotation]


def test_every_field_has_a_meaning_and_every_number_a_unit():
    found = parts(Scenario)
    assert {"Scenario", "PersonaTraits", "LogNormal", "Contract", "Need"} <= {
        model.__name__ for model in found
    }
    without: list[str] = []
    for model in found:
        for name, field in model.model_fields.items():
            described = bool(field.description)
            if {int, float} & set(leaves(field.annotation)):
                extra = field.json_schema_extra
                unit = extra.get("unit") if isinstance(extra, dict) else None
                described = bool(unit) and f"{field.description}".endswith(f" [{unit}]")
            without += [] if described else [f"{model.__name__}.{name}"]
    assert without == []


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """What a value breaks in the part of JSON Schema that scenarios use."""
    if "$ref" in schema:
        return violations(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    found: list[str] = []
    for choice in ("anyOf", "oneOf"):
        results = [violations(value, option, root) for option in schema.get(choice, [])]
        if results and all(results):
            found.append(f"{value!r} fits none: {results}")
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kinds |= {"integer": int, "number": (int, float)}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return [f"{value!r} is no {schema['type']}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{value!r} is not allowed")
    if isinstance(value, int | float):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        inside = low <= value <= high and (above is None or value > above)
        found += [] if inside and (below is None or value < below) else [f"{value} out of range"]
    if isinstance(value, list):
        found += [v for item in value for v in violations(item, schema.get("items", {}), root)]
    if isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties", {})
        found += [f"{name} missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            part = known.get(name, other)
            found += [f"{name} unknown"] if part is False else violations(item, part, root)
    return found


@pytest.mark.parametrize("name", preset_names())
def test_the_json_schema_accepts_every_preset(name):
    tree = load_scenario(name).model_dump(mode="json")
    assert violations(tree, json_schema(), json_schema()) == []


def test_the_json_schema_rejects_what_the_loader_rejects_and_knows_extends(small):
    schema, tree = json_schema(), small.model_dump(mode="json")
    assert violations(tree, schema, schema) == []
    assert violations(tree | {"horizons": 3}, schema, schema) == ["horizons unknown"]
    assert violations(tree | {"horizon": 0}, schema, schema) == ["0 out of range"]
    assert violations(tree | {"period": "eon"}, schema, schema) == ["'eon' is not allowed"]
    assert violations({"extends": "small.toml", "horizon": 3}, schema, schema) == []
    assert violations({"horizon": 3}, schema, schema) != []
