"""The front door: every YAML file of the integrations folder becomes an Airflow DAG.

Whoever wants several front doors, parsed side by side, writes files like this one with ``build(shard=0, of=4)``.
"""

from dragoman.orchestration import build

globals().update(build())
