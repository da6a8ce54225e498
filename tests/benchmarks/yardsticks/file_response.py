"""Litestar's own response for files: `/pictures/{name}` out of the folder that is the second argument."""

import sys
from pathlib import Path

from litestar import Litestar, get
from litestar.response import File
from tests.benchmarks.yardsticks.one_handler import ready
from tests.benchmarks.yardsticks.serving import serve


@get("/pictures/{name:str}", media_type="image/jpeg")
async def picture(name: str) -> File:
    return File(Path(sys.argv[2], name))


if __name__ == "__main__":
    serve(Litestar([ready, picture]))
