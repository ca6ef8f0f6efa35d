"""``python -m demo start`` and ``python -m demo stop``; people say ``make demo`` and ``make stop``."""

from __future__ import annotations

import sys

from demo.failure import DemoError
from demo.start import start
from demo.stop import stop


def main(words: list[str]) -> int:
    """Exit codes: 0 all as it must be, 1 not, 2 an unknown word."""
    if words == ["stop"]:
        print(f"{stop()} processes ended")
        return 0
    if words != ["start"]:
        print("python -m demo start | stop", file=sys.stderr)
        return 2
    try:
        return start()
    except DemoError as error:
        print(f"\n{error.report()}\nWhat has started is still up; make stop ends it.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted; make stop ends what has started", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
