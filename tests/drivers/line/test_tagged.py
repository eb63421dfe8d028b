"""The discipline of lines that number their requests, in virtual time, with and without devices that really do."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.contract import Answers, Request
from drivers.errors import BadReply, FieldError, LineDown, NoReply, Refused, Settling
from drivers.line.tagged import LAST_TAG, TaggedLine
from drivers.modbus import codec
from drivers.modbus.mbap import MbapTags
from drivers.profile import LineSpec
from tests.fakes.instrument_wire import HandWire, Heard
from tests.fakes.played import about, failing, now, through


def ask(unit: int = 1, address: int = 0, **timing: Any) -> Request:
    return codec.request(codec.read(unit, 3, address, 1), "tcp", codec.Timing(**({"timeout_s": 1.0} | timing)))


def answer(sent: bytes, register: int | None = None, tag: int | None = None, unit: int | None = None) -> bytes:
    """The right answer to a request, register = address, with something else put in."""
    number = int.from_bytes(sent[:2], "big") if tag is None else tag
    value = int.from_bytes(sent[8:10], "big") if register is None else register
    head = number.to_bytes(2, "big") + b"\0\0\0\5" + bytes([sent[6] if unit is None else unit, 3, 2])
    return head + value.to_bytes(2, "big")


def prompt(sent: bytes) -> Heard:
    return [(0.01, answer(sent))]


def unnumbered(sent: bytes) -> Heard:
    return [(0.01, answer(sent, tag=0))]


def played(wire: HandWire, test: Callable[[TaggedLine], Awaitable[None]], **keys: Any) -> TaggedLine:
    spec = LineSpec(**({"name": "plc", "kind": "tcp", "host": "h", "port": 502, "timeout_s": 1.0} | keys))
    return through(lambda: TaggedLine(spec, wire.open, MbapTags()), test)


def test_each_request_has_a_number_of_its_own_and_never_zero() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        line._tag = LAST_TAG - 2
        for address in range(4):
            assert await line.exchange(ask(address=address)) == address.to_bytes(2, "big")

    played(wire, test)
    assert [int.from_bytes(frame[:2], "big") for frame in wire.frames] == [LAST_TAG - 1, LAST_TAG, 1, 2]


def test_as_many_requests_are_under_way_as_the_line_allows_once_it_has_shown_numbers() -> None:
    wire = HandWire(lambda sent: [(0.05 - 0.001 * sent[9], answer(sent))])  # the last one is answered first

    async def test(line: TaggedLine) -> None:
        found = asyncio.gather(*(line.exchange(ask(address=address)) for address in range(9)))
        await asyncio.sleep(0.01)
        assert len(wire.sent) == 1
        assert await found == [address.to_bytes(2, "big") for address in range(9)]
        assert line.in_flight == 4
        times = [sent_s for sent_s, _ in wire.sent]
        under_way = [sum(one <= at < one + 0.04 for one in times) for at in times]
        assert max(under_way) == 4

    played(wire, test, in_flight=4)


class TestRow:
    """Several questions in one await."""

    def test_answers_come_in_the_order_of_the_questions(self) -> None:
        wire = HandWire(lambda sent: [(0.05 - 0.001 * sent[9], answer(sent))])

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            for most, under_way in ((1, 1), (3, 3), (9, 4)):
                wire.sent.clear()
                row = asyncio.create_task(line.exchange_row([ask(address=at) for at in range(9)], most))
                await asyncio.sleep(0.01)
                assert len(wire.sent) == under_way
                assert await row == [at.to_bytes(2, "big") for at in range(9)]

        played(wire, test, in_flight=4)

    def test_ends_after_the_first_failure_and_what_is_under_way(self) -> None:
        wire = HandWire(prompt)

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            wire.answers = lambda sent: [] if sent[9] == 3 else prompt(sent)
            found = await line.exchange_row([ask(address=at) for at in range(9)], 2)
            assert found[:3] == [at.to_bytes(2, "big") for at in range(3)]
            assert isinstance(found[3], NoReply)
            # the other place of two went on until it was known
            assert found[4:] == [at.to_bytes(2, "big") for at in range(4, 9)]
            wire.answers = lambda sent: [] if sent[9] == 3 else prompt(sent)
            found = await line.exchange_row([ask(address=at) for at in range(9)], 1)
            assert [type(one) for one in found] == [bytes, bytes, bytes, NoReply]

        played(wire, test, in_flight=4)

    def test_of_a_connection_that_is_lost_ends_at_once(self) -> None:
        wire = HandWire(prompt)

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            wire.answers = lambda sent: []
            asyncio.get_running_loop().call_later(0.2, wire.lose, "h:502: closed by the other side")
            found = await line.exchange_row([ask(address=at) for at in range(9)], 2)
            assert [type(one) for one in found] == [LineDown, LineDown]

        played(wire, test, in_flight=4)

    def test_copy_of_an_answer_without_number_is_not_the_answer_to_the_next_question(self) -> None:
        wire = HandWire(lambda sent: [(0.01, answer(sent, tag=0) * 2)])

        async def test(line: TaggedLine) -> None:
            for _ in range(2):  # not known yet, and known to number nothing
                found = await line.exchange_row([ask(address=at) for at in range(5)], 4)
                assert found == [at.to_bytes(2, "big") for at in range(5)]

        assert played(wire, test, in_flight=4).faults == {"late": 10}


def test_an_answer_that_comes_late_is_counted_and_never_taken() -> None:
    heard: list[Callable[[bytes], Heard]] = [prompt, lambda sent: [(1.5, answer(sent, 666))], prompt, prompt]
    wire = HandWire(lambda sent: heard.pop(0)(sent))

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        await failing(line, ask(), NoReply)
        assert await line.exchange(ask(address=3)) == b"\0\3"  # nobody has to settle
        await asyncio.sleep(1)
        assert await line.exchange(ask(address=4)) == b"\0\4"

    assert played(wire, test).faults == {"timeout": 1, "late": 1}


def test_late_answer_without_number_is_not_taken_for_the_next_one_of_a_device_that_numbers() -> None:
    def late_without_number(sent: bytes) -> Heard:
        return [(1.01, answer(sent, 666, tag=0))]

    heard: list[Callable[[bytes], Heard]] = [prompt, late_without_number, prompt, prompt]
    wire = HandWire(lambda sent: heard.pop(0)(sent))

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        await failing(line, ask(), NoReply)
        assert await line.exchange(ask(2, address=3)) == b"\0\3"
        assert await line.exchange(ask(address=4)) == b"\0\4"  # unit 1 again, while its old answer comes in

    assert played(wire, test).faults["late"] == 1


def test_connection_on_which_late_answers_come_is_not_half_open() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: [(1.1, answer(sent))]
        for _ in range(4):
            await failing(line, ask(), NoReply)
            await asyncio.sleep(0.2)
        assert line.generation == 1

    assert played(wire, test).faults == {"timeout": 4, "late": 4}


def test_nobody_has_to_settle_any_more_once_numbers_have_been_seen() -> None:
    heard: list[Callable[[bytes], Heard]] = [lambda sent: (), prompt, prompt]
    wire = HandWire(lambda sent: heard.pop(0)(sent))

    async def test(line: TaggedLine) -> None:
        await failing(line, ask(1), NoReply)
        await failing(line, ask(1), Settling)
        assert await line.exchange(ask(2, address=7)) == b"\0\7"
        assert await line.exchange(ask(1, address=8)) == b"\0\x08"

    played(wire, test)


class TestUnnumbered:
    """A device that answers everything with number 0."""

    def test_is_asked_one_question_at_a_time(self) -> None:
        wire = HandWire(unnumbered)

        async def test(line: TaggedLine) -> None:
            found = await asyncio.gather(*(line.exchange(ask(address=address)) for address in range(6)))
            assert found == [address.to_bytes(2, "big") for address in range(6)]
            assert line.numbers_answers is False
            assert line.in_flight == 1
            assert "not numbered" in line.state
            times = [sent_s for sent_s, _ in wire.sent]
            assert all(later - earlier >= 0.0099 for earlier, later in itertools.pairwise(times))

        played(wire, test, in_flight=4)

    def test_settles_after_a_timeout_like_a_serial_line(self) -> None:
        def late(sent: bytes) -> Heard:
            return [(2.0, answer(sent, 666, tag=0))]

        for first in ([unnumbered], []):  # known to be one, or not known yet
            heard: list[Callable[[bytes], Heard]] = [*first, late, unnumbered, unnumbered]
            wire = HandWire(lambda sent, heard=heard: heard.pop(0)(sent))  # type: ignore[misc]

            async def test(line: TaggedLine, known: bool = bool(first)) -> None:
                if known:
                    await line.exchange(ask())
                await failing(line, ask(), NoReply)
                await failing(line, ask(), Settling)
                assert await line.exchange(ask(2, address=7)) == b"\0\7"
                while line.ready_at(1) > now():
                    await asyncio.sleep(line.ready_at(1) - now())
                assert line.lateness_s == {1: about(2.0)}
                assert await line.exchange(ask(address=8)) == b"\0\x08"

            played(wire, test)

    def test_settles_after_a_cancelled_question_too(self) -> None:
        wire = HandWire(unnumbered)

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            exchange = asyncio.create_task(line.exchange(ask()))
            await asyncio.sleep(0.001)
            exchange.cancel()
            await asyncio.gather(exchange, return_exceptions=True)
            await failing(line, ask(), Settling)

        played(wire, test)

    def test_another_units_late_answer_is_skipped_and_the_right_one_waited_for(self) -> None:
        def both(sent: bytes) -> Heard:
            return [(0.1, answer(sent, 666, tag=0, unit=1)), (0.2, answer(sent, tag=0))]

        heard: list[Callable[[bytes], Heard]] = [unnumbered, lambda sent: (), both]
        wire = HandWire(lambda sent: heard.pop(0)(sent))

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            await failing(line, ask(1), NoReply)
            assert await line.exchange(ask(2, address=7)) == b"\0\7"

        assert played(wire, test).faults == {"timeout": 1, "wrong_unit": 1}

    def test_that_learns_to_number_is_believed_by_its_numbers(self) -> None:
        heard: list[Callable[[bytes], Heard]] = [unnumbered, prompt, unnumbered]
        wire = HandWire(lambda sent: heard.pop(0)(sent))

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            await line.exchange(ask())
            assert line.numbers_answers is True
            assert line.state == "up"
            await failing(line, ask(), NoReply)

        played(wire, test)

    def test_every_connection_is_judged_anew(self) -> None:
        wire = HandWire(prompt)

        async def test(line: TaggedLine) -> None:
            await line.exchange(ask())
            wire.lose("h:502: closed by the other side")
            assert await line.wait_up(5)
            assert line.in_flight == 1
            wire.answers = unnumbered
            assert await line.exchange(ask(address=5)) == b"\0\5"
            assert line.numbers_answers is False

        played(wire, test, in_flight=4)


@pytest.mark.parametrize(
    ("spoilt", "error", "fault"),
    [
        (lambda sent: answer(sent, unit=9), BadReply, "wrong_unit"),
        (lambda sent: answer(sent)[:5] + b"\4" + answer(sent)[6:10], BadReply, "wrong_count"),
        (lambda sent: answer(sent)[:7] + b"\4" + answer(sent)[8:], BadReply, "wrong_function"),
        (lambda sent: sent[:4] + b"\0\3\1\x83\2", Refused, "exception_2"),
    ],
)
def test_a_wrong_answer_under_the_right_number_ends_the_exchange_at_once(
    spoilt: Callable[[bytes], bytes], error: type[FieldError], fault: str
) -> None:
    heard = [answer, spoilt, answer]
    wire = HandWire(lambda sent: [(0.01, heard.pop(0)(sent))])

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        began_s = now()
        await failing(line, ask(), error)
        assert now() - began_s == about(0.01)
        assert await line.exchange(ask(address=3)) == b"\0\3"

    assert played(wire, test).faults == {fault: 1}


def test_what_is_no_frame_is_followed_by_a_new_connection_without_a_gap() -> None:
    heard = [lambda sent: b"\1\2\3\4\5\6\7\x08", answer]
    wire = HandWire(lambda sent: [(0.01, heard.pop(0)(sent))])

    async def test(line: TaggedLine) -> None:
        await asyncio.sleep(2)
        error = await failing(line, ask(), LineDown)
        assert error.why == "line: h:502: sent what is no frame, connecting anew"
        assert await line.exchange(ask(address=4)) == b"\0\4"

    assert played(wire, test).generation == 2


def test_a_device_that_sends_nonsense_to_everything_is_not_connected_to_in_a_tight_circle() -> None:
    wire = HandWire(lambda sent: [(0.001, b"\1\2\3\4\5\6\7\x08")])

    async def test(line: TaggedLine) -> None:
        began_s = now()
        while now() - began_s < 20:
            with pytest.raises(LineDown):
                await line.exchange(ask())
            await asyncio.sleep(0.01)
        assert len(wire.opened) < 100

    played(wire, test)


def test_a_datagram_ends_by_itself_and_spoils_no_other() -> None:
    heard = [lambda sent: b"\1\2\3\4\5\6\7\x08" * 2, lambda sent: answer(sent)[:9], answer]
    wire = HandWire(lambda sent: [(0.01, heard.pop(0)(sent))])

    async def test(line: TaggedLine) -> None:
        await failing(line, ask(), NoReply)
        line._unanswered = 0
        await asyncio.sleep(4)
        await failing(line, ask(), NoReply)
        line._unanswered = 0
        await asyncio.sleep(4)
        assert await line.exchange(ask(address=4)) == b"\0\4"

    line = played(wire, test, kind="udp")
    assert (line.generation, line.faults["noise"]) == (1, 2)


def test_half_open_connection_is_given_up_after_two_timeouts() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: ()
        began_s = now()
        await failing(line, ask(), NoReply)
        await failing(line, ask(), NoReply)
        assert now() - began_s == about(2.0)
        wire.answers = prompt
        assert await line.exchange(ask(address=4)) == b"\0\4"
        assert len(wire.opened) == 2

    played(wire, test)


def test_end_of_the_connection_ends_everything_under_way_at_once() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: ()
        asyncio.get_running_loop().call_later(0.2, wire.lose, "h:502: closed by the other side")
        began_s = now()
        found = await asyncio.gather(*(line.exchange(ask(address=at)) for at in range(6)), return_exceptions=True)
        assert now() - began_s == about(0.2)
        assert {type(one) for one in found} == {LineDown}
        assert not line._pending
        assert not line._waiting

    played(wire, test, in_flight=4)


def test_pause_between_requests_is_kept() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        for _ in range(3):
            await line.exchange(ask(pause_s=0.2))
        times = [sent_s for sent_s, _ in wire.sent]
        assert [later - one for one, later in itertools.pairwise(times)] == about([0.21, 0.21])

    played(wire, test)


def test_cancelled_exchange_leaves_nothing_behind() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: [(0.1, answer(sent, 666))]
        exchanges = [asyncio.create_task(line.exchange(ask())) for _ in range(4)]
        await asyncio.sleep(0.05)
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        assert not line._pending
        wire.answers = prompt
        assert await line.exchange(ask(address=5)) == b"\0\5"

    played(wire, test, in_flight=2)


def test_row_begun_without_a_task_is_over_in_the_callback_that_brings_its_last_answer() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: ()
        came: list[Answers] = []
        assert line.begin_row([ask(address=1), ask(address=2)], 1, came.append) is not None
        wire.hear(answer(wire.frames[-1]))
        assert not came
        wire.hear(answer(wire.frames[-1]))  # the second question has left in the callback that brought the first answer
        assert came == [[b"\0\1", b"\0\2"]]

    played(wire, test)


def test_row_is_not_begun_where_something_has_to_be_waited_for() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        came: list[Answers] = []
        assert line.begin_row([ask()], 1, came.append) is None  # nobody knows yet whether its answers are numbered
        await line.exchange(ask())
        assert line.begin_row([ask(pause_s=0.2)], 1, came.append) is None
        wire.answers = lambda sent: ()
        assert line.begin_row([ask()], 1, came.append) is not None
        assert line.begin_row([ask(address=1)], 1, came.append) is None  # one is under way
        wire.lose("h:502: closed by the other side")
        assert line.begin_row([ask()], 1, came.append) is None
        assert not came  # told in the next turn of the loop, when the line has settled its own affairs
        await asyncio.sleep(0)
        assert [[type(one) for one in answers] for answers in came] == [[LineDown]]

    played(wire, test)


def test_failed_row_is_told_when_a_half_open_connection_has_been_given_up() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: ()
        seen: list[tuple[Answers, bool]] = []
        for turn in (True, False):
            assert line.begin_row([ask()], 1, lambda answers: seen.append((answers, line.up))) is not None
            await asyncio.sleep(1.01)
            assert isinstance(seen[-1][0][0], NoReply)
            assert seen[-1][1] is turn

    played(wire, test)


def test_row_that_was_given_up_is_told_nobody() -> None:
    wire = HandWire(prompt)

    async def test(line: TaggedLine) -> None:
        await line.exchange(ask())
        wire.answers = lambda sent: [(0.1, answer(sent))]
        came: list[Answers] = []
        give_up = line.begin_row([ask(address=1), ask(address=2)], 2, came.append)
        assert give_up is not None
        give_up()
        give_up()
        await asyncio.sleep(0.2)
        assert (came, line._pending, line.faults["late"]) == ([], {}, 2)
        assert line.begin_row([ask(address=3)], 1, came.append) is not None
        await asyncio.sleep(0.2)
        assert came == [[b"\0\3"]]
        give_up = line.begin_row([ask(address=4)], 1, came.append)
        assert give_up is not None
        wire.lose("h:502: closed by the other side")
        give_up()  # in the turn in which it failed
        await asyncio.sleep(0)
        assert len(came) == 1

    played(wire, test, in_flight=2)
