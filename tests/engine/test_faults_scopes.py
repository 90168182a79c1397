"""Faults found in other engines: scopes and settings made in one place and entered in another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import engine
from engine.recording import Recording, current, stack
from tests.engine.traps import leaf


def scope_here() -> tuple[str, ...]:
    node = (leaf(1.0) * 2).node
    assert node is not None
    return node.scope


def depth() -> int:
    """How many entries the stack of settings holds."""
    entry: Recording | None = stack.get()
    found = 0
    while entry is not None:
        entry, found = entry.outer, found + 1
    return found


def test_21_the_path_is_that_of_where_the_context_is_entered() -> None:
    inner = engine.scope("inner")
    with engine.scope("outer"), inner:
        assert scope_here() == ("outer", "inner")
        with inner:
            assert scope_here() == ("outer", "inner", "inner")
        assert scope_here() == ("outer", "inner")
    with inner:
        assert scope_here() == ("inner",)
    assert scope_here() == ()


def test_21_a_decorator_makes_a_call_each_time() -> None:
    @engine.scope("f")
    def f(times: int) -> list[Any]:
        return [scope_here(), *(f(times - 1) if times else [])]

    with engine.scope("outer"):
        first = f(2)
    assert first == [("outer", "f"), ("outer", "f", "f"), ("outer", "f", "f", "f")]
    again = f(0)
    assert again == [("f",)]
    numbers = [first[0][1].number, first[1][2].number, first[2][3].number, again[0][0].number]
    assert numbers == sorted(set(numbers))


def test_21_an_exception_leaves_the_scope() -> None:
    inner = engine.scope("inner")
    with pytest.raises(ZeroDivisionError), inner:
        assert 1 / 0
    assert scope_here() == ()


def test_21_one_object_in_generators_that_run_by_turns() -> None:
    inner = engine.scope("inner")

    def inside(name: str) -> Iterator[tuple[str, ...]]:
        with engine.scope(name), inner:
            yield scope_here()
            yield scope_here()

    before = depth()
    a, b = inside("a"), inside("b")
    for _ in range(2):
        assert next(a) == ("a", "inner")
        assert scope_here() == ()
        assert next(b) == ("b", "inner")
    assert [*a, *b] == []
    assert scope_here() == ()
    assert depth() == before


def test_21_a_generator_keeps_its_settings_when_its_caller_opens_and_closes_others() -> None:
    def inside() -> Iterator[bool]:
        with engine.no_grad():
            yield current().enabled
            yield current().enabled

    before, generator = depth(), inside()
    assert not next(generator)
    with engine.scope("between"):
        pass
    assert not next(generator)
    assert current().enabled
    assert [*generator] == []
    assert depth() == before


def test_21_a_generator_and_its_caller_share_one_object() -> None:
    shared = engine.scope("shared")

    def inside() -> Iterator[tuple[str, ...]]:
        with shared:
            yield scope_here()

    generator = inside()
    next(generator)
    with shared:
        assert [*generator] == []
        assert scope_here() == ("shared",)
    assert scope_here() == ()


def test_21_one_object_in_threads_and_tasks_at_once() -> None:
    shared, found, meet = engine.scope("shared"), [], threading.Barrier(2)

    def run(name: str) -> None:
        with engine.scope(name), shared:
            meet.wait()
            found.append(scope_here())
            meet.wait()
        found.append(scope_here())

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(), (), ("a", "shared"), ("b", "shared")]

    async def task(name: str) -> tuple[str, ...]:
        with engine.scope(name), shared:
            await asyncio.sleep(0)
            return scope_here()

    async def tasks() -> list[tuple[str, ...]]:
        return [*await asyncio.gather(task("a"), task("b"))]

    assert asyncio.run(tasks()) == [("a", "shared"), ("b", "shared")]


def test_21_a_context_manager_made_of_a_generator() -> None:
    inner = engine.scope("inner")

    @contextlib.contextmanager
    def outer() -> Iterator[None]:
        with inner:
            yield

    with outer(), inner:
        assert scope_here() == ("inner", "inner")
    assert scope_here() == ()


def test_21_what_cannot_be_a_name_or_be_decorated_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^scope: the name must be a string, as in scope\('encoder'\), not int$"):
        engine.scope(3)  # type: ignore[arg-type]

    async def numbers() -> Any:
        yield 1

    with pytest.raises(TypeError, match="open the context inside it"):
        engine.scope("f")(numbers)
