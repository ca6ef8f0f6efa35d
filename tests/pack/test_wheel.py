"""What is built: whole, the same bytes each time, nothing beside the package."""

import zipfile

from pack.environment import DAY
from scripts.dist import missing, pack


def test_the_same_files_give_the_same_bytes(archive_and_wheel, tree, tmp_path):
    again = pack(tree, tmp_path / "again", DAY)
    assert [path.name for path in again] == [path.name for path in archive_and_wheel]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in archive_and_wheel]


def test_the_wheel_holds_the_package_alone_and_whole(wheel, tree):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = packed.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"dragoman"}
    assert missing(wheel, tree) == []
    for line in ("License-Expression: Apache-2.0", "License-File: LICENSE", "Requires-Python: <3.14,>=3.11"):
        assert line in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in required if "celery" in line or "postgres" in line]


def test_a_wheel_that_lacks_something_is_refused(wheel, tree, tmp_path):
    poorer = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(poorer, "w") as packed:
        for name in whole.namelist():
            if not name.endswith(("registry.json", "LICENSE")):
                packed.writestr(name, whole.read(name))
    assert missing(poorer, tree) == ["dragoman/registry.json", "LICENSE"]
