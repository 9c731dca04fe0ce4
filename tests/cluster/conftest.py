"""What the tests on several machines share: the servers."""

from tests.servers import postgres_server, redis_server

__all__ = ["postgres_server", "redis_server"]
