"""The library that computes NumPy's matrix products: which one it is, and what can be changed while it runs.

NumPy's wheels bring OpenBLAS along. OpenBLAS picks its kernels and its number of threads when NumPy is first imported,
from environment variables and the processor. Afterwards only its own functions change them, so they are called here by
`ctypes`. Their names carry a prefix and a suffix that say how a wheel was built.

Read next: `engine/threads.py`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

_BUILDS = [(prefix, suffix) for prefix in ("scipy_", "") for suffix in ("64_", "")]
_CORE_TYPE = "OPENBLAS_CORETYPE"


class OpenBLAS:
    """The OpenBLAS that NumPy has loaded; make one with `openblas()`.

    Fields:
        wide: whether its functions take sizes of 64 bits, not 32.
    """

    def __init__(self, library: Any, prefix: str, suffix: str) -> None:
        self._library = library
        self._names = f"{prefix}{{}}{suffix}"
        self.wide = bool(suffix)

    def _call(self, name: str, *arguments: Any, returns: Any = None) -> Any:
        function = getattr(self._library, self._names.format(f"openblas_{name}"))
        function.restype = returns
        return function(*arguments)

    def address(self, name: str) -> int | None:
        """Where a function of this name begins, for code that calls it without Python; None if there is none."""
        function = getattr(self._library, self._names.format(name), None)
        return None if function is None else ctypes.cast(function, ctypes.c_void_p).value

    @property
    def core(self) -> str:
        """The processor for which the kernels in use were written, such as "Haswell" or "SkylakeX"."""
        name: bytes = self._call("get_corename", returns=ctypes.c_char_p)
        return name.decode()

    @property
    def threads(self) -> int:
        """How many threads share a large product."""
        return int(self._call("get_num_threads", returns=ctypes.c_int))

    @threads.setter
    def threads(self, count: int) -> None:
        self._call("set_num_threads", ctypes.c_int(count))

    def choose_core(self, name: str) -> bool:
        """Change to the kernels of another processor; whether that was possible. No product may be running meanwhile.

        The variable is set as well, for processes that this one starts.
        """
        os.environ[_CORE_TYPE] = name
        initialise = getattr(self._library, "gotoblas_dynamic_init", None)
        if initialise is not None:
            initialise()
        return self.core == name


def openblas() -> OpenBLAS | None:
    """The OpenBLAS that NumPy uses; None if it uses another library, or one that cannot be found."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix in _BUILDS:
            if hasattr(library, f"{prefix}openblas_get_corename{suffix}"):
                return OpenBLAS(library, prefix, suffix)
    return None


def _candidates() -> Iterator[str]:
    """Where NumPy's OpenBLAS may be: beside a wheel, or among the libraries that this process has loaded (Linux)."""
    from pathlib import Path  # not needed to import the engine, and slow to load

    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        yield from map(str, folder.glob("*openblas*"))
    try:
        loaded = Path("/proc/self/maps").read_text()
    except OSError:
        return
    yield from {line.split(maxsplit=5)[5] for line in loaded.splitlines() if "openblas" in line}


def unused_avx512() -> bool:
    """Whether this is an AMD processor with AVX-512, which OpenBLAS does not recognise: it uses kernels for AVX2."""
    from pathlib import Path

    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return _CORE_TYPE not in os.environ and all(word in flags for word in ("AuthenticAMD", "avx512vl", "avx512dq"))
