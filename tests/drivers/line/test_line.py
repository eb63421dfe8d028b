"""The discipline of a line without numbers, in virtual time: quiet gap, stray input, echo, settling, limits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.contract import Request
from drivers.errors import Babbling, BadReply, LineDown, NoReply, Refused, Settling
from drivers.line.line import FieldLine
from drivers.modbus import codec
from drivers.modbus.crc import crc16
from drivers.profile import LineSpec
from tests.fakes import virtual_time
from tests.fakes.instrument_wire import HandWire, Heard
from tests.fakes.played import about, failing, now, through

CHARACTER_S = 10 / 9600
GAP_S = 3.5 * 11 / 9600
SENDING_S = 8 * CHARACTER_S


def frame(*body: int) -> bytes:
    data = bytes(body)
    return data + crc16(data).to_bytes(2, "little")


def reply(unit: int, register: int) -> bytes:
    return frame(unit, 3, 2, register >> 8, register & 0xFF)


def ask(unit: int = 5, **timing: Any) -> Request:
    keys = {"timeout_s": 1.0} | timing
    return codec.request(codec.read(unit, 3, 0, 1), "rtu", codec.Timing(**keys))


def after(seconds: float, *pieces: bytes) -> Callable[[bytes], Heard]:
    """Whatever is asked, these bytes come so many seconds after the request."""
    return lambda sent: [(seconds, piece) for piece in pieces]


def played(wire: HandWire, test: Callable[[FieldLine], Awaitable[None]], **keys: Any) -> FieldLine:
    spec = LineSpec(**({"name": "bus", "kind": "serial", "path": "/dev/bus", "timeout_s": 1.0} | keys))
    return through(lambda: FieldLine(spec, wire.open), test, quiet_s=10)  # until what was on the wire before is over


def test_answer_in_pieces_is_taken_when_it_is_whole() -> None:
    right = reply(5, 77)
    wire = HandWire(lambda sent: [(0.02 + 0.01 * at, right[at : at + 1]) for at in range(len(right))])

    async def test(line: FieldLine) -> None:
        began_s = now()
        assert await line.exchange(ask()) == b"\0\x4d"
        assert now() - began_s == about(0.02 + 0.01 * 6)

    assert played(wire, test).faults == {}


@pytest.mark.parametrize(
    ("keys", "timing", "gap_s"),
    [
        ({"baudrate": 9600}, {}, GAP_S),
        ({"baudrate": 2400}, {}, 3.5 * 11 / 2400),
        ({"baudrate": 115200}, {}, 0.00175),
        ({"baudrate": 9600, "request_pause_s": 0.05}, {}, 0.05),
        ({"baudrate": 9600, "request_pause_s": 0.05}, {"pause_s": 0.08}, 0.08),
        ({"baudrate": 9600}, {"pause_s": 0.001}, GAP_S),
    ],
)
def test_quiet_gap_before_a_request_is_the_longest_of_all_that_ask_for_one(
    keys: dict[str, Any], timing: dict[str, float], gap_s: float
) -> None:
    wire = HandWire(after(0.03, reply(5, 1)))

    async def test(line: FieldLine) -> None:
        await line.exchange(ask(**timing))
        heard_s = now()
        await line.exchange(ask(**timing))
        assert wire.sent[1][0] - heard_s == pytest.approx(gap_s, abs=1e-4)

    played(wire, test, **keys)


def test_stray_input_is_dropped_counted_and_waited_out() -> None:
    wire = HandWire(after(0.03, reply(5, 1)))

    async def test(line: FieldLine) -> None:
        wire.hear(reply(5, 666))
        stray_s = now()
        assert await line.exchange(ask()) == b"\0\1"
        assert wire.sent[0][0] - stray_s == about(GAP_S)

    assert played(wire, test).faults == {"noise": 1}


def test_line_that_never_pauses_ends_the_wait_after_one_timeout() -> None:
    wire = HandWire()

    async def test(line: FieldLine) -> None:
        async def babble() -> None:
            while True:
                wire.hear(b"\x55")
                await asyncio.sleep(GAP_S / 2)

        babbling = asyncio.create_task(babble())
        await asyncio.sleep(0)
        began_s = now()
        error = await failing(line, ask(), Babbling)
        assert error.cause == "timeout"
        assert 1.0 <= now() - began_s <= 1.02
        babbling.cancel()
        await asyncio.sleep(GAP_S)
        wire.answers = after(0.03, reply(5, 3))
        assert await line.exchange(ask()) == b"\0\3"

    line = played(wire, test)
    assert not wire.sent[1:]
    assert line.faults["babbling"] == 1


def test_input_without_end_is_not_searched_for_ever() -> None:
    wire = HandWire(lambda sent: [(0.01 * (at + 1), b"\x05\x03\xff" * 400) for at in range(9)])

    async def test(line: FieldLine) -> None:
        error = await failing(line, ask(), Babbling)
        assert error.why == "timeout: 4800 bytes came in, and no answer among them"
        assert line.ready_at(5) > now()
        await asyncio.sleep(5)
        wire.answers = after(0.03, reply(5, 3))
        assert await line.exchange(ask()) == b"\0\3"

    assert played(wire, test, baudrate=115200).faults["babbling"] == 1


def test_another_units_frame_is_skipped_and_the_answer_behind_it_taken() -> None:
    wire = HandWire(after(0.03, reply(6, 666) + reply(5, 2)))

    async def test(line: FieldLine) -> None:
        assert await line.exchange(ask()) == b"\0\2"

    assert played(wire, test).faults == {"wrong_unit": 1}


def test_noise_before_inside_and_after_a_frame() -> None:
    right = reply(5, 9)
    heard = [b"\xff\x00" + right, right[:3] + b"\xff" + right[3:], right + b"\xff\xff"]
    wire = HandWire(lambda sent: [(0.03, heard.pop(0))])

    async def test(line: FieldLine) -> None:
        assert await line.exchange(ask()) == b"\0\x09"
        error = await failing(line, ask(), BadReply)
        assert error.why.startswith("crc: ")
        await asyncio.sleep(4)
        assert await line.exchange(ask()) == b"\0\x09"

    assert played(wire, test).faults == {"noise": 2, "crc": 1}


class TestEcho:
    def test_is_found_out_once_and_dropped_from_then_on(self, caplog: pytest.LogCaptureFixture) -> None:
        wire = HandWire(lambda sent: [(0.01, sent), (0.03, reply(5, 4))])

        async def test(line: FieldLine) -> None:
            for _ in range(3):
                assert await line.exchange(ask()) == b"\0\4"

        with caplog.at_level(logging.WARNING):
            line = played(wire, test)
        assert line.faults == {"echo": 1}
        assert caplog.text.count("repeats what is sent") == 1

    def test_does_not_pass_for_the_answer_to_a_write_once_it_is_known(self) -> None:
        write = codec.request(codec.write_registers(5, 0, b"\0\x07"), "rtu", codec.Timing(1.0))
        wire = HandWire(lambda sent: [(0.01, sent), (0.03, reply(5, 4))])

        async def test(line: FieldLine) -> None:
            await line.exchange(ask())
            wire.answers = lambda sent: [(0.01, sent)]  # the instrument keeps silent
            await failing(line, write, NoReply)
            await asyncio.sleep(4)
            wire.answers = lambda sent: [(0.01, sent), (0.03, sent)]
            assert await line.exchange(write) == b""

        played(wire, test)

    def test_is_forgotten_with_the_adapter(self) -> None:
        write = codec.request(codec.write_registers(5, 0, b"\0\x07"), "rtu", codec.Timing(1.0))
        wire = HandWire(lambda sent: [(0.01, sent), (0.03, reply(5, 4))])

        async def test(line: FieldLine) -> None:
            await line.exchange(ask())
            wire.lose("pulled out")
            assert await line.wait_up(5)
            wire.answers = lambda sent: [(0.03, sent)]  # another adapter: this is the answer
            assert await line.exchange(write) == b""

        played(wire, test)


class TestSettling:
    def test_late_answer_is_never_taken_for_the_next_one(self) -> None:
        heard: list[Heard] = [[(2.5, reply(5, 1))], [(0.03, reply(6, 6))], [(0.03, reply(5, 2))]]
        wire = HandWire(lambda sent: heard.pop(0))

        async def test(line: FieldLine) -> None:
            error = await failing(line, ask(), NoReply)
            assert error.why == "timeout: no answer in 1.0 s"
            error = await failing(line, ask(), Settling)
            assert error.cause == "settling"
            assert await line.exchange(ask(6)) == b"\0\6"  # others go on
            await asyncio.sleep(1.8)  # now it has come
            assert line.lateness_s == {5: about(2.5 - SENDING_S)}
            error = await failing(line, ask(), Settling)
            assert "it has answered 2.5 s after a question" in error.why
            await asyncio.sleep(line.ready_at(5) - now())
            assert await line.exchange(ask()) == b"\0\2"

        assert played(wire, test).faults == {"timeout": 1, "late": 1}

    def test_a_unit_that_answers_later_than_it_settles_is_told_and_settles_longer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire = HandWire(after(2.5 + SENDING_S, reply(5, 1)))

        async def test(line: FieldLine) -> None:
            for _ in range(2):
                await failing(line, ask(), NoReply)
                asked_s = wire.sent[-1][0] + SENDING_S
                await asyncio.sleep(2)
                assert line.ready_at(5) == about(asked_s + 2.5 + 1.5 * 2.5)
                await asyncio.sleep(line.ready_at(5) - now())

        with caplog.at_level(logging.WARNING):
            played(wire, test)
        assert caplog.text.count("unit 5 on line bus answers 2.5 s after a question and settles for 3.8 s") == 1

    def test_lasts_three_timeouts_of_the_instrument_or_what_is_set(self) -> None:
        for request, keys, settle_s in [
            (ask(), {}, 3.0),
            (ask(timeout_s=0.2), {}, 0.6),
            (ask(), {"settle_s": 1.5}, 1.5),
            (ask(settle_s=0.4), {"settle_s": 1.5}, 0.4),
            (ask(settle_s=0.0), {}, 0.0),
        ]:
            wire = HandWire()

            async def test(line: FieldLine, request: Request = request, settle_s: float = settle_s) -> None:
                asked_s = now() + SENDING_S
                await failing(line, request, NoReply)
                assert line.ready_at(5) == about(asked_s + settle_s)

            played(wire, test, **keys)

    def test_begins_after_a_cancelled_exchange_too(self) -> None:
        wire = HandWire(after(0.5, reply(5, 1)))

        async def test(line: FieldLine) -> None:
            exchange = asyncio.create_task(line.exchange(ask()))
            await asyncio.sleep(0.1)
            exchange.cancel()
            await asyncio.gather(exchange, return_exceptions=True)
            await failing(line, ask(), Settling)
            await asyncio.sleep(0.5)
            assert line.faults == {"late": 1}

        played(wire, test)

    def test_nothing_settles_for_a_question_that_was_never_sent(self) -> None:
        wire = HandWire(after(0.03, reply(5, 1)))

        async def test(line: FieldLine) -> None:
            wire.hear(b"\xff")
            exchange = asyncio.create_task(line.exchange(ask()))
            await asyncio.sleep(GAP_S / 2)
            exchange.cancel()
            await asyncio.gather(exchange, return_exceptions=True)
            assert line.ready_at(5) == 0.0
            assert await line.exchange(ask()) == b"\0\1"

        played(wire, test)

    def test_refusal_is_an_answer_and_nobody_settles(self) -> None:
        wire = HandWire(after(0.03, frame(5, 0x83, 2)))

        async def test(line: FieldLine) -> None:
            await failing(line, ask(), Refused)
            await failing(line, ask(), Refused)

        assert played(wire, test).faults == {"exception_2": 2}


def test_time_that_a_unit_thinks_is_measured_without_the_wires() -> None:
    thinks_s = [0.1]

    def answers(sent: bytes) -> Heard:
        right = reply(sent[0], 8)
        return [(SENDING_S + thinks_s[0] + (at + 1) * CHARACTER_S, right[at : at + 1]) for at in range(len(right))]

    async def test(line: FieldLine) -> None:
        await line.exchange(ask())
        assert line.response_s == {5: about(0.1)}
        thinks_s[0] = 0.3
        await line.exchange(ask())
        assert line.response_s == {5: about(0.125)}
        for _ in range(60):
            await line.exchange(ask())
        assert line.response_s == {5: pytest.approx(0.3, rel=0.01)}

    played(HandWire(answers), test)


class TestLimits:
    def test_first_byte_may_have_a_shorter_limit_than_the_whole(self) -> None:
        wire = HandWire()

        async def test(line: FieldLine) -> None:
            began_s = now()
            error = await failing(line, ask(first_byte_s=0.2), NoReply)
            assert now() - began_s == about(0.2 + SENDING_S)
            assert error.why == "timeout: no answer in 0.2 s"
            await asyncio.sleep(4)
            right = reply(5, 8)
            wire.answers = lambda sent: [(0.1, right[:1]), (0.9, right[1:])]
            assert await line.exchange(ask(first_byte_s=0.2)) == b"\0\x08"

        played(wire, test)

    def test_answer_that_stops_half_way_is_shown(self) -> None:
        wire = HandWire(after(0.1, reply(5, 8)[:4]))

        async def test(line: FieldLine) -> None:
            error = await failing(line, ask(first_byte_s=0.2), NoReply)
            assert error.why == "timeout: no answer in 1.0 s, only 4 bytes: 05 03 02 00"

        played(wire, test)

    def test_time_on_the_wire_is_not_the_instruments(self) -> None:
        wire = HandWire(after(1.0 + 8 * 10 / 300 - 0.001, reply(5, 8)))

        async def test(line: FieldLine) -> None:
            assert await line.exchange(ask()) == b"\0\x08"

        played(wire, test, baudrate=300)


class TestPort:
    def test_loss_ends_the_exchange_at_once_and_is_told_as_the_line(self) -> None:
        wire = HandWire()

        async def test(line: FieldLine) -> None:
            asyncio.get_running_loop().call_later(0.1, wire.lose, "/dev/bus: the adapter is gone")
            began_s = now()
            error = await failing(line, ask(), LineDown)
            assert error.why == "line: /dev/bus: the adapter is gone"
            assert now() - began_s == about(0.1)
            await failing(line, ask(), LineDown)

        played(wire, test)

    @pytest.mark.parametrize(
        ("keys", "most_s"), [({}, 0.0), ({"kind": "tcp", "host": "h", "port": 1, "framing": "rtu"}, 0.51)]
    )
    def test_who_waits_for_it_waits_no_longer_than_it_takes_to_know_that_it_does_not_open(
        self, keys: dict[str, Any], most_s: float
    ) -> None:
        async def main() -> None:
            wire = HandWire()
            wire.absent = "/dev/bus: no such device"
            line = FieldLine(LineSpec(**({"name": "bus", "kind": "serial", "path": "/dev/bus"} | keys)), wire.open)
            keeper = asyncio.create_task(line.run())
            began_s = now()
            assert not await line.wait_tried(60)
            assert now() - began_s <= most_s + 0.001
            assert line.state == "/dev/bus: no such device"
            wire.absent = ""
            assert await line.wait_up(60)
            assert await line.wait_tried(60)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

        virtual_time.run(main())

    def test_loss_is_a_warning_and_our_own_closing_is_none(self, caplog: pytest.LogCaptureFixture) -> None:
        async def test(line: FieldLine) -> None:
            wire.lose("/dev/bus: the adapter is gone")
            assert await line.wait_up(5)

        wire = HandWire()
        caplog.set_level("INFO", "fieldgate.line")
        assert played(wire, test).state == "closed"
        told = [(record.levelname, record.getMessage()) for record in caplog.records]
        assert ("WARNING", "line bus is down: /dev/bus: the adapter is gone") in told
        assert told[-1] == ("INFO", "line bus is down: closed")

    def test_loss_while_waiting_for_quiet_ends_the_exchange_too(self) -> None:
        wire = HandWire()

        async def test(line: FieldLine) -> None:
            wire.hear(b"\xff")
            asyncio.get_running_loop().call_later(GAP_S / 2, wire.lose, "/dev/bus: the adapter is gone")
            await failing(line, ask(), LineDown)
            assert not wire.sent

        played(wire, test)

    def test_is_opened_again_within_a_second_with_jitter_and_never_in_a_tight_circle(self) -> None:
        wire = HandWire()

        async def test(line: FieldLine) -> None:
            wire.absent = "/dev/bus: no such device"
            wire.lose("/dev/bus: the adapter is gone")
            await asyncio.sleep(60)
            pauses = [later - earlier for earlier, later in zip(wire.opened[1:], wire.opened[2:], strict=False)]
            assert len(set(pauses)) > 10
            assert 0.35 < min(pauses) <= max(pauses) <= 1.0
            assert line.state == "/dev/bus: no such device"
            wire.absent = ""
            back_s = now()
            assert await line.wait_up(5)
            assert now() - back_s <= 1.0
            assert line.generation == 2
            wire.opened.clear()
            for _ in range(20):
                await line.wait_up(5)
                wire.lose("flaps")
            assert wire.opened[-1] - wire.opened[0] > 1.0

        played(wire, test)

    def test_pause_after_connecting_is_kept(self) -> None:
        async def main() -> None:
            wire = HandWire(after(0.03, reply(5, 1)))
            spec = LineSpec(name="bus", kind="tcp", host="h", port=1, framing="rtu", connect_pause_s=2.0)
            line = FieldLine(spec, wire.open)
            keeper = asyncio.create_task(line.run())
            began_s = now()
            assert await line.wait_up(5)
            assert now() - began_s == about(2.0)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            assert not wire.is_open
            assert line.state == "closed"

        virtual_time.run(main())


def test_half_open_connection_is_given_up_after_two_timeouts_and_renewed_at_once() -> None:
    wire = HandWire()

    async def test(line: FieldLine) -> None:
        began_s = now()
        await failing(line, ask(5), NoReply)
        await failing(line, ask(6), NoReply)
        assert now() - began_s == about(2.0)
        assert line.state == "h:1: silent for 2 requests, connecting anew"
        wire.answers = after(0.03, reply(7, 1))
        assert await line.exchange(ask(7)) == b"\0\1"  # waits for the new connection, and is no gap
        assert now() - began_s == about(2.03)
        assert len(wire.opened) == 2

    played(wire, test, kind="tcp", host="h", port=1, framing="rtu")


def test_two_silent_units_do_not_make_a_serial_port_a_dead_one() -> None:
    wire = HandWire()

    async def test(line: FieldLine) -> None:
        for unit in range(1, 6):
            await failing(line, ask(unit), NoReply)
        assert line.up

    assert played(wire, test).generation == 1
