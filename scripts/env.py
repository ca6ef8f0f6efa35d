"""``make env``: write ``.env`` for docker-compose.yaml, each secret random. Needs nothing but Python.

A file that is there is left alone (exit code 1): new secrets would lock out the database that knows the old ones.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def values() -> dict[str, str]:
    """Fresh secrets, all of letters that need no escape in a URL."""
    return {
        "ADMIN_PASSWORD": secrets.token_urlsafe(18),
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "REDIS_PASSWORD": secrets.token_hex(24),
        "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "JWT_SECRET": secrets.token_hex(64),
        "API_SECRET_KEY": secrets.token_hex(32),
    }


def write(path: Path) -> None:
    """Make the file, readable for its owner alone; ``FileExistsError`` where there is one."""
    text = "".join(f"{name}={value}\n" for name, value in values().items())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def main(words: list[str]) -> int:
    """Exit codes: 0 written, 1 there was one."""
    path = Path(words[0]) if words else TOP / ".env"
    try:
        write(path)
    except FileExistsError:
        print(
            f"{path} is there already and was not changed; to begin anew: docker compose down --volumes, then rm {path}"
        )
        return 1
    print(f"{path}: random secrets, readable for you alone; ADMIN_PASSWORD in it is the first login's (admin)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
