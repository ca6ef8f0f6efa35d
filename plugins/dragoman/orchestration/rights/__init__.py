"""``access:`` of integrations as rights in Airflow (its FAB auth manager); see ``docs/access.md``."""
