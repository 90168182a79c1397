"""Process-wide settings that make training faster. A program may choose them; a library must not choose for its user.

Training splits each batch over processes, which is faster than threads inside each matrix product. Both together would
compete for the cores, so BLAS is limited to one thread. OpenBLAS does not recognise AVX-512 on AMD chips and falls back
to slower kernels: naming the core type makes products up to 1.8 times faster. OpenBLAS reads both settings when NumPy
is first imported, so `prepare_blas` must be called before that.

glibc returns large arrays to the system when they are freed and requests them again for the next step, page by page: a
third of the time of a small model. `keep_memory` makes it keep them.

Read next: `gpt/runs.py`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_GIGABYTE = 1 << 30


def prepare_blas() -> None:
    """One BLAS thread, and AVX-512 kernels on AMD chips that have them, unless set already; call before NumPy loads."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return
    if "AuthenticAMD" in flags and "avx512vl" in flags and "avx512dq" in flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def keep_memory() -> None:
    """Reuse freed arrays instead of returning them to the system. Does nothing where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _GIGABYTE)
    mallopt(_M_TRIM_THRESHOLD, 2 * _GIGABYTE - 1)
