"""SDI-12: the reference's vectors, every refusal by name, M, C, R and D, CRC, service request, tries."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from fractions import Fraction
from typing import Any

import pytest

from drivers.contract import Flag, Request, Skip, Whole
from drivers.errors import BadReply, NoReply, Refused, WriteRefused
from drivers.line import FieldLine
from drivers.profile import LineSpec
from drivers.sdi12 import message
from drivers.sdi12.readdress import readdress
from drivers.simulator.meter import MeterBus, MeterStream, Readings
from drivers.simulator.ports import PtyPort
from drivers.simulator.sdi12_sensor import Sdi12Sensor
from gateway.settings.problem import SettingsError
from tests.fakes import virtual_time
from tests.fakes.meters import FunctionLine, at_once, fixed, instrument, made, polled, values

VALUES = {"level": 3.14, "temperature": -2.718, "conductivity": 1.414, "ph": 7, "dissolved_oxygen": 0.5}


@pytest.mark.parametrize("line", ["0+3.14OqZ", "0+3.14+2.718+1.414Ipz", "0+3.14+2.718IWO", "0AP@"])
def test_the_crc_of_the_reference_is_made_and_found_right(line: str) -> None:
    assert message.crc_text(line[:-3].encode()).decode() == line[-3:]
    judge = message.values(True, "0", late_service=False)
    if line == "0AP@":
        with pytest.raises(Refused, match="the sensor has no data"):
            judge(line[1:])
    else:
        assert judge(line[1:]) == line[1:-3].encode()


def test_the_crc_is_crc_16_arc() -> None:
    assert message.arc(b"123456789") == 0xBB3D
    assert message.arc(b"0+3.14") == 0xFC5A


@pytest.mark.parametrize("line", ["0+3.14OqY", "0+3.15OqZ", "0+3.14", "0+3.14+2.718+1.414"])
def test_a_wrong_crc_is_refused_by_name(line: str) -> None:
    with pytest.raises(BadReply, match="is right: 0"):
        message.values(True, "0", late_service=False)(line[1:])


def test_numbers_are_exact_and_bounded() -> None:
    assert message.numbers(b"+3.14-2.718+0+1234567-.5+7.") == [
        Fraction(314, 100), Fraction(-2718, 1000), 0, 1234567, Fraction(-1, 2), 7,
    ]  # fmt: skip
    with pytest.raises(BadReply, match="too many digits"):
        message.numbers(b"+1234567890")


def test_high_volume_brings_more_values_than_ten_lines_hold_and_each_line_has_its_crc() -> None:
    points = [{"id": f"v{place}", "place": place, "unit": "mV"} for place in range(120)]
    keys = {"protocol": "sdi12", "address": "0", "points": points, "every": "1h", "options": {"command": "HA"}}
    spec = instrument(keys)
    sensor = Sdi12Sensor(Readings(spec, fixed(spec, {f"v{place}": place for place in range(120)})), values_each=4)
    asked_for: list[bytes] = []

    def reply(request: bytes) -> bytes:
        asked_for.append(request)
        return sensor.answer(request) or b""

    assert values(spec, polled(spec, reply)) == {f"v{place}": place for place in range(120)}
    assert (asked_for[0], asked_for[1], asked_for[-1], len(asked_for)) == (b"0HA!", b"0D0!", b"0D29!", 31)
    broken = polled(spec, lambda request: (sensor.answer(request) or b"").replace(b"+57", b"+58"))
    assert set(broken.values) == {None}
    assert "crc" in broken.why[0]


def test_binary_high_volume_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="HB brings binary packets"):
        instrument({"protocol": "sdi12", "address": "0", "points": [{"id": "v", "place": 0, "command": "HB"}]})


def sensors(*addresses: str) -> tuple[list[Sdi12Sensor], Callable[[bytes], bytes]]:
    made_ = [
        Sdi12Sensor(Readings(spec, fixed(spec, {})))
        for spec in (instrument({"profile": "water/sdi12_level", "address": address}) for address in addresses)
    ]
    return made_, lambda request: b"".join(one.answer(request) or b"" for one in made_)


def test_sensor_gets_another_address_and_keeps_it() -> None:
    (one, other), reply = sensors("0", "1")
    line = FunctionLine(reply)
    done(readdress(line, "0", "7", 1.0))  # type: ignore[arg-type]
    assert (one.address, other.address) == ("7", "1")
    assert line.asked == [b"0!", b"7!", b"0A7!", b"7!", b"0!"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("5", "7", "nobody answers at '5'"),
        ("0", "1", "somebody answers at '1' already"),
        ("0", "0", "'0' is its address already"),
        ("0", "?", "'\\?' is no SDI-12 address"),
        ("12", "7", "'12' is no SDI-12 address"),
    ],
)
def test_address_that_is_taken_or_nobodys_is_refused_and_nothing_is_changed(old: str, new: str, words: str) -> None:
    (one, other), reply = sensors("0", "1")
    line = FunctionLine(reply)
    with pytest.raises(WriteRefused, match=words):
        done(readdress(line, old, new, 1.0))  # type: ignore[arg-type]
    assert (one.address, other.address) == ("0", "1")
    assert not any(b"A" in asked for asked in line.asked)


def test_change_that_does_not_come_true_is_told() -> None:
    """A sensor that says yes and keeps its address, as one does whose address is set by switches."""
    (one,), reply = sensors("0")

    def stubborn(request: bytes) -> bytes:
        return b"7\r\n" if request == b"0A7!" else reply(request)

    with pytest.raises(NoReply, match="'7' does not answer after the change"):
        done(readdress(FunctionLine(stubborn), "0", "7", 1.0))  # type: ignore[arg-type]
    assert one.address == "0"


def done(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    with contextlib.suppress(StopIteration):
        work.send(None)
        raise AssertionError("it waited for something else than its line")


def asked(text: str, judge) -> Request:
    return message.request("0", text, 1.0, judge)


def test_answers_are_found_byte_by_byte() -> None:
    request = asked("D0", message.values(True, "0", late_service=False))
    assert request.frame == b"0D0!"
    line = b"0+3.14OqZ\r\n"
    for end in range(len(line)):
        assert request.receive(line[:end]) is None, end
    assert request.receive(line) == Whole(len(line), b"+3.14")


def test_noise_echo_and_other_sensors_are_skipped_and_named() -> None:
    receive = asked("D0", message.values(True, "0", late_service=False)).receive
    assert receive(b"\x00\xff0+3.14OqZ\r\n") == Skip(2, "noise")
    assert receive(b"0D0!0+3.14OqZ\r\n") == Skip(4, "echo")
    assert receive(b"1D0!") == Skip(4, "noise")
    assert receive(b"1+3.14OqZ\r\n") == Skip(11, "wrong_unit", ("sdi12", "1"))
    assert receive(b"00013\r\n") == Skip(7, "late")
    assert receive(b"\r\n0+3.14OqZ\r\n") == Skip(2, "noise")
    assert receive(b"x" * 90) == Skip(7, "noise")


@pytest.mark.parametrize(
    ("kind", "line", "seconds", "count"), [("M", "0053", 5, 3), ("M", "0000", 0, 0), ("C", "00012", 0, 12)]
)
def test_a_measurement_is_announced(kind: str, line: str, seconds: int, count: int) -> None:
    text = message.announced(kind)(line)
    assert isinstance(text, bytes)
    assert (int(text[:3]), int(text[3:])) == (seconds, count)


@pytest.mark.parametrize(("kind", "line"), [("M", "005"), ("M", "00053"), ("C", "0053"), ("M", "+3.14"), ("M", "abcd")])
def test_what_announces_nothing_is_refused_by_name(kind: str, line: str) -> None:
    with pytest.raises(BadReply, match="does not say when and how many"):
        message.announced(kind)(line)


@pytest.mark.parametrize("line", ["3.14", "+", "+3.1.4", "+3,14", "+3.14 ", "abc"])
def test_what_are_no_values_is_refused_by_name(line: str) -> None:
    with pytest.raises(BadReply, match="are no values"):
        message.values(False, "0", late_service=False)(line)


@pytest.mark.parametrize(
    ("written", "crc", "text"),
    [("M", True, "MC"), ("M", False, "M"), ("M3", True, "MC3"), ("C", True, "CC"), ("R0", True, "RC0"),
     ("R9", False, "R9"), ("V", False, "V")],
)  # fmt: skip
def test_commands_are_spelled_as_the_standard_has_them(written: str, crc: bool, text: str) -> None:
    assert message.command(written, crc).text == text


def probe(options: dict | None = None, **more) -> object:
    return instrument({"profile": "water/sdi12_water_probe", "address": "3", "options": options or {}, **more})


def sensor(spec, **more) -> Sdi12Sensor:
    return Sdi12Sensor(Readings(spec, fixed(spec, VALUES)), **more)


def replies(one: Sdi12Sensor) -> Callable[[bytes], bytes]:
    return lambda request: one.answer(request) or b""


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        ({}, [b"3MC!", b"3D0!", b"3D1!"]),
        ({"crc": False}, [b"3M!", b"3D0!", b"3D1!"]),
        ({"command": "M2"}, [b"3MC2!", b"3D0!", b"3D1!"]),
        ({"command": "C"}, [b"3CC!", b"3D0!", b"3D1!"]),
        ({"command": "R0"}, [b"3RC0!"]),
        ({"command": "R5", "crc": False}, [b"3R5!"]),
    ],
)
async def test_every_command_brings_all_values(options: dict, commands: list[bytes]) -> None:
    spec = probe(options)
    line = FunctionLine(replies(sensor(spec)), byte_by_byte=True)
    sample = await made(spec, line).poll()
    assert values(spec, sample) == VALUES
    assert not sample.flags
    assert line.asked == commands


def test_points_of_several_commands_are_asked_one_after_another() -> None:
    spec = probe(points=[{"id": "battery", "command": "M1", "place": 0, "unit": "V"}])
    line = FunctionLine(replies(sensor(spec)))
    at_once(made(spec, line).poll())
    assert line.asked == [b"3MC!", b"3D0!", b"3D1!", b"3MC1!", b"3D0!"]


def test_the_service_request_is_waited_for_and_an_early_one_is_not_taken_for_no_data() -> None:
    spec = probe({"crc": False})
    one = sensor(spec, measuring_s=5)
    line = FunctionLine(lambda request: b"3\r\n" if not request else one.answer(request) or b"")
    assert values(spec, at_once(made(spec, line).poll())) == VALUES
    assert line.asked == [b"3M!", b"", b"3D0!", b"3D1!"]
    # it does not come in time, but then stands before the values
    line = FunctionLine(lambda request: b"3\r\n" + (one.answer(request) or b"") if b"D0" in request else
                        one.answer(request) or b"" if request else b"")  # fmt: skip
    assert values(spec, at_once(made(spec, line).poll())) == VALUES
    assert line.skipped == ["late"]


def test_a_sensor_that_aborts_is_an_exception() -> None:
    spec = probe({"crc": False})
    sample = polled(spec, lambda request: b"30005\r\n" if b"M" in request else b"3\r\n")
    assert set(sample.why.values()) == {"exception: 0 the sensor has no data"}


def test_fewer_or_more_values_than_announced_are_no_answer() -> None:
    spec = probe({"crc": False})

    def lazy(request: bytes) -> bytes:
        return b"30005\r\n" if b"M" in request else b"3+1+2+3\r\n" if b"D0" in request else b"3+4+5+6\r\n"

    assert set(polled(spec, lazy).why.values()) == {"crc: 6 values came, 5 were announced"}


def test_a_place_that_the_sensor_does_not_fill_is_null() -> None:
    spec = probe({"crc": False})
    sample = polled(spec, lambda request: b"30002\r\n" if b"M" in request else b"3+1+2\r\n")
    assert sample.values == (1, 2, None, None, None)
    assert sample.why[2] == "invalid: the sensor sends 2 values"
    assert sample.flags[2] is Flag.COMMUNICATION


def test_a_measurement_that_takes_too_long_is_not_waited_for() -> None:
    sample = polled(probe({"crc": False, "longest": "30s"}), lambda request: b"30315\r\n")
    assert set(sample.why.values()) == {"exception: 31 s are announced, 30 s is the longest that is waited"}


def test_values_of_c_may_be_fetched_by_the_next_poll() -> None:
    async def main() -> None:
        spec = probe({"command": "C", "collect": "next_poll"})
        line = FunctionLine(replies(sensor(spec, measuring_s=30)))
        driver = made(spec, line)
        first = await driver.poll()
        assert set(first.why.values()) == {"invalid: the first measurement begins"}
        assert line.asked == [b"3CC!"]
        assert set((await driver.poll()).why.values()) == {"invalid: the sensor still measures"}
        await asyncio.sleep(31)
        assert values(spec, await driver.poll()) == VALUES
        assert line.asked == [b"3CC!", b"3D0!", b"3D1!", b"3CC!"]

    virtual_time.run(main())


def test_c_waits_as_long_as_announced_when_the_same_poll_collects() -> None:
    async def main() -> None:
        spec = probe({"command": "C"})
        line = FunctionLine(replies(sensor(spec, measuring_s=7)))
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        assert values(spec, await made(spec, line).poll()) == VALUES
        assert loop.time() - started_s == pytest.approx(7)

    virtual_time.run(main())


class Ear:
    """A wire that only writes down what is sent; `answers` are (which sending, what comes back)."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self._answers = answers
        self.answer: Callable[[bytes], bytes] | None = None

    async def open(self, spec, received, lost) -> "Ear":
        self._received = received
        return self

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        if self.answer is not None:
            loop.call_later(0.5, self._received, self.answer(data))
        elif (answer := self._answers.get(len(self.sent))) is not None:
            loop.call_later(0.05, self._received, answer)

    def close(self) -> None:
        pass


