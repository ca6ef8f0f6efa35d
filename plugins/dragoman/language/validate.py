"""Validates a document and tells every mistake once, at its place.

After the first pass the faulty parts are taken out (or replaced by a stand-in that later checks pass over), so that
what is wrong elsewhere in the file is found in the same go.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from dragoman.language.document import DOCUMENT, FORMS, GraphDocument, ShortDocument, form_of
from dragoman.language.reader import Reading
from dragoman.language.words import BROKEN, nearest, shown

__all__ = ["validate"]

_STAND_INS: dict[str, Any] = {
    "integration": BROKEN,
    "connector": BROKEN,
    "from": BROKEN,
    "type": BROKEN,
    "column": BROKEN,
}
_CUT = re.compile(r"\d+\)")
"""What YAML makes of the end of an unquoted ``decimal(12,2)`` within braces; its beginning is told."""

_WANTED = {
    "model_type": "a map",
    "model_attributes_type": "a map",
    "dict_type": "a map",
    "list_type": "a list",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "one at least",
}


def validate(reading: Reading) -> ShortDocument | GraphDocument | None:
    """The document, without its faulty parts; None where nothing can be said of the rest."""
    value = reading.value
    form = form_of(value)
    for attempt in range(6):
        try:
            return DOCUMENT.validate_python(value)
        except ValidationError as error:
            errors = [(tuple(item["loc"])[1:], item) for item in error.errors(include_url=False)]
        model = FORMS[form]
        unknown = {
            (loc[:-1], nearest(str(loc[-1]), _keys(model, loc[:-1])))
            for loc, item in errors
            if item["type"] == "extra_forbidden"
        }
        for loc, item in errors if attempt == 0 else ():
            if not (item["type"] == "missing" and (loc[:-1], str(loc[-1])) in unknown):
                _tell(reading, model, loc, item)
        if not _repair(value, model, errors):
            return None
    return None


def _tell(reading: Reading, model: type[BaseModel], loc: tuple[Any, ...], item: Any) -> None:
    kind = item["type"]
    context = item.get("ctx") or {}
    is_key = loc[-1:] == ("[key]",)
    path = _real(loc)
    name = str(path[-1]) if path else "the document"
    if _CUT.fullmatch(name) and item["input"] is None:
        return
    if kind == "dragoman":
        reading.add(path, context["code"], context["found"], context["expected"], context["nearest"], key=is_key)
    elif kind == "missing":
        keys = _model_at(model, loc[:-1])
        given = item["input"] if isinstance(item["input"], dict) else {}
        misspelt = next((key for key in given if key not in keys and nearest(str(key), [str(loc[-1])])), None)
        if misspelt is not None:
            found = f"unknown key {misspelt!r}"
            reading.add((*path[:-1], misspelt), "key.unknown", found, f"the key {loc[-1]}", str(loc[-1]), key=True)
            return
        field = next((each for key, each in keys.items() if key == loc[-1]), None)
        example = field.examples[0] if field is not None and field.examples else None
        expected = f"{loc[-1]}: {example}" if example is not None else f"the key {loc[-1]}"
        reading.add(path[:-1], "key.missing", f"{loc[-1]} is missing", expected, key=True)
    elif kind == "extra_forbidden":
        known = _keys(model, loc[:-1])
        expected = "one of " + ", ".join(known)
        reading.add(path, "key.unknown", f"unknown key {name!r}", expected, nearest(name, known), key=True)
    elif kind == "literal_error":
        choices = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
        found = f"unknown value {shown(item['input'])} for {_word(path)}"
        reading.add(path, "key.value", found, "one of " + ", ".join(choices), nearest(str(item["input"]), choices))
    else:
        expected = _WANTED.get(kind, str(item["msg"])).format(**context)
        reading.add(path, "key.type", f"{_word(path)} is {_brief(item['input'])}", expected)


def _brief(value: Any) -> str:
    if isinstance(value, list | dict) and value:
        return "a list" if isinstance(value, list) else "a map"
    return "empty" if value in ({}, []) else shown(value)


def _word(path: tuple[Any, ...]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "the document")


def _real(loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """The path in the file: short notations have a step more in the model, and keys are marked."""
    parts = [part for part in loc if part != "[key]"]
    if "each" in parts and parts[-1] in {"alias", "expression"}:
        parts = parts[:-1]
    return tuple(parts)


def _model_at(model: Any, loc: tuple[Any, ...]) -> dict[str, Any]:
    """The fields of the model at a place, by the keys that people write."""
    parts = iter(loc)
    for part in parts:
        fields = model.model_fields if _is_model(model) else {}
        field = next((each for name, each in fields.items() if (each.alias or name) == part), None)
        if field is None:
            return {}
        model = _inner(field.annotation)
        if _is_many(field.annotation):
            next(parts, None)
    return {each.alias or name: each for name, each in model.model_fields.items()} if _is_model(model) else {}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_many(annotation: Any) -> bool:
    """Whether a key or an index follows."""
    return get_origin(annotation) in {dict, list} or any(map(_is_many, get_args(annotation)))


def _keys(model: Any, loc: tuple[Any, ...]) -> list[str]:
    return list(_model_at(model, loc))


def _inner(annotation: Any) -> Any:
    """The model inside ``Annotated[dict[str, Model] | None, …]``."""
    if _is_model(annotation):
        return annotation
    return next((found for found in map(_inner, get_args(annotation)) if found is not None), None)


def _repair(value: Any, model: type[BaseModel], errors: list[tuple[tuple[Any, ...], Any]]) -> bool:
    """Take the faulty parts out of the document; False where that cannot be done."""
    if not isinstance(value, dict):
        return False
    for loc, item in sorted(errors, key=lambda pair: [str(part).zfill(9) for part in pair[0]], reverse=True):
        only_the_key = item["type"] == "extra_forbidden" or loc[-1:] == ("[key]",)
        if not _take_out(value, model, list(_real(loc)), only_the_key=only_the_key):
            return False
    return True


def _take_out(value: Any, model: type[BaseModel], parts: list[Any], *, only_the_key: bool) -> bool:
    """Take one faulty part out; what cannot be without it goes too, unless something can stand in for it."""
    while parts:
        holder, last = _holder(value, parts[:-1]), parts[-1]
        if isinstance(holder, list) and isinstance(last, int):
            if last < len(holder):
                del holder[last]
            return True
        if isinstance(holder, dict):
            holder.pop(last, None)
            field = None if only_the_key else _model_at(model, tuple(parts[:-1])).get(str(last))
            if field is None or not field.is_required():
                return True
            if last in _STAND_INS:
                holder[last] = _STAND_INS[last]
                return True
        parts = parts[:-1]
    return False


def _holder(value: Any, parts: list[Any]) -> Any:
    for part in parts:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value if isinstance(value, dict | list) else None
