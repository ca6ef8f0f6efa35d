"""The page of an integration in Airflow: what it does, and its YAML whole, so that each edit is a new DAG version."""

from __future__ import annotations

import re

from dragoman.core.flow import DeliverySpec, Flow

__all__ = ["doc_of"]


def doc_of(flow: Flow, *, stale: bool) -> str:
    """Markdown: title, a line for each source and delivery, the YAML."""
    lines = [f"### {flow.title or flow.integration}", ""]
    if stale:
        lines += ["**Stale**: the file is broken now; its last good copy, below, goes on running (Import Errors).", ""]
    for source in flow.sources:
        streams = ", ".join(stream.name for stream in source.streams if stream.name)
        lines.append(f"- reads {source.connector}{_at(source.connection)}" + (f": {streams}" if streams else ""))
    lines += [f"- {_delivers(spec)}" for spec in flow.deliveries]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", flow.text)), default=0))
    lines += ["", f"{fence}yaml", flow.text.rstrip("\n"), fence, ""]
    return "\n".join(lines)


def _delivers(spec: DeliverySpec) -> str:
    key = f" by {', '.join(spec.key)}" if spec.key else ""
    when = f" when {spec.when}" if spec.when else " when nothing else takes it" if spec.otherwise else ""
    target = next((str(spec.options[name]) for name in ("table", "path", "object") if name in spec.options), "")
    return f"delivers to {spec.connector}{_at(spec.connection)} {target} ({spec.mode}{key}){when}"


def _at(connection: str) -> str:
    return f" ({connection})" if connection else ""