def test_a_command_is_sent_three_times_within_the_timeout_and_not_more() -> None:
    async def main(answers: dict[int, bytes]) -> tuple[list[float], float, str]:
        ear = Ear(answers)
        line = FieldLine(LineSpec(name="l", kind="tcp", host="h", port=1, timeout_s=1.0), ear.open)
        task = asyncio.create_task(line.run())
        await line.wait_up(1.0)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        sample = await made(probe({"command": "R0", "crc": False}), line).poll()
        spent_s = loop.time() - started_s
        task.cancel()
        return [round(at - started_s, 3) for at, _ in ear.sent], round(spent_s, 3), sample.result

    assert virtual_time.run(main({})) == ([0.0, 0.333, 0.667], 1.0, "timeout")
    assert virtual_time.run(main({2: b"3+1+2+3+4+5\r\n"})) == ([0.0, 0.333], 0.383, "ok")


def test_the_second_answer_of_a_slow_adapter_is_not_taken_for_that_of_the_next_command() -> None:
    """Every command is answered 0.5 s later, after it was sent a second time: twice, that is."""

    async def main() -> tuple[list[bytes], dict]:
        spec = probe()
        one = sensor(spec)
        ear = Ear({})
        ear.answer = lambda data: one.answer(data)
        line = FieldLine(LineSpec(name="l", kind="tcp", host="h", port=1, timeout_s=1.0), ear.open)
        task = asyncio.create_task(line.run())
        await line.wait_up(1.0)
        found = values(spec, await made(spec, line).poll())
        task.cancel()
        assert line.faults["resent"] == 3
        return [data for _, data in ear.sent], found

    sent, found = virtual_time.run(main())
    assert found == VALUES
    assert sent == [b"3MC!", b"3MC!", b"3D0!", b"3D0!", b"3D1!", b"3D1!"]


