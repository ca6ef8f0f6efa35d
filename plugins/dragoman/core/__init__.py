"""The words of the domain. Nothing here knows Airflow, a connector or a format."""
