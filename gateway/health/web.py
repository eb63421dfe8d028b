"""What the one listener serves: /metrics, /healthz, /status.json and the page; /mark where a password is set."""

import json
from http import HTTPStatus
from importlib.resources import files

from gateway.health.bounds import Bounds
from gateway.health.http import Answer, Server
from gateway.health.marking import JSON, MarkPost
from gateway.health.metrics import Metrics
from gateway.health.sources import Parts
from gateway.health.status import status

SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ASSETS = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Web:
    """The listener. Without `mark` it changes nothing."""

    def __init__(self, parts: Parts, bounds: Bounds, mark: MarkPost | None = None) -> None:
        self._parts = parts
        self._bounds = bounds
        self._metrics = Metrics(parts)
        self._marking = mark is not None
        self._server = Server(self._answer, SECURITY, posts={"/mark": mark} if mark is not None else None)

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises GatewayError with the address when it cannot be had."""
        await self._server.open(host, port)

    async def close(self) -> None:
        """Stop listening; open connections are closed."""
        await self._server.close()

    def _answer(self, path: str) -> Answer:
        if path == "/metrics":
            return Answer(self._metrics.text(), EXPOSITION)
        if path == "/healthz":
            return self._healthz()
        if path == "/status.json":
            told = status(self._parts, self._bounds) | {"marking": self._marking}
            return Answer(json.dumps(told).encode(), JSON)
        if path in ASSETS:
            name, kind = ASSETS[path]
            return Answer(files("gateway.health").joinpath("page", name).read_bytes(), kind)
        return Answer(b"there is /, /metrics, /healthz and /status.json\n", status=HTTPStatus.NOT_FOUND)

    def _healthz(self) -> Answer:
        troubles = self._bounds.broken()
        if troubles:
            return Answer(("\n".join(troubles) + "\n").encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
        return Answer(b"ok\n")
