"""A small page for one run's figures; every value that came from outside is escaped."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["run_page"]

FIGURES = ("read", "delivered", "rejected", "filtered", "in_doubt")

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.35rem .8rem;border-bottom:1px solid #d0d7de;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.green{color:#116329}.red{color:#a40e26}pre{white-space:pre-wrap}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}
.green{color:#56d364}.red{color:#ff7b72}}
"""


def run_page(report: dict[str, Any]) -> str:
    """The report of a run (``steps/report.py``) as HTML."""
    name, state = escape(str(report["integration"])), escape(str(report["state"]))
    good = report["state"] in {"done", "nothing_new"}
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{name}: {state}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{name}</h1><p>Run {escape(str(report['run_id']))}: ",
        f"<strong class='{'green' if good else 'red'}'>{state}</strong> in {escape(str(report['seconds']))} s, ",
        f"{'balanced' if report['balanced'] else 'not balanced'}.</p>",
        _table(list(FIGURES), [[report[figure] for figure in FIGURES]]),
    ]
    nodes = report.get("nodes") or {}
    if nodes:
        keys = list(dict.fromkeys(key for counts in nodes.values() for key in counts))
        rows = [[node, *(counts.get(key, "") for key in keys)] for node, counts in nodes.items()]
        parts += ["<h2>Nodes</h2>", _table(["node", *keys], rows)]
    if report.get("error"):
        error = report["error"]
        parts += [f"<h2>Why it is red</h2><pre>{escape(str(error['message']))} [{escape(str(error['code']))}]</pre>"]
    parts.append("</body></html>")
    return "".join(parts)


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    head = "".join(f"<th scope='col'>{escape(text.replace('_', ' '))}</th>" for text in heads)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td class='n'>{value:,}</td>"
    return f"<td>{escape(str(value))}</td>"
