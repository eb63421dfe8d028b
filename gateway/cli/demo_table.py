"""What `fieldgate demo` shows of the feed: a live table on a terminal, lines elsewhere, JSON lines when asked."""

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from gateway.batch import plain
from gateway.broker import Address, ConnectFailed, Lost, listen
from gateway.cli.console import counted, shortened, unit_shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gateway.cli.demo_broker import Broker

AGAIN_S = 0.5
REFRESHES_A_SECOND = 4


class Arrivals:
    """The newest value of each instrument's points, and how many batches came on which lane."""

    def __init__(self, console: "Console", as_json: bool) -> None:
        self.batches = 0
        self._lanes: dict[str, dict[str, int]] = {}
        self._newest: dict[tuple[str, str], dict[str, Any]] = {}
        self._units: dict[tuple[str, str, str], str] = {}
        self._console = console
        self._as_json = as_json

    async def watch(self, broker: "Broker") -> None:
        """Listen until cancelled, connecting again when the broker is lost."""
        if self._as_json or not self._console.is_terminal:
            await self._listen(broker)
            return
        from rich.live import Live

        with Live(get_renderable=self._table, console=self._console, refresh_per_second=REFRESHES_A_SECOND):
            await self._listen(broker)

    async def _listen(self, broker: "Broker") -> None:
        address = Address("127.0.0.1", broker.port, protocol=broker.protocol)
        while True:
            try:
                async with aclosing(listen(address, "fieldgate/v1/#")) as messages:
                    async for message in messages:
                        self._take(message.topic, message.payload)
            except (ConnectFailed, Lost) as error:
                self._console.print(f"the table lost the broker: {error}")
            await asyncio.sleep(AGAIN_S)

    def _take(self, topic: str, payload: bytes) -> None:
        _, gateway, lane = topic.rsplit("/", 2)
        if lane == "points":
            for instrument in json.loads(payload)["instruments"]:
                for point in instrument["points"]:
                    self._units[gateway, instrument["id"], point["id"]] = unit_shown(point["unit"])
        if lane not in ("data", "backfill"):
            return
        body = json.loads(plain(payload))
        self.batches += 1
        self._lanes.setdefault(gateway, {"data": 0, "backfill": 0})[lane] += 1
        for sample in body["samples"]:
            self._newest[gateway, sample["instrument"]] = sample
        if self._as_json:
            print(json.dumps({"topic": topic, "body": body}, ensure_ascii=False), flush=True)
        elif not self._console.is_terminal:
            self._console.print(
                f"{gateway} {lane} seq {body['seq']}: {counted(len(body['samples']), 'sample')}, "
                f"{counted(len(body['events']), 'event')}",
                highlight=False,
            )

    def _table(self) -> "Table":
        from rich.table import Table

        lanes = ", ".join(f"{name} {count['data']}+{count['backfill']}" for name, count in self._lanes.items())
        table = Table(title=f"Batches live+backfill: {lanes}", title_justify="left", box=None, pad_edge=False)
        for heading in ("gateway", "instrument", "values"):
            table.add_column(heading)
        for (gateway, instrument), sample in sorted(self._newest.items()):
            cells = [
                f"{point} {self._value(value)} {self._units.get((gateway, instrument, point), '')}".rstrip()
                + (f" [{sample['flags'][point]}]" if point in sample["flags"] else "")
                for point, value in sample["values"].items()
            ]
            table.add_row(gateway, instrument, "  ".join(cells).replace("[", r"\["))
        return table

    @staticmethod
    def _value(value: Any) -> str:
        return "-" if value is None else shortened(value, None)
