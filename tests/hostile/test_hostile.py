"""A sample of `python -m tests.hostile`, and proof that each check of an answer is needed: without it, wrong values."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.contract import Whole
from drivers.line.line import FieldLine
from drivers.line.tagged import TaggedLine
from drivers.modbus import codec, mbap, rtu
from drivers.modbus.ask import Ask
from drivers.modbus.crc import crc16
from drivers.simulator.faults import FAULTS, RTU_FAULTS, TCP_FAULTS
from tests.hostile.exchanges import KINDS, Account, run

pytestmark = pytest.mark.alone

SEED = 20261124
LINES = {"tcp": {}, "rtu": {}}
Patch = pytest.MonkeyPatch


def assert_kept(account: Account) -> None:
    """P3 and P4: nothing wrong, nothing unexplained, every poll a sample."""
    assert account.wrong == [], f"seed {SEED}"
    assert account.unexplained == []
    assert account.samples == account.polls > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hostile_line_gives_no_wrong_value_and_a_reason_for_every_null(kind: str) -> None:
    account = await run(kind, 8_000, SEED)
    assert_kept(account)
    faults = FAULTS["rtu" if kind.startswith("rtu") else "tcp"]
    assert set(account.done) == set(faults), "the sample is too small to hold every fault"
    # the good ones come through: 5 % of spoilt answers cost about as many polls, not the rest
    assert account.good > 0.85 * account.polls


async def test_pipelined_requests_are_never_mixed_up() -> None:
    assert_kept(await run("tcp", 3_000, SEED, share=0.2, spec={"in_flight": 4}))


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_but_trouble_gives_nothing_wrong(kind: str, share: float) -> None:
    assert_kept(await run(kind, 400, SEED, share=share, lines=8))


# -- each guard, taken away ---------------------------------------------------------------------------------


def any_number_will_do(patch: Patch) -> None:
    """Transaction ids are not compared."""
    answered = TaggedLine._answered

    def careless(line: TaggedLine, tag: int, frame: bytes) -> None:
        answered(line, next(iter(line._pending), tag), frame)

    patch.setattr(TaggedLine, "_answered", careless)


def number_zero_will_do(patch: Patch) -> None:
    """An answer under number 0 is believed of a device that has shown numbers."""
    answered = TaggedLine._answered

    def careless(line: TaggedLine, tag: int, frame: bytes) -> None:
        answered(line, tag or next(iter(line._pending), 0), frame)

    patch.setattr(TaggedLine, "_answered", careless)


def any_protocol_will_do(patch: Patch) -> None:
    """The protocol id is not looked at."""
    received = TaggedLine._received

    def careless(line: TaggedLine, data: bytes) -> None:
        received(line, data[:2] + b"\0\0" + data[4:])

    patch.setattr(TaggedLine, "_received", careless)


def blind_to(at: int, right: Callable[[Ask], int]) -> Callable[[Patch], None]:
    """One byte of every answer, counted from the unit address, passes for what it should be."""

    def patched(patch: Patch) -> None:
        def over_tcp(ask: Ask, sent: bytes) -> Callable[[Any], Any]:
            receive = mbap.receiver(ask, sent)
            return lambda data: receive(data[: 6 + at] + bytes([right(ask)]) + data[7 + at :])

        def over_rtu(ask: Ask, sent: bytes) -> Callable[[Any], Any]:
            receive = rtu.receiver(ask, sent)

            def careless(data: bytearray) -> Any:
                if len(data) < 5 or crc16(data) != 0:
                    return receive(data)
                body = bytes(data[:at]) + bytes([right(ask)]) + bytes(data[at + 1 : -2])
                return receive(body + crc16(body).to_bytes(2, "little"))

            return careless

        patch.setitem(codec._RECEIVERS, "tcp", over_tcp)
        patch.setitem(codec._RECEIVERS, "rtu", over_rtu)

    return patched


def any_length_will_do(patch: Patch) -> None:
    """Byte count and length of an answer are not compared with what was asked."""

    def over_tcp(ask: Ask, sent: bytes) -> Callable[[Any], Any]:
        return lambda data: Whole(len(data), bytes(data[9 : 9 + ask.size]))

    def over_rtu(ask: Ask, sent: bytes) -> Callable[[Any], Any]:
        receive = rtu.receiver(ask, sent)

        def careless(data: bytearray) -> Any:
            trusted = len(data) > 5 + ask.size and crc16(data) == 0 and data[0] == ask.unit
            return Whole(len(data), bytes(data[3 : 3 + ask.size])) if trusted else receive(data)

        return careless

    patch.setitem(codec._RECEIVERS, "tcp", over_tcp)
    patch.setitem(codec._RECEIVERS, "rtu", over_rtu)


def no_crc(patch: Patch) -> None:
    """The CRC is taken for right."""
    patch.setattr(rtu, "crc16", lambda data: 0)


def no_settling(patch: Patch) -> None:
    """A unit is asked again at once after it kept silent."""
    patch.setattr(FieldLine, "_settle", lambda line, request, asked_s: None)


def stray_input_is_kept(patch: Patch) -> None:
    """What came unasked stands before the next answer."""
    kept: dict[tuple[FieldLine, Any], bytes] = {}
    whole, ask = FieldLine._whole, FieldLine._ask

    def keeping(line: FieldLine, verdict: Whole, answer: Any) -> None:
        assert line._request is not None
        kept[line, line._request.unit] = bytes(line._input[verdict.end :])
        whole(line, verdict, answer)

    async def asking(line: FieldLine, request: Any) -> bytes:
        if stray := kept.pop((line, request.unit), b""):
            line._loop.call_soon(line._received, stray)
        return await ask(line, request)

    patch.setattr(FieldLine, "_whole", keeping)
    patch.setattr(FieldLine, "_ask", asking)


@pytest.mark.parametrize(
    ("kind", "fault", "without"),
    [
        pytest.param("tcp", "wrong tag", any_number_will_do, id="tcp-transaction-id"),
        pytest.param("tcp", "late", any_number_will_do, id="tcp-late-answer"),
        pytest.param("tcp", "late without tag", number_zero_will_do, id="tcp-late-answer-without-number"),
        pytest.param("tcp", "wrong protocol", any_protocol_will_do, id="tcp-protocol-id"),
        pytest.param("tcp", "wrong unit", blind_to(0, lambda ask: ask.unit), id="tcp-unit"),
        pytest.param("tcp", "wrong function", blind_to(1, lambda ask: ask.function), id="tcp-function"),
        pytest.param("tcp", "count disagrees", blind_to(2, lambda ask: ask.size), id="tcp-byte-count"),
        pytest.param("tcp", "more bytes", any_length_will_do, id="tcp-length"),
        pytest.param("rtu", "bad crc", no_crc, id="rtu-crc"),
        pytest.param("rtu", "collision", no_crc, id="rtu-collision"),
        pytest.param("rtu", "wrong unit", blind_to(0, lambda ask: ask.unit), id="rtu-unit"),
        pytest.param("rtu", "wrong function", blind_to(1, lambda ask: ask.function), id="rtu-function"),
        pytest.param("rtu", "more bytes", any_length_will_do, id="rtu-length"),
        pytest.param("rtu", "late", no_settling, id="rtu-settling"),
        pytest.param("rtu", "twice", stray_input_is_kept, id="rtu-stray-input"),
    ],
)
async def test_without_its_guard_a_fault_gives_wrong_values(
    kind: str, fault: str, without: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    async def polled() -> Account:
        return await run(kind, 160, SEED, share=0.3, lines=4, units=3, faults=[fault])

    guarded = await polled()
    assert guarded.done[fault] > 10
    assert_kept(guarded)
    without(monkeypatch)
    assert (await polled()).wrong


async def test_a_device_that_numbers_nothing_is_a_serial_line_to_us(monkeypatch: Patch) -> None:
    async def polled() -> Account:
        return await run(
            "tcp", 300, SEED, share=1.0, lines=4, units=3, faults=["without tag"] * 3 + ["late without tag"]
        )

    guarded = await polled()
    assert guarded.done["late without tag"] > 30
    assert guarded.good > 100
    assert_kept(guarded)
    no_settling(monkeypatch)
    assert (await polled()).wrong


async def test_a_second_copy_of_an_answer_without_number_finds_nobody_waiting(monkeypatch: Patch) -> None:
    async def polled() -> Account:
        return await run("tcp", 300, SEED, share=1.0, lines=4, units=3, faults=["twice without tag"])

    guarded = await polled()
    assert guarded.good > 100
    assert_kept(guarded)
    monkeypatch.setattr(TaggedLine, "exchange_row", TaggedLine._exchange_row)
    assert (await polled()).wrong


def test_every_fault_has_a_name_of_its_own_kind() -> None:
    assert len(TCP_FAULTS) >= 25
    assert len(RTU_FAULTS) >= 25
