"""`fieldgate doctor` from outside: each trouble played on a pseudo-terminal is found by name, a good line is good."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from drivers.modbus.crc import crc16
from drivers.simulator.faults import Hostility
from drivers.simulator.ports import PtyPort
from drivers.simulator.slave import Act, Mischief, Send, Slave
from drivers.simulator.slave_framing import Question, RtuFraming, SlaveFraming
from drivers.simulator.unit import Memory
from tests.gateway.cli.process import Ended, together
from tests.peers.libmodbus import libmodbus_rtu

TIMEOUT_S = 0.5
SLOW_S, SLOW_TIMEOUT = 1.2, "1500ms"
SLOW_BAUD, SLOW_CHARACTER_S = 1200, 10 / 1200
POLLS = 6

Asked = tuple[str, ...]


def asking(path: str, addresses: str = "5", polls: int = POLLS, timeout: str = "500ms") -> Asked:
    asked = ("--addresses", addresses, "--polls", str(polls), "--timeout", timeout)
    return ("doctor", path, *asked, "--seconds", "12", "--json")


def unit(value: int = 0x1234) -> Memory:
    return Memory({3: {0: value, 1: value}})


def each(spoil: Callable[[bytes], Iterable[Act]]) -> Mischief:
    """The same done to every right answer."""

    def mischief(question: Question, pdu: bytes, framing: SlaveFraming) -> Iterable[Act]:
        return spoil(framing.frame(question.unit, pdu, question.tag))

    return mischief


def now_and_then(spoil: Callable[[bytes], Iterable[Act]], often: int = 2) -> Mischief:
    """Done to every second answer, or less often."""
    turn = count()

    def mischief(question: Question, pdu: bytes, framing: SlaveFraming) -> Iterable[Act]:
        frame = framing.frame(question.unit, pdu, question.tag)
        return spoil(frame) if next(turn) % often == 1 else (Send(frame),)

    return mischief


def damaged(frame: bytes) -> Iterable[Act]:
    return (Send(frame[:3] + bytes([frame[3] ^ 0x40]) + frame[4:]),)


def both_at_once(frame: bytes) -> Iterable[Act]:
    """Another instrument of the same address with another value: on the wire a 0 of either wins."""
    other = frame[:3] + b"\x4b\x87"
    other += crc16(other).to_bytes(2, "little")
    mixed = bytes(one & two for one, two in zip(frame, other, strict=True))
    assert crc16(mixed)
    return (Send(mixed),)


TROUBLES: dict[str, Mischief] = {
    "damage": now_and_then(damaged, 4),
    "echo": Hostility("rtu", 1.0, 1, TIMEOUT_S, ["echo"]),
    "noise": Hostility("rtu", 0.5, 1, TIMEOUT_S, ["noise after"]),
    "stranger": Hostility("rtu", 0.5, 1, TIMEOUT_S, ["neighbour before"]),
    "wrong_baud": Hostility("rtu", 1.0, 1, TIMEOUT_S, ["wrong baud"]),
    "babble": Hostility("rtu", 1.0, 1, TIMEOUT_S * 20, ["babble"]),
    "misses": now_and_then(lambda frame: ()),
    "gap": each(lambda frame: (Send(frame[:4]), Send(frame[4:], 0.1))),
    "late": now_and_then(lambda frame: (Send(frame, TIMEOUT_S * 1.5),)),
    "slow": each(lambda frame: (Send(frame, SLOW_S),)),
    "odd": Hostility("rtu", 1.0, 1, TIMEOUT_S, ["wrong function"]),
    "garbled": each(both_at_once),
    "two_answers": each(lambda frame: (Send(frame), Send(frame[:3] + frame[3:], 0.03))),
}
"""Finding and what makes it."""


def call(trouble: str, path: str) -> Asked:
    if trouble == "slow":
        return asking(path, polls=5, timeout=SLOW_TIMEOUT)
    return (*asking(path), "--seconds", "4") if trouble == "babble" else asking(path)


async def examined(ports: Iterable[PtyPort], calls: Callable[[list[str]], list[Asked]]) -> list[Ended]:
    """The commands, run at the same time while these ports are served."""
    async with AsyncExitStack() as stack:
        paths = [(await stack.enter_async_context(port)).path for port in ports]
        return await asyncio.to_thread(lambda: together(*calls(paths)))


def kinds(told: Ended) -> set[str]:
    assert told.code in (0, 1), told
    found = {finding["kind"] for finding in told.json["findings"]}
    assert told.code == bool(found), told
    return found


@pytest.mark.timeout(120)
async def test_every_trouble_is_found_by_its_name_and_told_in_both_languages() -> None:
    """All at the same time: what a trouble takes is waiting."""
    ports = [PtyPort(Slave({5: unit()}, mischief=mischief), RtuFraming) for mischief in TROUBLES.values()]
    ports += [PtyPort(Slave({5: unit(), 6: unit()}), RtuFraming), PtyPort(Slave({}), RtuFraming)]
    ports += [PtyPort(Slave({5: unit()}, mischief=TROUBLES["gap"]), RtuFraming)]
    *results, dead, silent, words = await examined(
        ports,
        lambda paths: [
            *map(call, TROUBLES, paths),
            asking(paths[-3], "5-7", polls=2),
            asking(paths[-2], polls=2),
            ("doctor", paths[-1], "--addresses", "5", "--polls", "100000", "--seconds", "4"),
        ],
    )
    for trouble, told in zip(TROUBLES, results, strict=True):
        assert trouble in kinds(told), (trouble, told)
        for finding in told.json["findings"]:
            texts = [finding[text][language] for text in ("says", "do") for language in ("en", "zh")]
            assert all(texts)
            assert not [text for text in texts if "{" in text or "None" in text]
    by_name = {trouble: kinds(told) for trouble, told in zip(TROUBLES, results, strict=True)}
    alone = ("damage", "echo", "noise", "wrong_baud", "gap", "late", "slow", "odd", "garbled", "two_answers", "misses")
    assert {trouble: by_name[trouble] for trouble in alone} == {trouble: {trouble} for trouble in alone}

    (finding,) = dead.json["findings"]
    assert (finding["kind"], finding["unit"], finding["count"]) == ("dead", "7", 4), "both functions, twice"
    assert kinds(silent) == {"silent_line"}

    assert words.code == 1, "the time was up long before the polls were"
    assert "1. [gap] Unit 5 pauses within " in words.out
    assert "中途停顿" in words.out
    assert "-> " in words.out


async def test_answer_that_begins_before_the_quiet_time_is_over_is_seen_where_bytes_take_their_time() -> None:
    hasty = each(lambda frame: (Send(frame, -3 * SLOW_CHARACTER_S),))
    ports = [
        PtyPort(Slave({5: unit()}, mischief=hasty), RtuFraming, SLOW_CHARACTER_S),
        PtyPort(Slave({5: unit()}, think_s=0.05), RtuFraming, SLOW_CHARACTER_S),
    ]
    baud = ("--baudrate", str(SLOW_BAUD))
    early, patient = await examined(ports, lambda paths: [(*asking(path, timeout="3s"), *baud) for path in paths])
    assert kinds(early) == {"early"}
    assert kinds(patient) == set()
    assert 50 <= patient.json["units"][0]["response_ms"]["p50"] < 1000


@pytest.mark.timeout(120)
def test_good_line_is_good_and_needs_no_addresses(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    points = "points: [{id: level, table: holding, address: 0, type: uint16}]"
    with libmodbus_rtu({5: {3: {0: 7}}, 16: {3: {0: 9}}}) as several, libmodbus_rtu({5: {3: {0: 7}}}) as one:
        site.write_text(
            "gateway: {id: g, site: s, timezone: Asia/Shanghai}\n"
            f"lines: {{bus: {{serial: {one.path}, timeout: 5s}}}}\n"
            f"instruments:\n  - {{id: tank, line: bus, protocol: modbus, address: 5, every: 1s, {points}}}\n",
            "utf-8",
        )
        bare, told = together(
            ("doctor", several.path, "--timeout", "5s", "--polls", "5", "--json"), ("doctor", site, "--polls", "5")
        )
    assert kinds(bare) == set()
    assert [(one["unit"], one["asked"], one["answered"]) for one in bare.json["units"]] == [("5", 5, 5), ("16", 5, 5)]
    assert (told.code, told.err) == (0, "")
    assert "tank (5)" in told.out
    assert "Nothing was found. · 未发现问题。" in told.out


def test_wrong_arguments_and_ports_that_are_not_there_are_told(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "gateway: {id: g, site: s, timezone: Asia/Shanghai}\n"
        "lines: {push: {listen: '127.0.0.1:9470'}, bus: {serial: /dev/nowhere}}\n"
        "instruments:\n"
        "  - {id: logger, line: push, protocol: text, address: '1', every: 1m,\n"
        "     options: {ends: ';', messages: [{pattern: '(?P<level>[0-9]+)'}]}, points: [{id: level, unit: m}]}\n",
        "utf-8",
    )
    wrong, absent, several, listening = together(
        ("doctor", "/dev/nowhere", "--addresses", "x"),
        ("doctor", "/dev/nowhere"),
        ("doctor", site),
        ("doctor", f"{site}#push"),
    )
    assert (wrong.code, absent.code, several.code, listening.code) == (2, 1, 2, 2), listening
    assert "1-32,161" in wrong.err
    assert "/dev/nowhere, 9600 8N1: " in absent.err
    assert "has several lines" in several.err
    assert "fieldgate record" in listening.err
