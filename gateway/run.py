"""The only place that builds and joins the parts; one TaskGroup holds them all.

    lines ─► drivers ─► pollers ─ emit ─► marks ─► log ─► uplinks ─► commands ─► actions on all of them
                                              ▲      └─ entered ─► completeness, windows ─┐
                              clock, configuration, start and stop as events  ◄───────────┘

Health reads the parts' counters and steers none of them. A part that fails is counted, logged with its
traceback and started again: one bad line must not end the site's evidence.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

from drivers.line import held_by_another
from gateway import configured
from gateway.accounts import Accounts
from gateway.actions import Actions, Asked
from gateway.clock import RELEASE_MS, ClockWatch
from gateway.errors import GatewayError
from gateway.health import Health, Parts
from gateway.health.service_manager import ServiceManager
from gateway.health.status import status
from gateway.log import Log
from gateway.machine import Machine
from gateway.marking import PageMarking
from gateway.memory import Memory
from gateway.pollers import pollers
from gateway.reading import Event, Reading
from gateway.recording import Recorder
from gateway.settings import SettingsError, Site
from gateway.signing import KeyDamaged, Signer
from gateway.told import Told
from gateway.uplink import Commands, Permission, Uplink, catalogue

logger = logging.getLogger("fieldgate")

RESTART_PAUSE_S = 1.0
"""Between two starts of a part that failed: short enough for promise P7, long enough not to fill the journal."""
LAST_COMMIT_S = 2.0
"""How long a stop waits for its last batch before the uplinks say goodbye."""
FIRST_UP_S = 1.0
"""How long the first poll waits for its line, so that a start does not begin with a gap that is none."""


async def run(
    site: Site, load: Callable[[], Site], recorder: Recorder | None = None, memory: Memory | None = None
) -> None:
    """Run a site until SIGTERM or SIGINT. `load` reads the site file again (SIGHUP, the command `reload`).
    `recorder` writes down what goes over its lines; `memory` is told when a site is running, and when it ends.

    Raises GatewayError when the log, the key or the status page's port cannot be had at the first start; after a
    reload the configuration before it goes on instead.
    """
    told = Told(load)
    service = ServiceManager()
    before: Site | None = None
    refused = ""
    with told.listening():
        while True:
            gateway = Gateway(site, told, service, refused, recorder=recorder, memory=memory)
            try:
                await gateway.open()
            except GatewayError as error:
                if before is None:
                    raise
                logger.error("the new configuration cannot be run, the one before goes on: %s", error)
                site, before, refused = before, None, str(error)
                continue
            refused = ""
            await gateway.live()
            next_site = told.take_next()
            if next_site is None:
                return
            if memory is not None:
                memory.starting()
            site, before = next_site, site


class Gateway:
    """One site, built from its settings: `open` it, then `live` returns when it is told to end.

    `refused` says why a configuration after this one could not be run.
    """

    def __init__(
        self,
        site: Site,
        told: Told,
        service: ServiceManager,
        refused: str = "",
        machine: Machine | None = None,
        recorder: Recorder | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.memory = memory
        self.machine = machine or Machine()
        self.site = site
        self.told = told
        self.service = service
        self.refused = refused
        self.recorder = recorder
        self.version = version("fieldgate")
        self.clock = self.machine.clock()
        self.failures: Counter[str] = Counter()

    async def open(self) -> None:
        """Take what only one process can have, and build the parts. Raises GatewayError, with nothing left open."""
        site = self.site
        signer = await self._signer()
        try:
            self.buses = self.machine.build(site.lines, site.instruments)
        except ValueError as error:
            raise GatewayError(f"{site.path}: {error}") from error
        for name, bus in self.buses.items():
            if (held := await held_by_another(bus.spec)) is not None:
                raise GatewayError(f"line {name}: {held}; only one can ask the instruments")
        if self.recorder is not None:
            try:
                self.recorder.begin(self.buses, site.hash)
            except OSError as error:
                raise GatewayError(f"{error.filename}: {error.strerror}; nothing can be recorded there") from error
        await self.clock.look()
        self.log = await Log.open(
            site.log,
            site.gateway_id,
            tuple(site.uplinks),
            self.clock,
            signer,
            RELEASE_MS,
            hold_s=site.clock.hold_s,
            hold_until=site.clock.hold_until,
            boot=self.machine.boot,
            extend_start=self.service.extend_start,
        )
        self.accounts = Accounts(site, self.log, self.clock)
        self.pollers = pollers(site, self.buses, self.clock, self.emit, self.tell, self.log.committed)
        body = catalogue(site.gateway_id, site.hash, signer.key, site.everything)
        self.actions = self._actions()
        self.commands = self._commands()
        self.uplinks = {name: self._uplink(name, body) for name in site.uplinks}
        self.health = Health(
            Parts(
                lines={name: bus.line for name, bus in self.buses.items()},
                pollers=self.pollers,
                log=self.log,
                uplinks=self.uplinks,
                clock=self.clock,
                site=site,
                failures=self.failures,
                version=self.version,
                marks=lambda: self.accounts.marks.as_dict(),
            )
        )
        if site.health is not None:
            try:
                await self.health.listen(*site.health.address, self._page_marking(), site.health.password_file)
            except GatewayError:
                await self.log.close()
                raise

    async def live(self) -> None:
        """Start every part, wait for the end, stop in the order that loses nothing."""
        self.told.refused = self._configuration_refused
        self.told.hindrance = self._hindrance
        try:
            if self.log.is_open:  # else it goes on beside everything else, when the disk lets it
                await self._take_up()
            await self._live()
        finally:
            if self.recorder is not None:
                self.recorder.end()
            await self.log.close()
            await self.health.close()

    async def _signer(self) -> Signer:
        assert self.site.log.key_file is not None
        try:
            return await asyncio.to_thread(Signer.load_or_create, Path(self.site.log.key_file))
        except (KeyDamaged, OSError) as error:
            raise GatewayError(str(error)) from error

    def emit(self, reading: Reading) -> None:
        """Every reading on its way from a poller into the log."""
        if self.recorder is not None:
            self.recorder.take(reading)
        for one in reading.spread():
            self.accounts.emit(one)

    def tell(self, event: Event) -> None:
        """Every event on its way into the log."""
        self.log.add_event(event)

    async def _hindrance(self) -> str | None:
        """A reload closes the log: where commits fail at this moment, that would lose what is in memory."""
        if self.log.trouble is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_COMMIT_S):
                    await self.log.save("reload", self.site.hash.encode())
                return None
        return f"the log cannot be written: {self.log.trouble or 'no answer'}; what is in memory would be lost"

    # -- what the parts are -------------------------------------------------------------------------------

    def _actions(self) -> Actions:
        asked = {
            name: Asked(self.pollers[line], driver)
            for line, bus in self.buses.items()
            for name, driver in bus.drivers.items()
        }
        return Actions(
            asked,
            lambda: self.accounts.marks,
            self.clock,
            self.told,
            self.tell,
            self.accounts.keep_marks,
            lambda: status(self.health.parts, self.health.bounds),
        )

    def _page_marking(self) -> PageMarking:
        accounts = self.accounts
        return PageMarking(
            self.actions,
            self.clock,
            lambda: accounts.taken_up,
            lambda: self.log.save("marks", accounts.marks.to_bytes()),
        )

    def _commands(self) -> Commands:
        """One for all uplinks, so that a command that comes over two of them is carried out once."""
        allowed = self.site.commands
        return Commands(
            Permission(allowed.allow, allowed.keys),
            self.actions.by_name(),
            self.clock,
            self.tell,
            lambda data, until_ms: self.log.save("commands", data, until_ms),
        )

    def _uplink(self, name: str, body: bytes) -> Uplink:
        slowest_s = max((spec.every_s for spec in self.site.instruments), default=60.0)
        return Uplink(
            name,
            self.site.uplinks[name],
            gateway=self.site.gateway_id,
            feed=self.log,
            clock=self.clock,
            version=self.version,
            catalogue=body,
            emit=self.tell,
            commands=self.commands if self.site.commands.allow else None,
            quiet_s=max(60.0, 2 * slowest_s),
            random=self.machine.chance(),
            network=self.machine.network,
        )

    # -- what was before ----------------------------------------------------------------------------------

    async def _take_up(self) -> None:
        """Go on with the account of the day, the windows and the marks; say what changed in the configuration."""
        log = self.log
        await self.accounts.take_up()
        self.clock.not_before(log.last_before_ms)
        kept = log.kept("commands")
        self.commands.take_up(kept[1] if kept is not None else None, log.saved_until_ms)
        now_ms = self.clock.now_ms()
        configured.tell_changes(self.site, log, self.tell, now_ms)
        if self.refused:
            self.tell(configured.refused([self.refused], now_ms))
        self.tell(
            Event(now_ms, "gateway.started", {"version": self.version, "configuration": self.site.hash}, level="info")
        )
        self.accounts.keep()

    # -- life ---------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        watch = ClockWatch(self.clock, self._clock_told)
        writer = asyncio.create_task(self._keep_alive("log", self.log.run), name="log")
        delivering = [
            asyncio.create_task(self._keep_alive(f"uplink {name}", uplink.run), name=f"uplink {name}")
            for name, uplink in self.uplinks.items()
        ]
        try:
            async with asyncio.TaskGroup() as group:
                parts: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
                    "clock": watch.run,
                    "accounts": self.accounts.run,
                    "service manager": lambda: self.service.run(self.health.words),
                }
                if not self.accounts.taken_up:
                    parts["taking up"] = self._take_up
                for name, bus in self.buses.items():
                    parts[f"line {name}"] = bus.line.run
                    parts[f"poller {name}"] = lambda name=name: self._poll(name)  # type: ignore[misc]
                tasks = [group.create_task(self._keep_alive(name, start), name=name) for name, start in parts.items()]
                self.service.ready(f"{len(self.site.instruments)} instruments on {len(self.buses)} lines")
                if self.memory is not None:
                    self.memory.settled()
                await self.told.ended.wait()
                self.service.stopping()
                for task in tasks:
                    task.cancel()
        finally:
            await self._end(writer, delivering)

    async def _end(self, writer: "asyncio.Task[None]", delivering: "list[asyncio.Task[None]]") -> None:
        """Commit the last batch, deliver what can be delivered, say goodbye."""
        reason = "reload" if self.told.next_site is not None else "stop"
        self.accounts.keep()
        committed = self.log.newest()
        self.tell(Event(self.clock.now_ms(), "gateway.stopping", {"reason": reason}, level="info"))
        try:
            with contextlib.suppress(TimeoutError):  # a disk that fails must not hold up the stop
                async with asyncio.timeout(LAST_COMMIT_S):
                    await self.log.committed_after(committed)
                    committed = self.log.newest()
                    self.log.seal()
                    await self.log.committed_after(committed)
            await asyncio.gather(*(uplink.stop() for uplink in self.uplinks.values()))
        finally:
            for task in (writer, *delivering):
                task.cancel()
        await asyncio.gather(writer, *delivering, return_exceptions=True)

    async def _poll(self, name: str) -> None:
        await self.buses[name].line.wait_up(FIRST_UP_S)
        await self.pollers[name].run()

    def _configuration_refused(self, error: SettingsError) -> None:
        self.tell(configured.refused(error.problems, self.clock.now_ms()))

    def _clock_told(self, event: Event) -> None:
        self.tell(event)
        if event.kind == "clock.stepped":
            for poller in self.pollers.values():
                poller.clock_stepped()

    async def _keep_alive(self, name: str, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part for ever; when it fails, say so, count it and start it again."""
        while True:
            try:
                await start()
                return
            except Exception:
                self.failures[name] += 1
                logger.exception("%s failed (%d times); starting it again", name, self.failures[name])
            await asyncio.sleep(RESTART_PAUSE_S)
