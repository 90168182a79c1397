"""tune: settings of the whole process that make training faster, made only when the user asks for them.

A library must not choose them, because they hold for everything else in the process too. A program may:

    import engine
    print(engine.tune())

Memory. The C library of Linux (glibc) returns a large array to the system when it is freed, and requests it again for
the next step, page by page, which is a quarter of the time of a small model's step. After `tune` it keeps them.

Threads. Large products and, where Numba is installed, kernels are computed by several threads; see
`engine/threads.py`.

Matrix products. On AMD processors with AVX-512 OpenBLAS chooses kernels that do not use it; with those for Intel's
processors large products are up to 1.8 times as fast.

Read next: `engine/kernels/__init__.py`.
"""

from __future__ import annotations

import ctypes
import sys
from typing import NamedTuple

from engine.blas import openblas, unused_avx512
from engine.threads import choose, of_kernels

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_GIGABYTE = 1 << 30
_AVX512_CORE = "SkylakeX"


class Tuned(NamedTuple):
    """What `tune` did, a sentence each; printed as a table.

    Fields:
        memory: about freed arrays.
        products: about the library for matrix products, and its kernels.
        threads: about how many threads compute, and what they share.
        advice: what a user can do for faster products, a sentence each; not printed.
    """

    memory: str
    products: str
    threads: str
    advice: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"memory    {self.memory}\nproducts  {self.products}\nthreads   {self.threads}"


def tune(*, threads: int | None = None) -> Tuned:
    """Make this process faster at training, and say what was done. Call it before other threads compute.

    Args:
        threads: how many threads share a large matrix product, and a call of a kernel; by default as many as the
            library for products has chosen.

    Raises ValueError for fewer than one thread. It may be called again; nothing is undone.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ValueError(f"tune: threads must be a whole number from 1, not {threads!r}")
    return Tuned(_keep_memory(), *_prepare_products(threads))


def _keep_memory() -> str:
    if not sys.platform.startswith("linux"):
        return f"left as it is: only for glibc, the C library of Linux, and this is {sys.platform}"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return "left as it is: only for glibc, and this system has another C library"
    if not (mallopt(_M_MMAP_THRESHOLD, _GIGABYTE) and mallopt(_M_TRIM_THRESHOLD, 2 * _GIGABYTE - 1)):
        return "left as it is: the C library refused"
    return "freed arrays of up to 1 GB are kept for the next ones"


def _prepare_products(threads: int | None) -> tuple[str, str, tuple[str, ...]]:
    library = openblas()
    if library is None:
        other = "NumPy's library for products is not OpenBLAS: a NumPy installed by pip brings it along."
        return "left as they are: NumPy's library for them is not OpenBLAS", "left as they are", (other,)
    advice: tuple[str, ...] = ()
    products = f"OpenBLAS with its kernels for {library.core}"
    if unused_avx512() and library.core != _AVX512_CORE:
        if library.choose_core(_AVX512_CORE):
            products = f"OpenBLAS with its kernels for {_AVX512_CORE}; it had chosen others, without AVX-512"
        else:
            products += "; too late for those with AVX-512"
            advice = (f"For products with AVX-512: set OPENBLAS_CORETYPE={_AVX512_CORE} before Python starts.",)
    count = choose(threads)
    shared = "large product and kernel of this engine" if of_kernels() > 1 else "large product"
    return products, f"{count} for each {shared}", advice
