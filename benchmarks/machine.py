"""The machine: what it is, and how much memory this process has used."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = {"torch": "PyTorch", "jax": "JAX", "numba": "Numba", "autograd": "HIPS autograd", "micrograd": "micrograd"}


def description() -> str:
    """Processor, cores, and the version of everything that takes part, in one sentence."""
    import numpy as np

    from engine.blas import openblas
    from gpt.doctor import processor
    from gpt.training.processes import cores

    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    library = openblas()
    kernels = f", its kernels for {library.core}" if library else ""
    parts = [
        f"{processor()}, {cores()} cores",
        f"{platform.system()}, Python {platform.python_version()}",
        f"NumPy {np.__version__} with {blas['name']} {blas['version']}{kernels}",
        ", ".join(_installed(package, name) for package, name in LIBRARIES.items()),
    ]
    return "; ".join(parts) + "."


def _installed(package: str, name: str) -> str:
    try:
        return f"{name} {version(package)}"
    except PackageNotFoundError:
        return f"no {name}"


def peak_memory() -> float:
    """The most memory that this process has had so far, resident, in MB.

    Linux counts the memory of the process that started this one in `getrusage`, so its own figure is read there.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6
