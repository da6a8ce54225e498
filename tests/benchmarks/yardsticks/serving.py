"""The server of every yardstick: uvicorn with the options of the lab."""

import sys
from typing import Any

import uvicorn


def serve(app: Any) -> None:
    """Serve on the port that is the first argument, until killed."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="auto",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.1"],
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run()
