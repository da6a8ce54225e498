"""A worker in a process of its own, that goes on with every run until it is killed; started by `test_docket_task_queue.py`.

    python work_in_a_process.py URL REDELIVERY_SECONDS CONCURRENCY

Prints each name whose run begins, on a line.
"""

import asyncio
import sys

from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue


async def run(name: str) -> None:
    print(name, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    queue = DocketTaskQueue(sys.argv[1], redelivery_seconds=float(sys.argv[2]))
    asyncio.run(queue.work(run, concurrency=int(sys.argv[3])))
