"""What an import costs and drags in."""

import subprocess
import sys

BARE = "import sys, dragoman, dragoman.cli.main; heavy = {'airflow', 'pandas', 'duckdb', 'pyarrow'} & set(sys.modules)"


def test_importing_dragoman_imports_no_airflow():
    code = f"{BARE}; assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_line_and_the_steps_import_no_airflow():
    code = "import sys, dragoman.steps.run, dragoman.cli.run; assert 'airflow' not in sys.modules, 'airflow'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
