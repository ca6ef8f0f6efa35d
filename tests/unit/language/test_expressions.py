"""Expressions: what they refer to and call, and what is no expression."""

import pytest

from dragoman.core.expressions import ExpressionError, Parsed, parse, parse_many, query_fault


def refs(text: str) -> list[str]:
    return [text[ref.offset : ref.offset + ref.length] for ref in parse(text).column_refs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ["a"]),
        (" line.ean ", ["line.ean"]),
        ("upper(trim(line.ean)) || a", ["line.ean", "a"]),
        ("'\U0001f600é' || ab || \"Größe x\"", ["ab", '"Größe x"']),
        ("CASE WHEN a > 1 THEN b ELSE c END", ["a", "b", "c"]),
        ("list_transform(x, lambda y: y + z)", ["x", "z"]),
        ("list_filter(x, y -> y > z)", ["x", "z"]),
        ("list_reduce(l, (x, y) -> x + y + k)", ["l", "k"]),
        ("[x for x in l if x > 1]", ["l"]),
        ("doc -> '$.a'", ["doc"]),
        ("a IN (b, 1) AND c BETWEEN d AND e", ["a", "b", "c", "d", "e"]),
        ("{'k': v}", ["v"]),
        ("a::decimal(12, 2)", ["a"]),
        ("x[i]", ["x", "i"]),
        ("a -- a comment", ["a"]),
        ("date '2020-01-01'", []),
        ("no", ["no"]),
    ],
)
def test_references(text, expected):
    assert refs(text) == expected


def test_names_are_parted():
    assert [ref.names for ref in parse("upper(a.b.c)").column_refs] == [("a", "b", "c")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("upper(trim(a))", ["upper", "trim"]),
        ("a + 1", []),
        ("UPPER(a)", ["upper"]),
        ("a.upper()", ["upper"]),
        ("count(*)", ["count_star"]),
    ],
)
def test_functions(text, expected):
    assert [call.name for call in parse(text).functions] == expected


def test_a_call_in_a_schema_says_so():
    assert parse("main.f(a)").functions[0].schema == "main"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "an empty expression", 0),
        ("a +", "it ends too early", 3),
        ("upper(a", "it ends too early", 7),
        ("order +", "syntax error", 0),
        ("é order b", "syntax error", 2),
        ("1=1; delete from x", "syntax error", 3),
        ("a) FROM t WHERE (b", "more than one expression", 0),
        ("a) UNION SELECT (b", "more than one expression", 0),
        ("a); SELECT (b", "more than one expression", 0),
        ("a), (b", "more than one expression", 0),
        ("a, b", "more than one expression", 0),
        ("b + (SELECT 1)", "a subquery", 4),
        ("EXISTS (SELECT 1)", "a subquery", 0),
        ("sum(x) OVER ()", "a window function", 0),
        ("*", r"\* or COLUMNS", 0),
        ("COLUMNS('a')", r"\* or COLUMNS", 0),
        ("$1", "a parameter", 0),
        ("#1", "a column by its number", 0),
    ],
)
def test_what_is_no_expression(text, message, offset):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize("word", ["order", "at", "desc", "user", "group.from"])
def test_a_word_of_sql_that_stands_alone_is_a_name(word):
    (ref,) = parse(word).column_refs
    assert ref.names == tuple(word.split("."))


def test_many_at_once_are_as_one_by_one():
    texts = ["a", "upper(a)", "a +", "a", "it's", "'it''s'"]
    many = parse_many(texts)
    assert set(many) == set(texts)
    for text in texts:
        if isinstance(many[text], Parsed):
            assert many[text] == parse(text)
        else:
            with pytest.raises(ExpressionError) as caught:
                parse(text)
            assert str(caught.value) == str(many[text])
    assert isinstance(many["it's"], ExpressionError)
    assert isinstance(many["'it''s'"], Parsed)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT 1", None),
        ("WITH a AS (SELECT 1) SELECT * FROM a -- end", None),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("DROP TABLE x", "a statement that is no SELECT"),
        ("COPY x TO 'y'", "a statement that is no SELECT"),
        ("", "0 statements"),
    ],
)
def test_queries(text, fault):
    found = query_fault(text)
    assert (found.message if found else None) == fault
