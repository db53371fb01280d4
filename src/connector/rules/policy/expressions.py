"""The CEL engine, without the command line that its package imports with it.

`import cel` loads a terminal user interface as well and takes several times as long as everything else in the rules;
the hub's start would wait for it. The engine is one extension module beside it, and is loaded by itself.
"""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

PACKAGE = "cel"


def load_engine() -> ModuleType:
    """The extension module of the installed package. Raises ImportError when it is not there."""
    package = find_spec(PACKAGE)
    for directory in (package and package.submodule_search_locations) or ():
        found = FileFinder(directory, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec(PACKAGE)
        if found is not None and found.loader is not None:
            engine = module_from_spec(found)
            found.loader.exec_module(engine)
            return engine
    raise ImportError("the CEL engine is not installed", name=PACKAGE)


engine = load_engine()
