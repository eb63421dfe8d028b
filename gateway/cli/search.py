"""The search behind `fieldgate scan`: every setting of a line until somebody answers or speaks at one of them."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from drivers import catalogue
from drivers.airtime import character_s
from drivers.contract import Line
from drivers.line import listen_on
from drivers.profile import LineSpec
from drivers.scanning import Heard
from gateway.cli.console import console
from gateway.cli.line import kept_up, opened, shown
from gateway.matching import Candidate, Match, candidates, matches
from gateway.overhearing import Everything, asked_by_profile, listened, overheard

BAUDRATES = (9600, 19200, 4800, 115200, 38400, 2400, 57600, 1200)
"""The usual ones, the most usual first."""
PARITIES = ("none", "even", "odd")
USUAL = (*range(1, 17), 161, 162, 247)
"""Unit addresses that are tried at every setting before all others are."""
ANSWER_CHARACTERS = 64
"""Of a short answer: their time is added to the patience of all protocols but Modbus."""
Found = list[tuple[Heard, Match | None]]


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and for how long."""

    protocol: str
    addresses: tuple[int | str, ...]
    budget_s: float
    listen_s: float
    config_dir: Path | None

    def settings(self, line: LineSpec, baudrate: int | None, parity: object, fixed: bool) -> Iterator[LineSpec]:
        """The line under every setting to try; only its own on a network and from a site file.

        Settings that profiles of the protocol name as usual come first.
        """
        if line.kind != "serial" or fixed:
            yield line
            return
        rates = (baudrate,) if baudrate is not None else BAUDRATES
        parities = (line.parity,) if parity is not None else PARITIES
        homes = self._homes(line) if self.protocol != "modbus" else []
        pairs = [(rate, one) for rate in rates for one in parities]
        for rate, one in sorted(pairs, key=lambda pair: homes.index(pair) if pair in homes else len(homes)):
            changed = line.model_copy(update={"baudrate": rate, "parity": one})
            more_s = 0.0 if self.protocol == "modbus" else ANSWER_CHARACTERS * character_s(changed)
            yield changed.model_copy(update={"timeout_s": line.timeout_s + more_s})

    def _homes(self, line: LineSpec) -> list[tuple[object, object]]:
        tried = candidates(line, self.protocol, self.config_dir)
        named = [(one.serial["baudrate"], one.serial["parity"]) for one in tried if one.serial is not None]
        return sorted(set(named), key=lambda pair: -named.count(pair))

    async def run(self, settings: Sequence[LineSpec], watched: bool) -> tuple[LineSpec, Found]:
        """The setting at which somebody answers or speaks, who, and the profile that fits each best."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self.budget_s
        out = console(stderr=True)
        with Progress(console=out, disable=not (watched and sys.stderr.isatty()), transient=True) as progress:
            bar = progress.add_task("", total=self.budget_s)

            def tell(words: str) -> bool:
                """Show it; whether the time is up."""
                progress.update(bar, completed=self.budget_s - (end_s - loop.time()), description=words)
                return loop.time() > end_s

            # unit numbers are Modbus's; other protocols know themselves what there is to try
            own = (USUAL, ()) if self.protocol == "modbus" else ((),)
            for several in (self.addresses,) if self.addresses else own:
                for spec in settings:
                    one = _Setting(self, spec, tell)
                    found = await one.asked(several) if spec.kind != "listen" else []
                    if not found and self.listen_s:
                        found = await one.heard()
                    if found:
                        return spec, found
                    if one.late:
                        out.print("the time is up and something is left; a longer --budget tries it", soft_wrap=True)
                        return settings[0], []
        return settings[0], []


class _Setting:
    """One setting of a line."""

    def __init__(self, search: Search, spec: LineSpec, tell: Callable[[str], bool]) -> None:
        self.late = False
        """The time is up."""
        self._search, self._spec = search, spec
        self._tell = tell
        self._found: dict[int | str, Heard] = {}

    async def asked(self, several: Sequence[int | str]) -> Found:
        """Whoever answers."""
        protocol = self._search.protocol
        async with opened(self._spec, protocol) as line:
            if catalogue.protocol(protocol).scan is None:
                self.late = self._tell(f"{shown(self._spec)}: the requests of each profile")
                return list(await asked_by_profile(line, self._spec, self._candidates(), several))
            await self._sweep(line, several)
            if self._found and several is USUAL:
                await self._sweep(line, [one for one in range(1, 248) if one not in USUAL])
            if not self._found:
                return []
            self._tell("which profiles fit")
            tried = self._candidates()
            fitting = [await matches(heard, line, self._spec, tried) for heard in self._found.values()]
            best = [several[0] if several else None for several in fitting]
            return list(zip(self._found.values(), best, strict=True))

    async def heard(self) -> Found:
        """Whoever speaks unasked."""
        self.late |= self._tell(f"{shown(self._spec)}: listening for {self._search.listen_s:g} s")
        async with kept_up(listen_on(self._spec, Everything()), self._spec) as line:
            data = await listened(line, self._search.listen_s)
        return list(overheard(data, self._spec, self._candidates()))

    def _candidates(self) -> list[Candidate]:
        return candidates(self._spec, self._search.protocol, self._search.config_dir)

    async def _sweep(self, line: Line, addresses: Sequence[int | str]) -> None:
        ask = catalogue.protocol(self._search.protocol).scan
        assert ask is not None
        async for step in ask(line, self._spec, addresses):
            if step.heard is not None:
                self._found[step.address] = step.heard
            if self._tell(f"{shown(self._spec)}, address {step.address}, {len(self._found)} found"):
                self.late = True
                return
