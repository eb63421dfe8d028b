"""Logs that earlier releases wrote: opened with all they hold. Logs of later ones: refused and left as they are."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway.errors import LogTooNew
from gateway.log.database import SCHEMA, state_crc
from tests.fakes.log import START_MS, Readings, TurnedClock, committed, everything, opened, running, unchained, values

HERE = Path(__file__).parent
KEPT = sorted(HERE.glob("schema-*.db"))


def copy(database: Path, folder: Path) -> Path:
    path = folder / "log.db"
    shutil.copyfile(database, path)
    shutil.copyfile(database.with_suffix(".mark"), folder / "log.db-mark")
    return path


def test_there_is_a_database_of_every_schema() -> None:
    assert [path.name for path in KEPT] == [f"schema-{number}.db" for number in range(1, SCHEMA + 1)]


@pytest.mark.parametrize("database", KEPT, ids=lambda path: path.stem)
async def test_a_log_of_an_earlier_release_goes_on_with_all_it_holds(database: Path, tmp_path: Path) -> None:
    expected = json.loads(database.with_suffix(".json").read_text())
    clock = TurnedClock(START_MS + 3_600_000)
    path = copy(database, tmp_path)
    async with running(await opened(path, clock, ("city",), compression="zlib")) as log:
        assert log.stream == expected["stream"]
        assert (log.kept("completeness") or (0, b""))[1].decode() == expected["kept"]
        offered = [batch.seq for batch in await log.undelivered("city", log.newest() + 1)]
        assert set(expected["undelivered"]) <= set(offered)
        while log._writer.waiting.releases:
            await committed(log)
        log.add(Readings(clock).next())
        await committed(log)
        batches = await everything(log)
    assert not unchained(batches)
    bodies = {str(batch.seq): batch.body.hex() for batch in batches}
    assert expected["bodies"].items() <= bodies.items()
    assert expected["held"][0] in values(batches), "readings that were held back come out after a restart"


async def test_a_log_of_a_newer_release_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = copy(KEPT[-1], tmp_path)
    database = sqlite3.connect(path)
    with database:
        text = str(SCHEMA + 1).encode()
        row = (text, state_crc("schema", text))
        database.execute("UPDATE state SET value = ?, crc = ? WHERE name = 'schema'", row)
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    database.close()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(LogTooNew, match=rf"schema {SCHEMA + 1}.*newer release"):
            await opened(path, TurnedClock(), ("city",))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*-damaged-*"))
