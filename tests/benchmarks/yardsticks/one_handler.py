"""A Litestar application with one handler."""

from litestar import Litestar, get
from tests.benchmarks.yardsticks.serving import serve


@get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "healthy", "timestamp": "2026-11-22T14:03:05.120Z"}


if __name__ == "__main__":
    serve(Litestar([ready]))
