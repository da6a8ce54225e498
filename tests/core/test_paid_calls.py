"""What is paid for runs to its end."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown


class Call:
    """A call that begins, and ends when it is told to."""

    def __init__(self, result: Any = "a picture") -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = False
        self._result = result

    async def __call__(self) -> Any:
        self.begun.set()
        await self.may_end.wait()
        self.ended = True
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def test_the_caller_gets_the_result() -> None:
    call = Call()
    call.may_end.set()

    assert await PaidCalls().run(call()) == "a picture"


async def test_the_caller_gets_the_error() -> None:
    call = Call(ZeroDivisionError("upstream"))
    call.may_end.set()

    with pytest.raises(ZeroDivisionError, match="upstream"):
        await PaidCalls().run(call())


async def test_a_call_goes_on_when_its_caller_is_cancelled() -> None:
    paid_calls, call = PaidCalls(), Call()
    caller = asyncio.create_task(paid_calls.run(call()))
    await call.begun.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)

    assert caller.cancelled()
    assert (paid_calls.running, call.ended) == (1, False)
    call.may_end.set()
    assert await paid_calls.finish(60) == 0
    assert call.ended


async def test_a_call_within_a_call_is_part_of_it() -> None:
    paid_calls, inner = PaidCalls(), Call()

    async def outer() -> Any:
        paid_calls.close()
        return await paid_calls.run(inner())

    caller = asyncio.create_task(paid_calls.run(outer()))
    await inner.begun.wait()

    assert paid_calls.running == 1
    inner.may_end.set()
    assert await caller == "a picture"


async def test_an_error_after_the_caller_has_gone_disturbs_nobody() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    paid_calls, call = PaidCalls(), Call(ZeroDivisionError())
    caller = asyncio.create_task(paid_calls.run(call()))
    await call.begun.wait()
    caller.cancel()
    call.may_end.set()
    await paid_calls.finish(60)
    del caller

    assert complaints == []
    assert paid_calls.running == 0


async def test_once_closed_nothing_new_begins() -> None:
    paid_calls, call = PaidCalls(), Call()
    paid_calls.close()

    with pytest.raises(ShuttingDown):
        await paid_calls.run(call())
    assert paid_calls.closed
    assert not call.begun.is_set()


async def test_closing_leaves_running_calls_alone() -> None:
    paid_calls, call = PaidCalls(), Call()
    caller = asyncio.create_task(paid_calls.run(call()))
    await call.begun.wait()
    paid_calls.close()
    call.may_end.set()

    assert await caller == "a picture"


async def test_finishing_with_nothing_to_do_returns_at_once() -> None:
    assert await PaidCalls().finish(3600) == 0


async def test_what_takes_longer_than_the_grace_is_cancelled_and_counted() -> None:
    paid_calls, calls = PaidCalls(), [Call(), Call()]
    callers = [asyncio.create_task(paid_calls.run(call())) for call in calls]
    for call in calls:
        await call.begun.wait()
    cut_off = await paid_calls.finish(0)
    endings = await asyncio.gather(*callers, return_exceptions=True)

    assert cut_off == 2
    assert [type(ending) for ending in endings] == [ShuttingDown] * 2
    assert paid_calls.running == 0


async def test_an_answer_does_not_wait_for_what_is_left_to_do_and_finishing_does() -> None:
    paid_calls, rest = PaidCalls(), Call()

    async def outer() -> str:
        await paid_calls.go_on(rest())
        return "a picture"

    assert await paid_calls.run(outer()) == "a picture"
    paid_calls.close()
    finishing = asyncio.create_task(paid_calls.finish(60))
    await rest.begun.wait()
    rest.may_end.set()
    assert (await finishing, rest.ended) == (0, True)


async def test_what_a_call_leaves_to_be_done_while_the_process_is_finishing_is_waited_for() -> None:
    paid_calls, first, rest = PaidCalls(), Call(), Call()

    async def outer() -> None:
        await first()
        await paid_calls.go_on(rest())

    caller = asyncio.create_task(paid_calls.run(outer()))
    await first.begun.wait()
    paid_calls.close()
    finishing = asyncio.create_task(paid_calls.finish(60))
    first.may_end.set()
    await caller
    await rest.begun.wait()
    rest.may_end.set()

    assert (await finishing, rest.ended) == (0, True)


async def test_what_is_done_soon_is_waited_for_and_its_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    paid_calls, rest = PaidCalls(), Call(ZeroDivisionError())
    rest.may_end.set()
    await paid_calls.go_on(rest(), wait=60)

    assert rest.ended
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_a_caller_cancelled_itself_is_cancelled_and_not_told_of_a_shutdown() -> None:
    paid_calls, call = PaidCalls(), Call()
    caller = asyncio.create_task(paid_calls.run(call()))
    await call.begun.wait()
    caller.cancel()
    await paid_calls.finish(0)
    (ending,) = await asyncio.gather(caller, return_exceptions=True)

    assert isinstance(ending, asyncio.CancelledError)
