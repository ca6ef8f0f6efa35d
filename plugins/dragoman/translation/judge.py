"""The code of a record: NULL if it is good, -1 if it is filtered, else the number of its first failure (from 1).

A record is judged in the order in which a map works: filter, lookups, fields in their order, checks. The values that
an expression uses are judged right before it, so that a column which nothing uses can hold what it will.
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.translation.expression import Expression
from dragoman.translation.input_sql import can_fail, failed, reject_code
from dragoman.translation.inputs import Input
from dragoman.translation.shape import Output, Shape

__all__ = ["FILTERED", "Failure", "judge"]

FILTERED = -1
BROKEN = "expression.failed"


@dataclass(frozen=True)
class Failure:
    """One way in which a record can fail. ``kind`` chooses the sentence; ``column`` holds the value to name."""

    kind: str
    code: str
    field: str
    column: str = ""
    expression: Expression | None = None
    one: Input | None = None
    detail: str = ""


def judge(shape: Shape, *, careful: bool) -> tuple[str, list[Failure]]:
    """SQL over ``layers_sql`` of the same form, and the failures that its numbers mean (the same in both forms)."""
    verdict = _Verdict(careful)
    if shape.filter is not None:
        verdict.inputs(shape.filter, "filter")
        verdict.broken("fe_0", "filter", shape.filter)
        verdict.cases.append(f"WHEN f_0 IS NOT TRUE THEN {FILTERED}")
    for place, (lookup, keys) in enumerate(zip(shape.lookups, shape.keys, strict=True)):
        for number, key in enumerate(keys):
            verdict.inputs(key, lookup.name)
            verdict.broken(f"ye_{place}_{number}", lookup.name, key)
        if lookup.missing != "null":
            verdict.case(f"NOT found_{place}", Failure("lookup", "lookup.missing", lookup.name, detail=str(place)))
    for number, output in enumerate(shape.outputs):
        verdict.output(shape, number, output)
    for number, check in enumerate(shape.checks):
        name = check.field or check.code.partition(".")[2]
        verdict.broken(f"ke_{number}", name, check.expression, kind="check_error")
        verdict.case(f"k_{number} IS FALSE", Failure("check", check.code, check.field, expression=check.expression))
    cases = " ".join(verdict.cases)
    return f"CAST({f'CASE {cases} END' if cases else 'NULL'} AS INTEGER)", verdict.failures


class _Verdict:
    def __init__(self, careful: bool) -> None:
        self.careful = careful
        self.cases: list[str] = []
        self.failures: list[Failure] = []

    def case(self, condition: str, failure: Failure) -> None:
        self.failures.append(failure)
        self.cases.append(f"WHEN {condition} THEN {len(self.failures)}")

    def broken(self, condition: str, name: str, expression: Expression, *, kind: str = "error") -> None:
        """An expression that raises: only the careful form can see it, the numbers are the same in both."""
        self.failures.append(Failure(kind, BROKEN, name, expression=expression))
        if self.careful:
            self.cases.append(f"WHEN {condition} THEN {len(self.failures)}")

    def inputs(self, expression: Expression, name: str) -> None:
        for one in expression.inputs:
            if can_fail(one):
                self.case(failed(one), Failure("input", reject_code(one), name, f"w_{one.number}", one=one))

    def output(self, shape: Shape, number: int, output: Output) -> None:
        name, direct = output.spec.name, output.expression.direct
        if not output.from_words:
            self.inputs(output.expression, name)
        if direct is not None and not output.spec.type and shape.is_double(direct):
            self.case(f"q_{direct.number}", Failure("inexact", "number.inexact", name, f"w_{direct.number}"))
        if output.risky:
            self.broken(f"e_{number}", name, output.expression)
        said = str(output.kind)
        self.case(
            f"(x_{number} IS NOT NULL AND c_{number} IS NULL)",
            Failure("cast", f"type.{said.partition('(')[0]}", name, f"x_{number}", output.expression, detail=said),
        )
        if output.spec.required:
            required = Failure("required", "field.required", name, expression=output.expression)
            self.case(f"o_{number} IS NULL", required)