async def test_on_a_real_line_the_service_request_ends_the_wait() -> None:
    spec = probe({})
    one = sensor(spec, measuring_s=1)
    async with PtyPort(MeterBus([one]), lambda: MeterStream(message.FRAMING)) as port:
        line = FieldLine(*opened(port.path))
        task = asyncio.create_task(line.run())
        assert await line.wait_up(10)
        try:
            assert values(spec, await made(spec, line).poll()) == VALUES
            assert not line.faults
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def opened(path: str) -> tuple:
    from drivers.line.serial_port import open_serial

    return LineSpec(name="line", kind="serial", path=path, baudrate=1200, timeout_s=5.0), open_serial


@pytest.mark.parametrize(
    ("keys", "message_"),
    [
        ({"address": "10"}, "is no SDI-12 address"),
        ({"address": "!"}, "is no SDI-12 address"),
        ({"options": {"command": "D0"}}, "is no command that measures"),
        ({"options": {"command": "V", "crc": True}}, "V knows no CRC"),
        ({"options": {"collect": "next_poll"}}, "next_poll is for the command C alone"),
        ({"points": [{"id": "p", "place": 0, "command": "X"}]}, "is no command that measures"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(keys: dict, message_: str) -> None:
    usual = {"protocol": "sdi12", "address": "0", "points": [{"id": "p", "place": 0}]}
    with pytest.raises(SettingsError) as caught:
        instrument({**usual, **keys})
    assert message_ in str(caught.value)
