"""What Airflow is told about the package."""

import json
import subprocess
import sys

from dragoman.orchestration import provider

CODE = """
import sys, time, json, pathlib, typing, importlib.metadata  # every process of Airflow has these
start = time.process_time()
from dragoman.orchestration.provider import get_provider_info
info = get_provider_info()
took = time.process_time() - start
assert not {'airflow', 'pyarrow', 'duckdb', 'msgspec'} & set(sys.modules)
print(json.dumps([took, info]))
"""


def test_it_is_quick_and_imports_nothing_heavy():
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(took for took, _info in runs) < 0.010


def test_every_type_of_a_manifest_that_airflow_does_not_know_has_a_form():
    forms = {form["connection-type"]: form for form in provider.get_provider_info()["connection-types"]}
    assert {"file", "sqlite", "duckdb", "s3"} <= set(forms)
    assert not {"postgres", "http"} & set(forms)
    assert forms["duckdb"]["hook-class-name"] == "dragoman.orchestration.hooks.DuckdbHook"
    assert forms["sqlite"]["conn-fields"]["path"]["label"] == "Path"
    assert "password" in forms["sqlite"]["ui-field-behaviour"]["hidden-fields"]


def test_a_type_has_our_form_where_airflows_own_provider_is_not_installed(monkeypatch):
    def not_installed(name):
        raise provider.PackageNotFoundError(name)

    monkeypatch.setattr(provider, "distribution", not_installed)
    forms = {form["connection-type"]: form for form in provider.get_provider_info()["connection-types"]}
    assert set(provider.PROVIDER_OF) < set(forms)
    assert "schema" not in forms["postgres"]["ui-field-behaviour"]["hidden-fields"]


def test_a_secret_field_is_a_password_and_a_choice_is_a_list(tmp_path, monkeypatch):
    fields = {
        "host": {"help": "where", "example": "https://x"},
        "api_key": {"help": "the key", "secret": True},
        "version": {"help": "of the API", "values": ["v1", "v2"], "default": "v2"},
    }
    registry = {"connectors": {"x": {"title": "X", "connection": {"types": ["x"], "fields": fields}}}}
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    monkeypatch.setattr(provider, "REGISTRY", tmp_path / "registry.json")
    (form,) = provider.get_provider_info()["connection-types"]
    assert form["ui-field-behaviour"]["placeholders"] == {"host": "https://x"}
    assert form["ui-field-behaviour"]["hidden-fields"] == ["port", "login", "password", "schema", "extra"]
    assert form["conn-fields"]["api_key"]["schema"]["format"] == "password"
    assert form["conn-fields"]["version"]["schema"]["enum"] == ["v1", "v2"]
