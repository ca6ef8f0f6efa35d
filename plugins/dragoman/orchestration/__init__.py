"""The shell over Airflow. DAG files need two names of it: ``build`` and ``raise_errors``."""

from dragoman.orchestration.front_door import build, raise_errors

__all__ = ["build", "raise_errors"]
