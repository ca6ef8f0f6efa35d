"""Raises, as one Airflow import error, what is wrong in the integrations; the DAGs of the others stay in their file."""

from dragoman.orchestration import raise_errors

raise_errors()
