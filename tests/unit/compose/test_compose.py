"""docker-compose.yaml without an engine: its shape, its secrets, what it publishes; by the client itself where it is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts import env

TOP = Path(__file__).parents[3]
FILE = TOP / "docker-compose.yaml"
TEXT = FILE.read_text()
SITE = yaml.safe_load(TEXT)
SERVICES = SITE["services"]
JOBS = {"ledger", "init"}
AIRFLOW = {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}
KNOWN = {
    "image",
    "build",
    "user",
    "init",
    "restart",
    "cap_drop",
    "security_opt",
    "environment",
    "volumes",
    "depends_on",
    "command",
    "ports",
    "tmpfs",
    "stop_grace_period",
    "healthcheck",
}


def test_the_services_are_those_of_a_celery_site():
    assert set(SERVICES) == AIRFLOW | JOBS | {"postgres", "redis"}
    for name, service in SERVICES.items():
        assert set(service) <= KNOWN, name
        assert "container_name" not in service, "a named container cannot be scaled"
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        volumes = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(SITE["volumes"]), name


def test_what_goes_on_running_has_a_healthcheck_and_comes_back():
    for name, service in SERVICES.items():
        if name not in JOBS:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_every_secret_comes_from_the_file_that_make_env_writes(tmp_path):
    required = set(re.findall(r"\$\{([A-Z_]+):\?run make env\}", TEXT))
    with_default = set(re.findall(r"\$\{([A-Z_]+):-", TEXT))
    assert required == set(env.values())
    assert with_default == {"DRAGOMAN_PORT", "WORKER_CONCURRENCY"}
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT)) == required | with_default


def test_only_the_api_server_is_published_and_only_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api-server"}
    assert all(port.startswith("127.0.0.1:") for port in published["api-server"])
    assert "network_mode" not in TEXT
    assert "privileged: true" not in TEXT


def test_all_of_airflow_shares_one_ledger_and_one_stage():
    for name in AIRFLOW:
        service = SERVICES[name]
        assert service["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
        assert service["environment"]["AIRFLOW_CONN_DRAGOMAN_LEDGER"].startswith("postgresql://")
        assert f"stage:{service['environment']['DRAGOMAN_STAGE']}" in service["volumes"]
        assert service["cap_drop"] == ["ALL"]
    assert "ADMIN_PASSWORD" not in SERVICES["worker"]["environment"]


def test_the_image_runs_as_somebody_without_rights():
    words = (TOP / "Dockerfile").read_text()
    assert re.findall(r"^USER (\d+)$", words, re.MULTILINE) == ["50000"]
    assert words.rstrip().endswith("USER 50000")
    assert ".env" not in (TOP / ".dockerignore").read_text()


def test_the_client_accepts_it(tmp_path):
    """The engine is not asked: ``config`` reads the file against the compose specification and fills it in."""
    command = next((words for words in (["docker", "compose"], ["docker-compose"]) if _answers(words)), None)
    if command is None:
        pytest.skip("neither docker compose nor docker-compose is installed here")
    env.write(tmp_path / ".env")
    words = [*command, "--file", str(FILE), "--env-file", str(tmp_path / ".env"), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(words):
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run([*words, "version"], capture_output=True, check=False).returncode == 0
