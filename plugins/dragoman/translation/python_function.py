"""``python:`` translations: the function ``translate`` of a file in the integration's own folder.

It gets one argument per input, in their order, each with ``_rid`` beside its columns: Arrow tables, or pandas
DataFrames where its first parameter is annotated with one (``frame: pd.DataFrame``). It gives back either. The code
runs as this process may; ``DRAGOMAN_PYTHON_TRANSLATIONS=off`` refuses it for a whole deployment.
"""

from __future__ import annotations

import inspect
import linecache
import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from dragoman.core.batch import RID
from dragoman.core.errors import ConfigError, FatalError
from dragoman.core.flow import TranslationSpec

__all__ = ["call_python"]

SWITCH = "DRAGOMAN_PYTHON_TRANSLATIONS"


def call_python(spec: TranslationSpec, inputs: Mapping[str, pa.Table]) -> pa.Table:
    """Call it. What it raises becomes a ``FatalError`` with the file and the line."""
    if os.environ.get(SWITCH, "").lower() in {"off", "0", "false", "no"}:
        raise ConfigError(
            "translation.python_off",
            f"{spec.python}: python: translations are turned off here ({SWITCH})",
            next_step="write it as fields: or sql:, or ask who runs this deployment",
        )
    function = _function(spec)
    wants_frames = _wants_frames(function)
    given = [table.to_pandas() if wants_frames else table for table in inputs.values()]
    try:
        made = function(*given)
    except Exception as error:
        raise _failed(spec, error) from error
    return _as_table(spec, made)


def _function(spec: TranslationSpec) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "dragoman_translation", "__file__": spec.python}
    # The source is told to linecache, so that a traceback shows the line as it was pinned.
    linecache.cache[spec.python] = (
        len(spec.python_text),
        None,
        spec.python_text.splitlines(keepends=True),
        spec.python,
    )
    try:
        code = compile(spec.python_text, spec.python, "exec", dont_inherit=True)
        exec(code, namespace)  # noqa: S102 - the purpose of this module
    except SyntaxError as error:
        raise ConfigError(
            "translation.python", f"{spec.python}:{error.lineno}: {error.msg}", next_step="correct the file"
        ) from error
    except Exception as error:
        raise _failed(spec, error) from error
    function = namespace.get("translate")
    if not callable(function):
        raise ConfigError(
            "translation.python",
            f"{spec.python} has no function translate",
            next_step="def translate(table): return table",
        )
    return function  # type: ignore[no-any-return]


def _wants_frames(function: Callable[..., Any]) -> bool:
    for parameter in inspect.signature(function).parameters.values():
        annotation = parameter.annotation
        named = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        return named.rpartition(".")[2] == "DataFrame"
    return False


def _as_table(spec: TranslationSpec, made: Any) -> pa.Table:
    if isinstance(made, pa.Table):
        return made
    if isinstance(made, pa.RecordBatch):
        return pa.Table.from_batches([made])
    if type(made).__name__ == "DataFrame":
        try:
            return pa.Table.from_pandas(made, preserve_index=False).replace_schema_metadata(None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise FatalError(
                "translation.python",
                f"{spec.python}: its DataFrame does not go into Arrow: {error}",
                next_step="give each column values of one type",
            ) from error
    raise FatalError(
        "translation.python",
        f"{spec.python}: translate gave back {type(made).__name__}",
        next_step=f"give back a pyarrow.Table or a pandas.DataFrame, with {RID} in it",
    )


def _failed(spec: TranslationSpec, error: Exception) -> FatalError:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == spec.python]
    where = f"{spec.python}:{lines[-1]}" if lines else spec.python
    return FatalError(
        "translation.python",
        f"{where}: {type(error).__name__}: {error}",
        next_step="correct the file, then resume the run",
    )
