"""A text instrument that is asked: over a real line, with everything that can come back instead of an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.contract import Flag, Sample
from drivers.line import FieldLine, open_line
from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.driver import TextDriver
from tests.drivers.text.instrument import SCALE, spec


class Instrument:
    """Answers each request line with the next of `answers`, in pieces; None stays silent."""

    def __init__(self, *answers: bytes | list[bytes] | None) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\n"):
                self.asked.append(request)
                answer = self.answers.pop(0) if self.answers else None
                for piece in [answer] if isinstance(answer, bytes) else answer or []:
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def polling(
    instrument: Instrument, one: InstrumentSpec, timeout_s: float = 5.0
) -> AsyncIterator[tuple[TextDriver, FieldLine]]:
    server = await asyncio.start_server(instrument.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line_spec = LineSpec(name="line", kind="tcp", host="127.0.0.1", port=port, settle_s=0.0)
    line = open_line(line_spec, None)
    task = asyncio.create_task(line.run())
    try:
        assert await line.wait_up(5.0)
        yield TextDriver(one.model_copy(update={"timeout_s": timeout_s}), line, line_spec), line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()


def scale(**more: object) -> InstrumentSpec:
    return spec(SCALE["points"], messages=SCALE["messages"], **more)


async def asked(
    answer: bytes | list[bytes] | None, one: InstrumentSpec | None = None, timeout_s: float = 5.0
) -> Sample:
    async with polling(Instrument(answer), one or scale(), timeout_s) as (driver, _):
        return await driver.poll()


async def test_answer_becomes_values_with_their_unit_converted() -> None:
    assert await asked(b"S S     100.00 g\r\n") == Sample((0.1, True))


async def test_answer_that_comes_byte_by_byte_is_the_same() -> None:
    assert (await asked([bytes([byte]) for byte in b"S D 12.340 kg\r\n"])).values == (12.34, False)


async def test_value_beyond_its_range_is_kept_and_flagged() -> None:
    sample = await asked(b"S S 100.5 kg\r\n")
    assert sample.values == (100.5, True)
    assert (sample.flags, sample.why) == ({0: Flag.OUT_OF_RANGE}, {0: "range: 100.5 is above 100 kg"})


async def test_unit_that_nobody_knows_makes_no_value() -> None:
    sample = await asked(b"S S 1.5 lb\r\n")
    assert sample.values == (None, True)
    assert sample.flags == {0: Flag.FAULT}
    assert sample.why == {0: "invalid: its unit is printed as 'lb'"}


async def test_another_answer_is_no_value_and_said_in_words() -> None:
    sample = await asked(b"ES\r\n")
    assert sample.values == (None, None)
    assert sample.result == "crc"
    assert sample.why[0] == "crc: not the answer to this request: 'ES'"


async def test_silence_is_a_timeout() -> None:
    sample = await asked(None, timeout_s=0.05)
    assert (sample.result, sample.values) == ("timeout", (None, None))
    assert sample.flags == {0: Flag.COMMUNICATION, 1: Flag.COMMUNICATION}


async def test_repeated_request_and_empty_lines_before_the_answer_are_passed_over() -> None:
    assert (await asked(b"SI\r\n\r\nS S 1.5 kg\r\n")).values == (1.5, True)


async def test_answer_without_an_end_is_over_when_it_is_quiet() -> None:
    one = scale(silence="30ms")
    assert (await asked([b"S S 1", b"2.5 kg"], one)).values == (12.5, True)


async def test_several_requests_make_one_sample_and_stop_at_the_first_silence() -> None:
    one = spec(
        [{"id": "a", "unit": "V"}, {"id": "b", "unit": "V"}, {"id": "c", "unit": "V"}],
        messages=[{"request": f"{name}{{address}}\n", "pattern": rf"{name}=(?P<{name}>.*)"} for name in "abc"],
        address=7,
        ends="\n",
    )
    instrument = Instrument(b"a=1\n", None, b"c=3\n")
    async with polling(instrument, one, timeout_s=0.1) as (driver, _):
        sample = await driver.poll()
    assert instrument.asked == [b"a7\n", b"b7\n"]
    assert sample.values == (1, None, None)
    assert sample.result == "timeout"
    assert set(sample.why) == {1, 2}


async def test_value_whose_status_was_not_had_is_null() -> None:
    one = spec(
        [{"id": "a", "unit": "V"}],
        messages=[{"request": "a\n", "pattern": "a=(?P<a>.*)"}, {"request": "s\n", "pattern": "s=(?P<state>.*)"}],
        flags=[{"group": "state", "codes": {"0": "N"}, "other": "D"}],
        ends="\n",
    )
    async with polling(Instrument(b"a=1\n", None), one, timeout_s=0.1) as (driver, _):
        sample = await driver.poll()
    assert sample.values == (None,)
    assert sample.why[0].startswith("timeout: no answer")
    assert sample.why[0].endswith("(its status, state)")


@pytest.mark.parametrize(
    ("state", "value", "flag"),
    [("0", 1, None), ("3", 1, Flag.CALIBRATION), ("9", 1, Flag.FAULT), ("X", None, Flag.FAULT)],
)
async def test_status_flags_the_value_and_keeps_it_unless_told(
    state: str, value: int | None, flag: Flag | None
) -> None:
    one = spec(
        [{"id": "a", "unit": "V"}],
        messages=[{"request": "a\n", "pattern": "(?P<a>[0-9]+) (?P<state>.)"}],
        flags=[
            {"group": "state", "codes": {"X": "D"}, "drop": True, "why": "no sensor"},
            {"group": "state", "codes": {"0": "N", "3": "C"}, "other": "D"},
        ],
        ends="\n",
    )
    sample = await asked(b"1 " + state.encode() + b"\n", one)
    assert sample.values == (value,)
    assert sample.flags.get(0) == flag
