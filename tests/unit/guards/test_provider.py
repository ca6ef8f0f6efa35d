"""Airflow asks for the provider's description in every process."""

import time

from dragoman.orchestration.provider import get_provider_info


def test_provider_info_is_quick_and_names_the_connections():
    get_provider_info()
    began = time.process_time()
    info = get_provider_info()
    assert time.process_time() - began < 0.010
    assert info["package-name"] == "dragoman"
    assert info["connection-types"]
