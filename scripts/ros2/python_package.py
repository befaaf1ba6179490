"""The ROS 2 interfaces of spatial_reward and, where the Python package of the same name is installed too, all of that.

It is installed as the `__init__.py` that rosidl leaves empty: a sourced ROS 2 comes first on Python's path, so without
it `import spatial_reward` would find the interfaces alone.
"""

from contextlib import suppress
from pathlib import Path
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)  # noqa: F821 - a package has one

for _folder in map(Path, __path__):
    if (_folder / "_native.pyi").exists():
        # Made for another Python, or without numpy: the interfaces are there all the same.
        with suppress(ImportError):
            exec(compile((_folder / "__init__.py").read_text(), str(_folder / "__init__.py"), "exec"))
        break
