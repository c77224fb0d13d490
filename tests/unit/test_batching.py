"""Who travels with whom: requests that wait for a query, and the one that answers them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from catalog.api import batching
from catalog.api.batching import (
    ENOUGH,
    MOST_BATCHES,
    MOST_KEYS,
    MOST_WAITING,
    Batch,
    Batcher,
    TooManyWaiting,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


TIMEOUT = 10.0


@pytest.fixture(autouse=True)
def _no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an answer sends the next query, and not the time that a busy machine takes."""
    monkeypatch.setattr(batching, "PACE", 3600)


@dataclass
class Source:
    """Answers a key with the number of the query that read it, once the test lets it."""

    sent: list[list[int]] = field(default_factory=list)
    going: list[asyncio.Event] = field(default_factory=list)
    ended: int = 0

    async def read(self, batch: Batch[int, str]) -> None:
        number = len(self.sent)
        keys = batch.keys
        self.sent.append(keys)
        self.going.append(asyncio.Event())
        try:
            await self.going[number].wait()
        finally:
            self.ended += 1
        for key in keys:
            batch.answer(key, f"{key} by query {number}")


def batched(test: Callable[[Source, Batcher[int, str]], Awaitable[None]]) -> None:
    async def run() -> None:
        source = Source()
        batcher = Batcher(source.read, TIMEOUT)
        async with asyncio.timeout(20):
            await test(source, batcher)
        await batcher.close()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


async def turns() -> None:
    """Let those who ask do so, the batch be sent, and the query begin."""
    for _ in range(3):
        await asyncio.sleep(0)


async def ask(batcher: Batcher[int, str], *keys: int) -> list[asyncio.Task[str]]:
    """Let each key be asked for, by somebody of its own."""
    asking = [asyncio.create_task(batcher.get(key)) for key in keys]
    await turns()
    return asking


async def warm_up(source: Source, batcher: Batcher[int, str]) -> None:
    """Let there be an answer, from which on others wait."""
    [first] = await ask(batcher, 0)
    source.going.pop().set()
    await first
    source.sent.clear()


async def of(*asking: asyncio.Task[str]) -> list[str]:
    return list(await asyncio.gather(*asking))


def test_the_first_request_goes_at_once() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        asking = asyncio.create_task(batcher.get(1))
        await turns()
        assert source.sent == [[1]]
        source.going[0].set()
        assert await asking == "1 by query 0"

    batched(test)


def test_requests_that_wait_for_a_query_share_the_next() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        first = await ask(batcher, 1)
        others = await ask(batcher, 2, 3, 2, 1)
        assert source.sent == [[1]]

        source.going[0].set()
        assert await of(*first) == ["1 by query 0"]
        await asyncio.sleep(0)
        assert source.sent == [[1], [2, 3, 1]]
        source.going[1].set()
        # The last one asks for what the query under way reads, and is not answered by it.
        assert await of(*others) == [f"{key} by query 1" for key in (2, 3, 2, 1)]

    batched(test)


def test_a_query_that_is_stuck_holds_up_only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "PACE", 0.1)

    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        stuck = await ask(batcher, 1)
        others = await ask(batcher, 2, 3)
        for _ in range(200):
            if len(source.sent) == 2:
                break
            await asyncio.sleep(0.02)
        assert source.sent == [[1], [2, 3]]

        source.going[1].set()
        assert await of(*others) == ["2 by query 1", "3 by query 1"]
        assert not stuck[0].done()
        source.going[0].set()
        assert await of(*stuck) == ["1 by query 0"]

    batched(test)


def test_enough_of_them_do_not_wait() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        await ask(batcher, 0)
        await ask(batcher, *range(1, ENOUGH))
        assert [len(keys) for keys in source.sent] == [1]
        await ask(batcher, ENOUGH)
        assert [len(keys) for keys in source.sent] == [1, ENOUGH]
        await ask(batcher, *range(ENOUGH))
        assert [len(keys) for keys in source.sent] == [1, ENOUGH, ENOUGH]

    batched(test)


def test_no_more_are_in_flight_and_none_is_larger_than_the_bounds() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        asking = [
            one
            for start in range(0, MOST_WAITING, 50)
            for one in await ask(batcher, *range(start, start + 50))
        ]
        await asyncio.sleep(0.02)
        assert len(source.sent) == MOST_BATCHES
        for number in range(len(asking)):
            if all(one.done() for one in asking):
                break
            source.going[number].set()
            await asyncio.sleep(0.01)
            assert len(source.sent) - source.ended <= MOST_BATCHES

        assert max(map(len, source.sent)) == MOST_KEYS
        assert [one.result().split()[0] for one in asking] == [str(n) for n in range(len(asking))]

    batched(test)


