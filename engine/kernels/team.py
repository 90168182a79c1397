"""The team: threads that share one call of a kernel.

A call is split into `PARTS` parts, always the same number, so that no result depends on how many threads there are.
Each thread takes the next part that nobody has taken, until there are none. The caller takes parts too, from the
beginning, so a helper that comes late, because the machine is busy, delays nothing.

A thread that sleeps takes longer to wake than most kernels run. So a helper that has nothing to do watches for the next
call for about a millisecond before it sleeps; calls within a training step follow one another faster than that. It
watches in compiled code, without Python's lock. The caller announces a call from compiled code as well, when it no
longer holds that lock, so a helper gets the lock at once when it goes to fetch the call.

`engine/threads.py` says how large the team is: one thread, unless `engine.tune()` was called. One thread calls the team
at a time; what another thread calls meanwhile, that thread computes alone.

Read next: `engine/kernels/exponential.py`.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from engine.kernels.atomics import increase, load, replace, store
from engine.kernels.compiling import compiled
from engine.threads import of_kernels

PARTS = 8
_WORTH_SHARING = 1 << 15  # elements; fewer are done before a helper has begun

# Where a team's numbers stand, each in a cache line of its own: the number of the call that was announced last, that
# number and the next part of it to be taken as one number, and how many parts of it are done.
_CALL, _NEXT, _DONE, _LENGTH = 0, 8, 16, 24
_PART_BITS = 8
_PART_MASK = (1 << _PART_BITS) - 1
_LOOKS = 300_000  # at the number of the call, before a helper sleeps


@compiled
def _take(state: Any, call: Any) -> Any:
    """The next part of this call; -1 if there is none, or another call has begun."""
    while True:
        now = load(state, _NEXT)
        part = now & _PART_MASK
        if now >> _PART_BITS != call or part >= PARTS:
            return -1
        if replace(state, _NEXT, now, now + 1):
            return part


@compiled
def _watch(state: Any, call: Any) -> Any:
    """Return when this call is announced, or after a while."""
    for _ in range(_LOOKS):
        if load(state, _CALL) >= call:
            return


@compiled
def own(array: Any, part: Any) -> Any:
    """What belongs to this part, of an array that is split along its first axis.

    A loop over a slice from its beginning is compiled to instructions for several elements at a time; a loop over
    indices that begin elsewhere is not.
    """
    return array[array.shape[0] * part // PARTS : array.shape[0] * (part + 1) // PARTS]


def shared(body: Callable[..., None]) -> Callable[..., None]:
    """A kernel for a whole call, (elements, ...), made from `body(part, ...)`, which does one part of it.

    `elements` says how large the call is. The parts must not write to the same places.
    """
    part_of = compiled(body, reordered=True)

    @compiled
    def lead(state: Any, call: Any, *arguments: Any) -> None:
        store(state, _DONE, 0)
        store(state, _NEXT, call << _PART_BITS)
        store(state, _CALL, call)
        part = _take(state, call)
        while part >= 0:
            part_of(part, *arguments)
            increase(state, _DONE)
            part = _take(state, call)
        while load(state, _DONE) < PARTS:
            pass

    @compiled
    def help(state: Any, call: Any, *arguments: Any) -> None:
        _watch(state, call)
        part = _take(state, call)
        while part >= 0:
            part_of(part, *arguments)
            increase(state, _DONE)
            part = _take(state, call)
        _watch(state, call + 1)

    def run(elements: int, *arguments: Any) -> None:
        team().run(elements, lead, help, arguments)

    return run


class _Helper:
    """A thread that takes parts of the team's calls."""

    def __init__(self, team: _Team) -> None:
        self.asleep = False
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._thread = threading.Thread(target=self._work, args=(team,), name="blameflow kernels", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """If it is asleep. It may fall asleep at this moment and miss a call, which is then done without it."""
        if self.asleep:
            self.asleep = False
            self._alarm.release()

    def join(self) -> None:
        """Wait until it has ended, when the team is closed."""
        while self._thread.is_alive():
            self.wake()
            self._thread.join(0.001)

    def _work(self, team: _Team) -> None:
        seen = 0
        while not team.closed:
            call, help, arguments = team.call
            if call == seen:
                del help, arguments  # a sleeping helper keeps no array alive
                self.asleep = True
                self._alarm.acquire()
            elif help is None:
                seen = call
                _watch(team.state, call + 1)
            else:
                seen = call
                help(team.state, call, *arguments)


class _Team:
    """The threads, and the call they work at.

    Fields:
        state: the numbers that all threads read and write.
        call: its number, the helpers' function and the arguments, as one object, so that they always belong together.
        closed: whether Python is about to end, and the helpers with it.
    """

    def __init__(self) -> None:
        self.state = np.zeros(_LENGTH, np.int64)
        self.call: tuple[int, Any, tuple[Any, ...]] = (0, None, ())
        self.closed = False
        self._helpers: list[_Helper] = []
        self._busy = threading.Lock()

    def run(self, elements: int, lead: Any, help: Any, arguments: tuple[Any, ...]) -> None:
        threads = of_kernels()
        if threads < 2 or elements < _WORTH_SHARING or self.closed or not self._busy.acquire(blocking=False):
            lead(np.zeros(_LENGTH, np.int64), 1, *arguments)
            return
        try:
            self._share(threads - 1, lead, help, arguments)
        finally:
            self._busy.release()

    def _share(self, count: int, lead: Any, help: Any, arguments: tuple[Any, ...]) -> None:
        while len(self._helpers) < count:
            self._helpers.append(_Helper(self))
        call = self.call[0] + 1
        self.call = call, help, arguments
        for helper in self._helpers[:count]:
            helper.wake()
        lead(self.state, call, *arguments)
        self.call = call, None, ()  # the arrays are no longer needed

    def close(self) -> None:
        """End the helpers: a thread that is in compiled code when Python ends could not leave it in order."""
        with self._busy:
            self.closed = True
            for helper in self._helpers:
                helper.join()


@cache
def team() -> _Team:
    """The team of this process."""
    found = _Team()
    atexit.register(found.close)
    return found


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads, and makes a team of its own
    os.register_at_fork(after_in_child=team.cache_clear)
