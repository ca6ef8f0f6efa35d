"""The plugin is there once, whichever way it came, and no other plugin is lost over it."""

import shutil

import pytest

OTHER = "from airflow.plugins_manager import AirflowPlugin\n\n\nclass Other(AirflowPlugin):\n    name = {name!r}\n"
AROUND = ("aa_neighbour", "zz_neighbour")


def add_neighbours(site, folder):
    """Other people's plugins: two in the folder, two by entry points, on both sides of ours in the alphabet."""
    packages = next((site.root / "venv" / "lib").glob("python3*")) / "site-packages"
    for name in AROUND:
        (packages / f"{name}.py").write_text(OTHER.format(name=name))
        metadata = packages / f"{name}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[airflow.plugins]\n{name} = {name}:Other\n")
        (folder / f"{name}_folder.py").write_text(OTHER.format(name=f"{name}_folder"))


def mount(tree, folder):
    """The pack's plugins folder as it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dragoman").symlink_to(tree / "plugins" / "dragoman")
    for name in (".airflowignore", "dragoman_plugin.py"):
        shutil.copy(tree / "plugins" / name, folder)


@pytest.mark.parametrize(
    ("installed", "mounted", "source"),
    [
        (True, None, "dragoman==0.1.0: "),
        (False, ".", "$PLUGINS_FOLDER/dragoman_plugin.py"),
        (True, ".", "$PLUGINS_FOLDER/dragoman_plugin.py"),
        (True, "vendor/pack", "$PLUGINS_FOLDER/vendor/pack/dragoman_plugin.py"),
    ],
    ids=["installed", "mounted", "both", "both, deeper in the folder"],
)
def test_it_is_registered_once(request, tree, tmp_path, installed, mounted, source):
    site = request.getfixturevalue("site" if installed else "bare_site")
    if mounted:
        mount(tree, tmp_path / mounted)
    add_neighbours(site, tmp_path)
    lead = {} if installed else {"PYTHONPATH": str(tmp_path)}
    seen = site.look("plugins", AIRFLOW__CORE__PLUGINS_FOLDER=str(tmp_path), **lead)["plugins"]
    expected = {"dragoman", *AROUND, *(f"{name}_folder" for name in AROUND)}
    for loader in ("core", "sdk"):
        assert set(seen[loader]) == expected
        assert seen[f"{loader} count"] == len(expected)
        assert seen[f"{loader} errors"] == {}
        assert seen[loader]["dragoman"].startswith(source)
    assert seen["apps"].count("/dragoman") == 1
    assert seen["links"].count("Run figures") == 1
