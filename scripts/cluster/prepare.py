"""Make Airflow's tables and FAB's users in one process; a process each would double the wait for it.

The users come by standard input as JSON: ``[{"name": "ada", "role": "Admin", "password": "..."}]``.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Migrate the configured database, then add the users."""
    people = json.load(sys.stdin)
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.db import initdb

    initdb()
    with get_application_builder() as builder:
        manager = builder.sm
        for person in people:
            name = person["name"]
            made = manager.add_user(
                username=name,
                first_name=name.capitalize(),
                last_name="Test",
                email=f"{name}@example.com",
                role=manager.find_role(person["role"]),
                password=person["password"],
            )
            if not made:
                sys.exit(f"the user {name} could not be made")


if __name__ == "__main__":
    main()
