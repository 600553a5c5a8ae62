"""How a process that trains keeps its memory; knows no network and no device."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # <malloc.h>
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, and say whether its C library can.

    By default glibc maps every large tensor anew and unmaps it when it is freed, so each training
    step touches thousands of pages for the first time and the system has to clear them all: a third
    of the time of small networks on the CPU (docs/log.md). Kept memory is used again as it is. No
    number changes. Other C libraries than glibc are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # One arena for all threads: one of a thread's own can't hold a large tensor without a mapping.
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _NEVER, _M_ARENA_MAX: 1}
    return all(mallopt(name, value) for name, value in settings.items())


def give_back_memory() -> None:
    """Return to the system what is kept and not in use, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
