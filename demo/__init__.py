"""The demo: a real PostgreSQL, a small API and Airflow on this machine, and three integrations run by the scheduler."""
