"""One small web application: /metrics, /healthz, /status.json and the page. It changes nothing."""

from importlib.resources import files

from aiohttp import web

from gateway.errors import GatewayError
from gateway.health.bounds import Bounds
from gateway.health.metrics import Metrics
from gateway.health.sources import Parts
from gateway.health.status import status

LARGEST_HEADER = 8190
KEEPALIVE_S = 15.0
BACKLOG = 64
"""Connections that may wait to be accepted."""
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ASSETS = {"page.js": "text/javascript", "page.css": "text/css"}


class Web:
    """The listener."""

    def __init__(self, parts: Parts, bounds: Bounds) -> None:
        self._parts = parts
        self._bounds = bounds
        self._metrics = Metrics(parts)
        self._runner: web.AppRunner | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises GatewayError with the address when it cannot be had."""
        application = web.Application(client_max_size=1024)
        application.router.add_get("/", self._page)
        application.router.add_get("/metrics", self._scrape)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/status.json", self._status)
        application.router.add_get("/{asset}", self._asset)
        application.on_response_prepare.append(_secure)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=LARGEST_HEADER,
            max_field_size=LARGEST_HEADER,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        except OSError as error:
            await self.close()
            raise GatewayError(f"health: {host}:{port} cannot be listened on: {error.strerror or error}") from error

    async def close(self) -> None:
        """Stop listening; open connections are closed."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=_asset("page.html"), content_type="text/html", charset="utf-8")

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["asset"]
        if name not in ASSETS:
            raise web.HTTPNotFound(text="there is /, /metrics, /healthz and /status.json\n")
        return web.Response(body=_asset(name), content_type=ASSETS[name], charset="utf-8")

    async def _scrape(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        troubles = self._bounds.broken()
        if troubles:
            return web.Response(status=503, text="\n".join(troubles) + "\n")
        return web.Response(text="ok\n")

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(status(self._parts, self._bounds))


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY)


def _asset(name: str) -> bytes:
    return files("gateway.health").joinpath("page", name).read_bytes()
