"""The JSON Schema of the language: the model's own, with each connector's options from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.core.manifest import FormatInfo, Manifest, Option, Registry
from dragoman.core.registry import registry
from dragoman.language.document import GraphDocument, ShortDocument

__all__ = ["json_schema"]

_DURATION = {"type": ["string", "number"], "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w)?$"}
_IDENTIFIER = {"type": "string", "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"}
_PLAIN: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "duration": _DURATION,
    "identifier": _IDENTIFIER,
    "path": {"type": "string"},
    "expression": {"type": "string"},
}
_LISTS = frozenset({"key", "from", "after", "to"})
"""Lists of which one text alone may stand."""

_SHORTHAND = {
    "Schedule": {"type": "string"},
    "FormatBody": {"type": "string"},
    "Cursor": {"type": "string"},
    "FieldBody": {"type": "string"},
    "MaxRejects": {"type": ["integer", "string"]},
}


def json_schema(known: Registry | None = None) -> dict[str, Any]:
    """JSON Schema 2020-12 of a document in either form."""
    known = known or registry()
    definitions: dict[str, Any] = {}
    for model in (ShortDocument, GraphDocument):
        schema = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
    _narrow(definitions, known)
    graph = {"anyOf": [{"required": [name]} for name in ("sources", "translations", "deliveries")]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Dragoman integration",
        "type": "object",
        "if": graph,
        "then": {"$ref": "#/$defs/GraphDocument"},
        "else": {"$ref": "#/$defs/ShortDocument"},
        "$defs": _with_shorthand(definitions),
    }


def _narrow(definitions: dict[str, Any], known: Registry) -> None:
    readers = {name: one for name, one in known.connectors.items() if one.source}
    writers = {name: one for name, one in known.connectors.items() if one.destination}
    _by_connector(definitions["Source"], readers, "source")
    for name in ("Delivery", "GraphDelivery"):
        if name in definitions:
            _by_connector(definitions[name], writers, "destination")
    body = definitions["FormatBody"]
    body["properties"]["type"] = {"enum": list(known.formats), "description": "Name of the format"}
    body["allOf"] = [_case("type", name, _format_properties(one), body) for name, one in known.formats.items()]
    body.pop("additionalProperties", None)
    stream_options = {
        name: _option(option) for one in readers.values() if one.source for name, option in one.source.options.items()
    }
    definitions["Stream"]["properties"] |= stream_options
    definitions["Stream"]["additionalProperties"] = False
    each = definitions["Translation"]["properties"].get("each")
    for name in ("Translation", "GraphTranslation"):
        if name in definitions and each is not None:
            definitions[name]["properties"]["each"] = {
                "type": "object",
                "description": each.get("description", ""),
                "properties": {"atomic": {"type": "boolean"}},
                "additionalProperties": {"type": "string"},
                "minProperties": 1,
            }
    definitions.pop("Each", None)


def _by_connector(body: dict[str, Any], connectors: Mapping[str, Manifest], role: str) -> None:
    body["properties"]["connector"] = {"enum": list(connectors), "description": "Name of the connector"}
    cases = []
    for name, one in connectors.items():
        side = one.source if role == "source" else one.destination
        if side is None:
            continue
        extra: dict[str, Any] = {option: _option(each) for option, each in side.options.items()}
        if one.destination is not None and role == "destination":
            extra["mode"] = {"enum": list(one.destination.can.modes)}
        case = _case("connector", name, extra, body)
        required = [option for option, each in side.options.items() if each.required]
        required += ["connection"] if one.connection else []
        case["then"]["required"] = required
        if side.one_of:
            case["then"]["allOf"] = [{"oneOf": [{"required": [each]} for each in group]} for group in side.one_of]
        cases.append(case)
    body["allOf"] = cases
    body.pop("additionalProperties", None)


def _case(key: str, value: str, properties: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Where ``key`` has this value, these properties are there beside the common ones, and no others."""
    common = dict.fromkeys(body["properties"], True)
    return {
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"properties": common | properties, "additionalProperties": False},
    }


def _format_properties(one: FormatInfo) -> dict[str, Any]:
    return {name: _option(option) for name, option in one.options.items()}


def _option(option: Option) -> dict[str, Any]:
    schema: dict[str, Any]
    if option.type == "enum":
        schema = {"enum": list(option.values)}
    elif option.type == "list":
        schema = {"type": "array", "items": _option(Option(type=option.of, values=option.values, fields=option.fields))}
    elif option.type == "map":
        schema = {"type": "object"}
        if option.of:
            schema["additionalProperties"] = _option(Option(type=option.of, values=option.values, fields=option.fields))
    elif option.type == "object":
        schema = {
            "type": "object",
            "properties": {name: _option(each) for name, each in option.fields.items()},
            "required": [name for name, each in option.fields.items() if each.required],
            "additionalProperties": False,
        }
        if option.short:
            schema = {"anyOf": [schema, _option(option.fields[option.short])]}
    else:
        schema = dict(_PLAIN[option.type])
    if option.help:
        schema["description"] = option.help
    if option.default is not None:
        schema["default"] = option.default
    if option.example is not None:
        schema["examples"] = [option.example]
    return schema


def _with_shorthand(definitions: dict[str, Any]) -> dict[str, Any]:
    """Where a plain value may stand for a map, both are allowed."""
    done: dict[str, Any] = {}
    for name, body in definitions.items():
        for key in _LISTS & set(body.get("properties", {})):
            listed = body["properties"][key]
            if listed.get("type") == "array":
                about = {"description": listed.pop("description", "")}
                body["properties"][key] = {"anyOf": [{"type": "string"}, listed], **about}
        if name in _SHORTHAND:
            done[name] = {"anyOf": [_SHORTHAND[name], {"$ref": f"#/$defs/{name}Map"}]}
            done[f"{name}Map"] = body
        else:
            done[name] = body
    return done
