"""Where the demo keeps its things: all below ``.demo/`` in the checkout."""

from __future__ import annotations

from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BIN = TOP / ".venv" / "bin"
STATE = TOP / ".demo"
LOGS = STATE / "logs"
AIRFLOW_HOME = STATE / "airflow"
DRAGOMAN_HOME = STATE / "dragoman"
INBOX = STATE / "inbox"
OUT = STATE / "out"
PROCESSES = STATE / "processes.json"
ENV_FILE = STATE / "env"
API_DATA = STATE / "orders.json"
SAMPLES = TOP / "include" / "samples"
