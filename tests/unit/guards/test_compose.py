"""The first compose file keeps no secret and opens no port to the world."""

import re
from pathlib import Path

import yaml

TEXT = (Path(__file__).parents[3] / "docker-compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def test_the_components_of_airflow_are_there():
    assert {"postgres", "api-server", "scheduler", "dag-processor", "triggerer"} <= set(SERVICES)


def test_ports_are_on_loopback_alone():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_secret_must_be_given():
    values = re.findall(r"^\s+\w*(?:PASSWORD|SECRET|FERNET|SQL_ALCHEMY)\w*: (.+)$", TEXT, re.M)
    assert values
    assert all("${" in value and ":?" in value for value in values)


def test_the_three_folders_are_mounted():
    volumes = {volume.split(":")[0] for volume in SERVICES["scheduler"]["volumes"]}
    assert {"./dags", "./plugins", "./include"} <= volumes
