"""How the lab connects to Redis."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def connect(url: str) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`, connected on first use; whoever asks for it closes it.

    It sends nothing twice, gives up connecting after 2 seconds and never on an answer: `Commands` has a deadline for both.
    At most 64 connections serve any number of tasks, which wait for one up to 3 seconds.
    Options in the URL's query (`?max_connections=200`) win over these. Raises ValueError for another kind of URL.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=64,
        timeout=3.0,
        socket_connect_timeout=2.0,
        # Before Python 3.12, redis-py may miss that it was cancelled, and so a deadline, while this is set.
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
        # While these notifications are on, redis-py 8.1 hands out connections that the server has closed.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
