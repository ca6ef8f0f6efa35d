"""What a deletion needs of the graph: of a deleted record only the keys of the deliveries are computed.

The same names for every way through the graph: which fields a translation computes of a deleted record is what all
deliveries behind it need, so that each branch counts the same.
"""

from __future__ import annotations

import msgspec

from dragoman.core.expressions import ColumnRef, ExpressionError, name_expression, parse
from dragoman.core.flow import DeliverySpec, FieldSpec, TranslationSpec

__all__ = ["key_fields", "names_of", "needed_names", "plain_name"]

Translations = tuple[TranslationSpec, ...]
Deliveries = tuple[DeliverySpec, ...]


def needed_names(node: str, translations: Translations, deliveries: Deliveries) -> list[str]:
    """The columns of a node's outputs (a stream's: of its records) of which the keys of all deliveries are made."""
    names = [key for delivery in deliveries if delivery.input == node for key in delivery.key]
    for spec in translations:
        if node in spec.inputs:
            for field in key_fields(spec, translations, deliveries):
                names += names_of(field.expression)
    return list({name.lower(): name for name in reversed(names)}.values())[::-1]


def key_fields(spec: TranslationSpec, translations: Translations, deliveries: Deliveries) -> tuple[FieldSpec, ...]:
    """The fields that a translation computes of a deleted record; nothing is required or checked of them."""
    names = needed_names(spec.node, translations, deliveries)
    if spec.fields is None:
        return tuple(FieldSpec(name=name, expression=name_expression(name)) for name in names)
    known = {field.name.lower(): field for field in spec.fields}
    fields = (known[name.lower()] for name in names if name.lower() in known)
    return tuple(msgspec.structs.replace(field, required=False, check="") for field in fields)


def plain_name(expression: str) -> str:
    """The column that an expression is and no more, or empty."""
    text = expression.strip()
    refs = _refs(text)
    if len(refs) != 1 or len(refs[0].names) != 1:
        return ""
    whole = text[refs[0].offset : refs[0].offset + refs[0].length] == text
    return refs[0].names[0] if whole else ""


def names_of(expression: str) -> list[str]:
    """The columns (or aliases) that an expression names; none where it is no expression, which is told elsewhere."""
    return [ref.names[0] for ref in _refs(expression.strip())]


def _refs(text: str) -> tuple[ColumnRef, ...]:
    try:
        return parse(text).column_refs
    except ExpressionError:
        return ()
