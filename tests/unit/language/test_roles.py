"""Connectors that cannot do what a file asks of them."""

from __future__ import annotations

import msgspec

from dragoman.core.registry import registry
from dragoman.language import compile as compiling

SHORT = """integration: job
source: {connector: http, connection: c, path: /x}
deliver: {connector: http, connection: c, path: /y}
"""


def test_a_connector_with_one_role_is_refused_in_the_other(problems_of, monkeypatch):
    known = registry()
    for missing, line, code in (("destination", 3, "connector.no_destination"), ("source", 2, "connector.no_source")):
        http = msgspec.structs.replace(known.connectors["http"], **{missing: None})
        less = msgspec.structs.replace(known, connectors={**known.connectors, "http": http})
        monkeypatch.setattr(compiling, "registry", lambda less=less: less)
        assert [(problem.code, problem.line) for problem in problems_of(SHORT)] == [(code, line)]