def test_a_query_that_fails_fails_its_own_alone() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        async def read(batch: Batch[int, str]) -> None:
            if 13 in batch.keys:
                batch.answer(12, "in time")
                raise ZeroDivisionError
            await source.read(batch)

        picky: Batcher[int, str] = Batcher(read, TIMEOUT)
        await warm_up(source, picky)
        before = await ask(picky, 1)
        with_it = await ask(picky, 12, 13, 14, 13)
        source.going[0].set()
        await asyncio.wait(with_it)
        after = await ask(picky, 12)
        source.going[1].set()

        assert [*await of(*before), *await of(*after)] == ["1 by query 0", "12 by query 1"]
        assert with_it[0].result() == "in time"
        assert [type(one.exception()) for one in with_it[1:]] == [ZeroDivisionError] * 3
        await picky.close()

    batched(test)


def test_who_leaves_leaves_alone() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        first = await ask(batcher, 1)
        before, stays, only = await ask(batcher, 2, 2, 3)
        before.cancel()
        only.cancel()
        await asyncio.sleep(0)
        source.going[0].set()
        await of(*first)
        await asyncio.sleep(0)
        assert source.sent == [[1], [2]]
        source.going[1].set()

        assert await of(stays) == ["2 by query 1"]
        assert before.cancelled()
        assert only.cancelled()

    batched(test)


def test_the_last_to_leave_ends_the_query_and_makes_room_for_the_next() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        [only] = await ask(batcher, 1)
        others = await ask(batcher, 2)
        only.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert source.ended == 2  # the one of the warming up, and this
        source.going[1].set()
        assert await of(*others) == ["2 by query 1"]

    batched(test)


def test_a_query_that_forgets_a_key_does_not_leave_anybody_waiting() -> None:
    async def run() -> None:
        async def read(batch: Batch[int, str]) -> None:
            batch.answer(1, "one")

        batcher: Batcher[int, str] = Batcher(read, TIMEOUT)
        one, two = await ask(batcher, 1, 2)
        assert await one == "one"
        with pytest.raises(LookupError):
            await two

    asyncio.run(run())


def test_nothing_is_left_when_it_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "PACE", 0.1)

    async def run() -> None:
        source = Source()
        batcher = Batcher(source.read, TIMEOUT)
        await warm_up(source, batcher)
        asking = [*await ask(batcher, 1), *await ask(batcher, 2, 3)]
        await batcher.close()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*asking)
        assert all(one.cancelled() for one in asking)
        assert len(asyncio.all_tasks()) == 1
        sent = len(source.sent)
        await asyncio.sleep(0.2)
        assert len(source.sent) == sent

    asyncio.run(run())


def test_whoever_asks_alone_shares_nothing() -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        await warm_up(source, batcher)
        await ask(batcher, 1)
        alone = asyncio.create_task(batcher.get_alone(1, source.read))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert source.sent == [[1], [1]]
        source.going[1].set()
        assert await alone == "1 by query 1"
        source.going[0].set()

    batched(test)


# --- Not for ever, and not any number


@pytest.mark.parametrize("keys", [1, MOST_WAITING], ids=["of one key", "of many keys"])
def test_so_many_may_wait_and_others_are_refused_at_once(keys: int) -> None:
    async def test(source: Source, batcher: Batcher[int, str]) -> None:
        asking = await ask(batcher, *(number % keys for number in range(MOST_WAITING)))
        with pytest.raises(TooManyWaiting):
            await batcher.get(0)

        asking.pop().cancel()
        await asyncio.sleep(0)
        [one] = await ask(batcher, 0)
        assert not one.done()
        for one in asking:
            one.cancel()

    batched(test)


def test_who_has_waited_long_enough_waits_no_longer_and_the_last_one_ends_the_query() -> None:
    async def run() -> None:
        source = Source()
        batcher = Batcher(source.read, 0.2)
        first = asyncio.create_task(batcher.get(1))
        await asyncio.sleep(0.1)
        late = asyncio.create_task(batcher.get(1))
        with pytest.raises(TimeoutError):
            await first
        assert not late.done()
        assert source.ended == 1
        with pytest.raises(TimeoutError):
            await late
        await batcher.close()

    asyncio.run(run())
