"""What `run.py` starts: the listener for metrics, health and the status page, and the words for systemd."""

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.health.asking import Marking
from gateway.health.bounds import Bounds
from gateway.health.sources import Parts

if TYPE_CHECKING:
    from gateway.health.web import Web

logger = logging.getLogger(__name__)


class Health:
    """Reads the parts; nothing listens before `listen`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.bounds = Bounds(parts)
        self._web: Web | None = None

    async def listen(self, host: str, port: int, marking: Marking, password_file: str | None) -> None:
        """Open the listener. Raises GatewayError when the address cannot be had.

        A password file that cannot be used leaves the page read-only: polling does not wait for it.
        """
        from gateway.health.marking import MarkPost, password_in
        from gateway.health.web import Web  # h11 and prometheus_client only where something listens

        mark = None
        if password_file is not None:
            try:
                password = await asyncio.to_thread(password_in, password_file)
                mark = MarkPost(marking, password, self.parts.clock.monotonic)
            except GatewayError as error:
                logger.error("health: no marks can be set on the page: %s", error)
        self._web = Web(self.parts, self.bounds, mark)
        await self._web.open(host, port)

    async def close(self) -> None:
        """Close the listener."""
        if self._web is not None:
            await self._web.close()
            self._web = None

    def words(self) -> str:
        """One line for the service manager."""
        troubles = self.bounds.broken()
        if troubles:
            return f"{len(troubles)} not well: {troubles[0]}"
        answering = sum(sum(poller.answering.values()) for poller in self.parts.pollers.values())
        return f"{answering} of {len(self.parts.specs)} instruments answer, seq {self.parts.log.seq}"
