"""Write every generated page: ``python -m scripts.docs``; with ``--check`` only say which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from dragoman.language.reference import language_page
from scripts.codes import codes_page
from scripts.connectors import connector_pages, formats_page, support_table

TOP = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- connectors:begin -->\n", "<!-- connectors:end -->"


def pages() -> dict[Path, str]:
    """What each generated file has to hold, the README with its table in place."""
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md has no {BEGIN.strip()} … {END} for the table of connectors")
    return {
        TOP / "README.md": f"{before}{BEGIN}{support_table()}{END}{after}",
        TOP / "docs" / "codes.md": codes_page(),
        TOP / "docs" / "formats.md": formats_page(),
        TOP / "docs" / "language.md": language_page(),
        **{TOP / "docs" / "connectors" / f"{name}.md": text for name, text in connector_pages().items()},
    }


def stale() -> list[str]:
    """The files that do not hold what they have to, and pages of connectors that are gone."""
    wanted = pages()
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    gone = [path for path in (TOP / "docs" / "connectors").glob("*.md") if path not in wanted]
    return [str(path.relative_to(TOP)) for path in (*wrong, *gone)]


def main(words: list[str]) -> int:
    """Write the pages, or check them."""
    if words == ["--check"]:
        wrong = stale()
        if wrong:
            sys.stderr.write(f"stale: {', '.join(wrong)}; make docs\n")
        return 1 if wrong else 0
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in stale():
        (TOP / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
