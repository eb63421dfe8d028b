"""What `run.py` starts: the listener for metrics, health and the status page, and the words for systemd."""

from typing import TYPE_CHECKING

from gateway.health.bounds import Bounds
from gateway.health.sources import Parts

if TYPE_CHECKING:
    from gateway.health.web import Web


class Health:
    """Reads the parts; nothing listens before `listen`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.bounds = Bounds(parts)
        self._web: Web | None = None

    async def listen(self, host: str, port: int) -> None:
        """Open the listener. Raises GatewayError when the address cannot be had."""
        from gateway.health.web import Web  # h11 and prometheus_client only where something listens

        self._web = Web(self.parts, self.bounds)
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
