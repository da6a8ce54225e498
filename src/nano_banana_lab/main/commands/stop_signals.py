"""SIGTERM and SIGHUP, which do to a command what Ctrl-C does."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What a system or a terminal that goes away sends."""


@contextlib.contextmanager
def like_ctrl_c(received: list[int]) -> Iterator[None]:
    """Do for each of them what is done for Ctrl-C just then, and enter it in `received`; for the event loop's first task.

    Where Ctrl-C is ignored, as shells have it in the background, the task is cancelled. What is ignored itself stays so.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone has signals
        yield
        return
    task = asyncio.current_task()
    assert task is not None

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(on_ctrl_c):
            on_ctrl_c(signal.SIGINT, frame)
        else:
            task.get_loop().call_soon_threadsafe(task.cancel)

    heeded = [each for each in STOP_SIGNALS if signal.getsignal(each) == signal.SIG_DFL]
    for each in heeded:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in heeded:
            signal.signal(each, signal.SIG_DFL)
