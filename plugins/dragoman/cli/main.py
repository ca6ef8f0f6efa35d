"""The front door of the command line: finds the verb, loads only its module, and turns errors into exit codes.

Exit codes: 0 done, 1 a run is red or held (or something may pass later), 2 wrong input.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import NoReturn

from dragoman import __version__
from dragoman.cli.output import emit_error
from dragoman.core.errors import ConfigError, DragomanError

__all__ = ["main"]

VERBS: dict[str, tuple[str, str]] = {
    "check": ("dragoman.cli.check", "check integrations; without arguments all of them"),
    "schema": ("dragoman.cli.schema", "print the JSON Schema of the language, for editors"),
    "explain": ("dragoman.cli.explain", "show what an integration compiles to: SQL, tasks, guarantee"),
    "preview": ("dragoman.cli.preview", "show records before and after the translation; deliver nothing"),
    "run": ("dragoman.cli.run", "run an integration here and now"),
    "runs": ("dragoman.cli.runs", "list runs and their figures"),
    "rejects": ("dragoman.cli.rejects", "list rejected records with their reasons"),
    "replay": ("dragoman.cli.replay", "send rejected records again by today's mapping"),
    "correct": ("dragoman.cli.correct", "give a rejected record as it should have been"),
    "dismiss": ("dragoman.cli.dismiss", "close rejected records that shall not be sent"),
    "settle": ("dragoman.cli.dismiss", "say of records in doubt whether they have arrived"),
    "resume": ("dragoman.cli.decide", "go on with a held run by today's mapping"),
    "accept": ("dragoman.cli.decide", "deliver the good records of a held run and keep its rejects"),
    "abandon": ("dragoman.cli.decide", "give a held or failed run up; its cursor stays where it was"),
    "cursor": ("dragoman.cli.cursor", "show, set or reset where the next run of an integration begins to read"),
    "access": ("dragoman.cli.access", "bring the rights of access: into Airflow"),
    "connectors": ("dragoman.cli.connectors", "list connectors, show one, test a connection"),
    "connections": ("dragoman.cli.circuits", "list connections that have failed, reset a circuit breaker"),
    "prove": ("dragoman.cli.prove", "say whether, when and as what a record was delivered, with its receipt"),
    "verify": ("dragoman.cli.verify", "check that receipts are unchanged, whole, and agree with the destinations"),
    "purge": ("dragoman.cli.purge", "remove what policy.retention no longer keeps"),
    "failpoints": ("dragoman.cli.failpoints", "list the named places where a test may kill the program"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the words as every other mistake is said, in JSON too where that is asked for."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("cli.usage", f"{self.prog}: {message}", next_step=f"{self.prog} --help")


def _parser(verb: str | None) -> argparse.ArgumentParser:
    parser = _Parser(prog="dragoman", description="Records carried, translated and accounted for.")
    parser.add_argument("--version", action="version", version=f"dragoman {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (module, text) in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text)
        if name == verb:
            importlib.import_module(module).add_arguments(sub)
            sub.add_argument("--json", action="store_true", help="print JSON on stdout, and nothing else there")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the console script exits with what this returns."""
    words = sys.argv[1:] if argv is None else argv
    verb = next((word for word in words if not word.startswith("-")), None)
    try:
        args = _parser(verb).parse_args(words)
        return int(importlib.import_module(VERBS[args.verb][0]).run(args))
    except ConfigError as error:
        emit_error(error, as_json="--json" in words)
        return 2
    except DragomanError as error:
        emit_error(error, as_json="--json" in words)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the next run goes on from what is staged\n")
        return 1
    except BrokenPipeError:
        return 1
