"""What a service says of itself: the world it serves, and the description of its interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nba_gym.scenario.schema import Scenario
from nba_gym.serving.requests import LONGEST_HISTORY, LONGEST_NAME, MOST_EVENTS, Reader

if TYPE_CHECKING:
    from fastapi import FastAPI

    from nba_gym.serving.service import Service

_NAME = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_REFUSALS = {
    400: "the body is no strict JSON",
    401: "no key, or one that is not known",
    403: "not with this key, or not in this service",
    404: "no such thing",
    409: "at odds with what was told before",
    413: "the body is too large",
    415: "the body is of another type",
    421: "the host is not the one that is served",
    422: "a field breaks its rule",
    429: "too many requests with this key",
    503: "busy, stopping, or unable to record; try again",
}


def world_document(scenario: Scenario, reader: Reader) -> dict[str, Any]:
    """Channels, actions and event columns of a world, for people and pages."""
    return {
        "scenario": scenario.name,
        "period": scenario.period,
        "channels": [{"name": c.name, "direction": c.direction} for c in scenario.channels],
        "actions": [
            {"name": a.name, "kind": a.kind, "channel": None if a.kind == "wait" else a.channel}
            for a in scenario.actions
        ],
        "events": {name: _column(name, reader) for name in reader.ranges},
        "birth": {name: _number(limits) for name, limits in reader.birth_ranges.items()},
    }


def _number(limits: tuple[float, float, bool]) -> dict[str, Any]:
    low, high, whole = limits
    return {"type": "integer" if whole else "number", "minimum": low, "maximum": min(high, 3e38)}


def _column(name: str, reader: Reader) -> dict[str, Any]:
    """A column of an event record: its range, names that may stand for numbers, its default."""
    limits, names = reader.ranges[name], reader.records.names.get(name)
    default = reader.records.quiet[reader.records.columns.index(name)]
    told = _number(limits) | {"default": int(default) if limits[2] else float(default)}
    return told | ({"names": {each: int(n) for each, n in names.items()}} if names else {})


def _event(name: str, reader: Reader) -> dict[str, Any]:
    """What JSON may hold for a column: a number, a name that stands for one, or a truth value."""
    column = _column(name, reader)
    default, names = column.pop("default"), column.pop("names", {})
    forms: list[dict[str, Any]] = [column]
    forms += [{"enum": list(names)}] if names else []
    if column["minimum"] <= 0 and column["maximum"] >= 1:
        forms.append({"type": "boolean"})
    return {"anyOf": forms, "default": default}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _question(reader: Reader, scenario: Scenario) -> dict[str, Any]:
    inbound = [c.name for c in scenario.channels if c.direction == "inbound"]
    columns = {name: _event(name, reader) for name in reader.ranges}
    births = {name: _number(limits) for name, limits in reader.birth_ranges.items()}
    return _object(
        ["customer", "consent"],
        customer=_NAME,
        consent=_object([], **{name: {"type": "boolean"} for name in reader.outbound}),
        asking={"enum": ["any", "outbound", "inbound"]},
        channel={"enum": [None, *inbound]},
        events={"type": "array", "maxItems": MOST_EVENTS, "items": _object([], **columns)},
        birth=_object([], **births),
        history={"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST_HISTORY},
        period={"type": ["integer", "null"], "minimum": 0, "maximum": 1_000_000},
    )


def _inference() -> dict[str, Any]:
    tensor = {
        "name": {"enum": ["observations", "masks"]},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "datatype": {"enum": ["FP32", "INT8"]},
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    }
    one = _object(["name", "shape", "datatype", "data"], **tensor)
    return _object(
        ["inputs"],
        id={"type": "string", "maxLength": 128},
        inputs={"type": "array", "minItems": 2, "maxItems": 2, "items": one},
        outputs={"type": "array", "items": {"type": "object", "required": ["name"]}},
        parameters={"type": "object"},
    )


def _bodies(service: Service) -> dict[str, dict[str, Any]]:
    money = {"type": "number", "minimum": -1e12, "maximum": 1e12}
    return {
        "/v1/decide": _question(service.reader, service.scenario),
        "/v1/outcome": _object(
            ["decision"], decision=_NAME, reward=money, delivered={"type": "boolean"}
        ),
        "/v2/models/{name}/infer": _inference(),
        "/admin/v1/swap": _object(["policy"], policy=_NAME),
        "/admin/v1/roll-back": {},
        "/admin/v1/erase": _object(["customer"], customer=_NAME),
    }


def _answers(service: Service) -> dict[str, dict[str, Any]]:
    """What is answered with 200, by path; other answers are what they are named after."""
    text, number = {"type": "string"}, {"type": "number"}
    digest = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    chance = {"type": "number", "minimum": 0.0, "maximum": 1.0}
    action = {"enum": [a.name for a in service.scenario.actions]}
    ranked = _object(
        ["action", "score", "propensity"], action=action, score=number, propensity=chance
    )
    rules = {"type": "array", "items": text, "minItems": 1}
    told: dict[str, Any] = {
        "decision": text,
        "customer": text,
        "time": {"type": "string", "format": "date-time"},
        "policy": digest,
        "arm": {"enum": ["champion", "challenger"]},
        "period": {"type": "integer", "minimum": 0},
        "action": action,
        "propensity": chance,
        "explored": {"type": "boolean"},
        "why": text,
        "value": {"type": ["number", "null"]},
        "ranked": {"type": "array", "items": ranked, "minItems": 1},
        "dropped": {
            "type": "array",
            "items": _object(["action", "rules"], action=action, rules=rules),
        },
    }
    return {
        "/v1/decide": _object(list(told), **told, history=text),
        "/v1/outcome": _object(["decision", "recorded"], decision=text, recorded=told["time"]),
        "/v2/health/live": _object(["live"], live={"type": "boolean"}),
        "/v2/health/ready": _object(["ready"], ready={"type": "boolean"}),
        "/admin/v1/swap": _object(["policy"], policy=digest),
        "/admin/v1/roll-back": _object(["policy"], policy=digest),
        "/admin/v1/erase": _object(["erased"], erased={"type": "integer", "minimum": 0}),
    }


def describe(app: FastAPI, service: Service) -> dict[str, Any]:
    """The interface in OpenAPI, with the fields and ranges of the world that is served."""
    from fastapi.openapi.utils import get_openapi

    if app.openapi_schema:
        return app.openapi_schema
    found = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes
    )
    bodies, answers = _bodies(service), _answers(service)
    problem = _object(["error"], error={"type": "string"})
    key = {"in": "header", "name": "Idempotency-Key", "schema": {**_NAME, "pattern": "^[!-~]+$"}}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            said: dict[str, Any] = {"description": "the answer"}
            if path in answers:
                said["content"] = {"application/json": {"schema": answers[path]}}
            operation["responses"] = {"200": said} | {
                str(status): {
                    "description": why,
                    "content": {"application/json": {"schema": problem}},
                }
                for status, why in _REFUSALS.items()
            }
            operation["parameters"] = []
            if "{name}" in path:
                name = {"in": "path", "name": "name", "required": True, "schema": _NAME}
                operation["parameters"].append(name)
            if path in ("/v1/decide", "/v1/outcome", "/admin/v1/roll-back"):
                operation["parameters"].append(key)
            if method == "post":
                content = {"application/json": {"schema": bodies[path]}}
                operation["requestBody"] = {"required": bool(bodies[path]), "content": content}
    found["components"] = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    found["security"] = [{"key": []}]
    app.openapi_schema = found
    return found
