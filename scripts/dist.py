"""Build the source archive and the wheel into ``dist/``: ``python -m scripts.dist [folder]``.

Only files that are under version control, or would be, go in. The wheel is built from the archive, so the archive is
whole. Nothing is fetched: setuptools is the one of this environment. The same files of the same commit give the same
bytes: dates are the commit's, owners and rights are fixed.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PACKED = ("plugins/", "dags/", "docs/", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE")
NEEDED = (
    "dragoman/py.typed",
    "dragoman/registry.json",
    "dragoman/connectors/files/connector.yaml",
    "dragoman/formats/formats.yaml",
    "dragoman/ledger/migrations/script.py.mako",
    "dragoman/plugin.py",
)


def snapshot(folder: Path) -> Path:
    """Copy what belongs into the archive, as it lies on the disk now, into ``folder``; returns the folder."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=True).stdout
    for path in sorted(name for name in listed.split("\0") if name.startswith(PACKED) and (TOP / name).is_file()):
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / path, copy)
        copy.chmod(0o644)
    return folder


def day() -> int:
    """The commit's time in seconds; ``SOURCE_DATE_EPOCH`` where it is set already."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    said = subprocess.run(
        ["git", "log", "-1", "--format=%ct"],  # noqa: S607
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout)


def pack(tree: Path, folder: Path, seconds: int) -> tuple[Path, Path]:
    """Make both files of a snapshot; returns archive and wheel, or raises ``SystemExit`` where one is not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dragoman-dist-") as name:
        work = Path(name)
        shutil.copytree(tree, work / "tree")
        archive = _same_bytes(_made("sdist", work / "tree", work, seconds), seconds)
        with tarfile.open(archive) as packed:
            packed.extractall(work / "unpacked", filter="data")
        (unpacked,) = (work / "unpacked").iterdir()
        wheel = _made("wheel", unpacked, work, seconds)
        wrong = missing(wheel, tree)
        if wrong:
            raise SystemExit(f"{wheel.name} is not whole: {', '.join(wrong)}")
        return Path(shutil.copy(archive, folder)), Path(shutil.copy(wheel, folder))


def missing(wheel: Path, tree: Path) -> list[str]:
    """What a wheel lacks of its snapshot: files of the package, its licence, its entry points."""
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        points = next((packed.read(name).decode() for name in names if name.endswith("/entry_points.txt")), "")
    plugins = tree / "plugins"
    package = {
        str(path.relative_to(plugins))
        for path in (plugins / "dragoman").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    lacking = sorted({*package, *NEEDED} - names)
    lacking += [] if any(name.endswith(".dist-info/licenses/LICENSE") for name in names) else ["LICENSE"]
    groups = ("[airflow.plugins]", "[apache_airflow_provider]", "[console_scripts]")
    return lacking + [group for group in groups if group not in points]


def _made(kind: str, source: Path, work: Path, seconds: int) -> Path:
    out = work / kind
    out.mkdir()
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(seconds), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=source,
        env=environment,
        umask=0o022,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the {kind} was not built:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    (made,) = out.iterdir()
    return made


def _same_bytes(archive: Path, seconds: int) -> Path:
    """The archive written anew with fixed dates, owners, rights and order."""
    body = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
            member.mode, member.pax_headers = (0o755 if member.isdir() else 0o644), {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(body.getvalue(), mtime=seconds))
    return archive


def main(words: list[str]) -> int:
    """Build, and say what was made."""
    with tempfile.TemporaryDirectory(prefix="dragoman-dist-") as name:
        for path in pack(snapshot(Path(name)), Path(words[0]) if words else TOP / "dist", day()):
            sys.stdout.write(f"{path}  {path.stat().st_size / 1024:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
