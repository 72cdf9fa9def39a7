"""From the code of a space to a name that other processes can load, and back."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._meta import CODE_ERRORS

_MAIN: Final = ("__main__", "__mp_main__")
_FILE: Final = "__archloom_file__"
"""Set on modules that were loaded from a file by path: such a module cannot be imported by name."""


def name_of(code: Any) -> str:
    """Give `"module:qualname"`, or `"path/to/file.py:qualname"` for code of a script."""
    module, qualname = code.__module__, code.__qualname__
    path = _file_of(module)
    if path is None:
        return f"{module}:{qualname}"
    return f"{short(path)}:{qualname}"


def load(name: str) -> Any:
    """Give the object that `name_of` named.

    Raises:
        ConfigError: when the module, the file or the object is not there.
    """
    where, _, qualname = name.rpartition(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_module(where, qualname)
    found: Any = module
    for part in qualname.split("."):
        if not hasattr(found, part):
            if part == "<locals>":
                raise ConfigError(
                    f"The space {name!r} is defined inside a function, where no other process can "
                    f"find it. Move it to the top level of its file."
                )
            public = [known for known in vars(module) if not known.startswith("_")]
            raise ConfigError(f"{where} has no {qualname!r}: {did_you_mean(qualname, public)}.")
        found = getattr(found, part)
    return found


def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    given = getattr(loaded, _FILE, None)
    if given is None and module in _MAIN:
        given = getattr(loaded, "__file__", None)
    return None if given is None else Path(given)


def short(path: Path) -> Path:
    """Give the path from the current folder where it lies below it: it survives a move."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _from_module(where: str, qualname: str) -> ModuleType:
    try:
        return import_module(where)
    except (SyntaxError, ImportError, *CODE_ERRORS) as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f"{where}.".startswith(f"{missing}."):
            raise _broken(f"module {where!r}", error) from error
        file = Path(where.replace(".", "/") + ".py")
        mend = f"Did you mean '{file}:{qualname}'?" if file.is_file() else "Is it installed?"
        raise ConfigError(f"There is no module {where!r} to take a space from. {mend}") from error


def _from_file(path: Path) -> ModuleType:
    full = path.resolve()
    if not full.is_file():
        raise ConfigError(f"There is no file {str(path)!r} (looked for {full}).")
    for name in _MAIN:
        # A running script must not be run again to get at its spaces.
        running = _file_of(name)
        if running is not None and running.resolve() == full:
            return sys.modules[name]
    name = _module_name(full)
    if name not in sys.modules:
        _execute(full, name)
    return sys.modules[name]


def _module_name(path: Path) -> str:
    """Give the file's own name, so that classes in it unpickle; a longer one where it is taken."""
    taken = sys.modules.get(path.stem)
    if taken is None and path.stem.isidentifier() and not importlib.util.find_spec(path.stem):
        return path.stem
    if taken is not None and getattr(taken, _FILE, None) == str(path):
        return path.stem
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _execute(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be loaded as Python.")
    module = importlib.util.module_from_spec(spec)
    setattr(module, _FILE, str(path))
    sys.modules[name] = module
    with ExitStack() as undo, _beside(path):
        undo.callback(sys.modules.pop, name, None)  # half a module must not be found again
        try:
            spec.loader.exec_module(module)
        except (SyntaxError, ImportError, *CODE_ERRORS) as error:
            raise _broken(str(path), error) from error
        undo.pop_all()


def _broken(what: str, error: BaseException) -> ConfigError:
    """Say in one line what is wrong with the user's file, and where."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}:{frame.lineno}"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return ConfigError(f"{what} cannot be loaded: {type(error).__name__} at {place}: {text}")


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let the file import its neighbours, as a script may."""
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
