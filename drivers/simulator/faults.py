"""A hostile slave: answers that are late, cut, doubled, mixed up or nonsense, at random, seeded, counted by name.

    slave = Slave(units, mischief=Hostility("rtu", share=0.05, seed=7, timeout_s=0.03))

Every frame that must not be believed carries decoy data (`DECOY`), so that a driver that believes it is found out.
A corrupted RTU frame is made so that its CRC is surely wrong; one that is right by chance would prove nothing.
`timeout_s` is the master's timeout: late answers come within twice more, before its unit has settled; `in_flight`
how many questions it may have under way.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from drivers.modbus.crc import crc16
from drivers.simulator.slave import Act, Hangup, Send
from drivers.simulator.slave_framing import Question, SlaveFraming

DECOY = 0xDE
"""Every byte of data that no driver may believe."""
EXCEPTIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
UNKNOWN_EXCEPTIONS = (0, 9, 12, 127, 255)


@dataclass(frozen=True, slots=True)
class Answer:
    """A right answer about to be spoilt."""

    question: Question
    pdu: bytes
    framing: SlaveFraming
    random: Random
    timeout_s: float
    in_flight: int

    def frame(self, pdu: bytes | None = None, unit: int | None = None, tag: int | None = None) -> bytes:
        """On the wire, with something else in the place of what is right."""
        question = self.question
        return self.framing.frame(
            question.unit if unit is None else unit,
            self.pdu if pdu is None else pdu,
            question.tag if tag is None else tag,
        )

    def another(self) -> int:
        """A unit that nobody here asks. A frame in the name of one that is asked, delivered late by a busy machine,
        could come when that one has just been asked, and would be a right answer for all one can see."""
        return (self.question.unit + 100) % 247 + 1

    def decoy(self, data_bytes: int | None = None) -> bytes:
        """The PDU with data that must not be believed; its byte count agrees with its length."""
        size = len(self.pdu) - 2 if data_bytes is None else max(0, data_bytes)
        return bytes([self.pdu[0], size & 0xFF]) + bytes([DECOY]) * size

    def noise(self, most: int = 12) -> bytes:
        """A few random bytes."""
        return self.random.randbytes(self.random.randint(1, most))

    def late_s(self) -> float:
        """After the timeout, and well before three of them: the unit still settles."""
        return self.timeout_s * self.random.uniform(1.1, 2.6)

    def in_time_s(self) -> float:
        """Long enough to matter, short enough to be waited for."""
        return self.timeout_s * self.random.uniform(0.05, 0.4)


Fault = Callable[[Answer], Iterable[Act]]


def _hang(answer: Answer) -> Iterable[Act]:
    return ()


def _reset(answer: Answer) -> Iterable[Act]:
    return (Hangup(reset=True),)


def _end(answer: Answer) -> Iterable[Act]:
    return (Hangup(reset=False),)


def _half_then_end(answer: Answer) -> Iterable[Act]:
    frame = answer.frame()
    return Send(frame[: answer.random.randrange(1, len(frame))]), Hangup(reset=False)


def _drip(answer: Answer) -> Iterable[Act]:
    """Byte by byte, whole in time."""
    frame = answer.frame()
    step_s = answer.in_time_s() / len(frame)
    return tuple(Send(frame[at : at + 1], at * step_s) for at in range(len(frame)))


def _drip_too_slowly(answer: Answer) -> Iterable[Act]:
    """Byte by byte, whole only after the timeout."""
    frame = answer.frame()
    step_s = answer.late_s() / len(frame)
    return tuple(Send(frame[at : at + 1], at * step_s) for at in range(len(frame)))


def _late(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(), answer.late_s()),)


def _late_without_tag(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(tag=0), answer.late_s()),)


def _without_tag(answer: Answer) -> Iterable[Act]:
    """Some devices always answer with transaction 0; the data is right."""
    return (Send(answer.frame(tag=0)),)


def _twice_without_tag(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(tag=0) * 2),)


def _wrong_tag(answer: Answer) -> Iterable[Act]:
    # the number of a question that is under way beside this one would make it a right answer for all one can see
    away = [step for step in (-17, -3, -1, 1, 2, 256) if abs(step) >= answer.in_flight]
    other = (answer.question.tag + answer.random.choice(away)) % 65536 or 77
    return (Send(answer.frame(answer.decoy(), tag=other)),)


def _wrong_unit(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(answer.decoy(), unit=answer.another())),)


def _wrong_function(answer: Answer) -> Iterable[Act]:
    other = {3: 4, 4: 3, 1: 2, 2: 1}.get(answer.pdu[0], 3)
    return (Send(answer.frame(bytes([other]) + answer.decoy()[1:])),)


def _write_function(answer: Answer) -> Iterable[Act]:
    """As if it had been asked to write: function 6 or 16, of their own lengths."""
    function = answer.random.choice((6, 16))
    return (Send(answer.frame(bytes([function]) + bytes([DECOY]) * 4)),)


def _wrong_protocol(answer: Answer) -> Iterable[Act]:
    frame = bytearray(answer.frame(answer.decoy()))
    frame[2:4] = answer.random.choice((b"\0\1", b"\1\0", b"\xff\xff"))
    return (Send(bytes(frame)),)


def _length(length: int) -> Fault:
    def say_length(answer: Answer) -> Iterable[Act]:
        """A header that lies about what follows."""
        frame = bytearray(answer.frame(answer.decoy()))
        frame[4:6] = length.to_bytes(2)
        return (Send(bytes(frame)),)

    return say_length


def _fewer(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(answer.decoy(len(answer.pdu) - 4))),)


def _more(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(answer.decoy(min(250, len(answer.pdu))))),)


def _odd(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(answer.decoy(len(answer.pdu) - 3))),)


def _zero(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(answer.decoy(0))),)


def _count_disagrees(answer: Answer) -> Iterable[Act]:
    """The byte count says one thing, the frame's length another."""
    pdu = bytearray(answer.decoy())
    pdu[1] = (pdu[1] + answer.random.choice((-2, -1, 1, 2))) & 0xFF
    return (Send(answer.frame(bytes(pdu))),)


def _extra_before(answer: Answer) -> Iterable[Act]:
    """An answer to nobody's question, then the right one."""
    return (Send(answer.frame(answer.decoy(), tag=(answer.question.tag + 9) % 65536 or 1) + answer.frame()),)


def _extra_after(answer: Answer) -> Iterable[Act]:
    """The right answer, and with it another under the same number."""
    return (Send(answer.frame() + answer.frame(answer.decoy())),)


def _exception(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(bytes([answer.question.pdu[0] | 0x80, answer.random.choice(EXCEPTIONS)]))),)


def _unknown_exception(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame(bytes([answer.question.pdu[0] | 0x80, answer.random.choice(UNKNOWN_EXCEPTIONS)]))),)


def _other_exception(answer: Answer) -> Iterable[Act]:
    """An exception to a function that was not asked."""
    return (Send(answer.frame(bytes([0x90, answer.random.choice(EXCEPTIONS)]))),)


def _nonsense(answer: Answer) -> Iterable[Act]:
    return (Send(_no_frame(answer, answer.noise(40))),)


def _noise_before(answer: Answer) -> Iterable[Act]:
    return (Send(answer.noise() + answer.frame()),)


def _noise_inside(answer: Answer) -> Iterable[Act]:
    frame = answer.frame(answer.decoy())
    at = answer.random.randrange(1, len(frame))
    return (Send(_no_frame(answer, frame[:at] + answer.noise(3) + frame[at:])),)


def _noise_after(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame() + answer.noise()),)


def _partial(answer: Answer) -> Iterable[Act]:
    frame = answer.frame()
    return (Send(frame[: answer.random.randrange(1, len(frame))]),)


def _bad_crc(answer: Answer) -> Iterable[Act]:
    """A burst of wrong bits anywhere; bursts of up to 16 bits are always found by the CRC."""
    frame = bytearray(answer.frame(answer.decoy()))
    at = answer.random.randrange(len(frame))
    frame[at] ^= answer.random.randint(1, 255)
    return (Send(bytes(frame)),)


def _collision(answer: Answer) -> Iterable[Act]:
    """Two units at once: on the wire a 0 of either wins."""
    frame = answer.frame(answer.decoy())
    other = answer.frame(bytes([answer.pdu[0], len(answer.pdu) - 2]) + answer.random.randbytes(len(answer.pdu) - 2),
                         unit=answer.another())  # fmt: skip
    return (Send(_no_frame(answer, bytes(one & two for one, two in zip(frame, other, strict=True)))),)


def _wrong_baud(answer: Answer) -> Iterable[Act]:
    """What a receiver at half the speed makes of it: about half as many bytes, all different."""
    frame = answer.frame()
    heard = bytes((byte & 0x0F) * 0x11 ^ 0x5A for byte in frame[::2])
    return (Send(_no_frame(answer, heard)),)


def _echo(answer: Answer) -> Iterable[Act]:
    """The adapter hears itself: the request, then the answer."""
    return (Send(answer.framing.frame(answer.question.unit, answer.question.pdu) + answer.frame()),)


def _gap(answer: Answer) -> Iterable[Act]:
    """A pause between two characters."""
    frame = answer.frame()
    at = answer.random.randrange(1, len(frame))
    return Send(frame[:at]), Send(frame[at:], answer.in_time_s())


def _neighbour_before(answer: Answer) -> Iterable[Act]:
    """Another unit's frame, then the right one."""
    return (Send(answer.frame(answer.decoy(), unit=answer.another()) + answer.frame()),)


def _twice(answer: Answer) -> Iterable[Act]:
    return (Send(answer.frame() * 2),)


def _babble(answer: Answer) -> Iterable[Act]:
    """Random bytes without a pause until after the timeout."""
    step_s = 0.002
    count = int(answer.late_s() / step_s)
    return tuple(Send(_no_frame(answer, answer.noise(8)), at * step_s) for at in range(count))


def _no_frame(answer: Answer, data: bytes) -> bytes:
    """The bytes, changed if need be until no part of them is a frame with a right CRC."""
    data = bytes(data)
    while any(crc16(data[at:end]) == 0 for at in range(len(data) - 3) for end in range(at + 4, len(data) + 1)):
        data = answer.random.randbytes(len(data))
    return data


TCP_FAULTS: Mapping[str, Fault] = {
    "hang": _hang, "reset": _reset, "end": _end, "half then end": _half_then_end, "drip": _drip,
    "drip too slowly": _drip_too_slowly, "late": _late, "late without tag": _late_without_tag,
    "without tag": _without_tag, "twice without tag": _twice_without_tag, "wrong tag": _wrong_tag,
    "wrong unit": _wrong_unit, "wrong function": _wrong_function, "write function": _write_function,
    "wrong protocol": _wrong_protocol, "length 0": _length(0), "length 1": _length(1),
    "length 65535": _length(65535), "fewer bytes": _fewer, "more bytes": _more, "odd bytes": _odd,
    "zero bytes": _zero, "count disagrees": _count_disagrees, "extra frame before": _extra_before,
    "extra frame after": _extra_after, "exception": _exception, "unknown exception": _unknown_exception,
    "other exception": _other_exception, "nonsense": _nonsense,
}  # fmt: skip
RTU_FAULTS: Mapping[str, Fault] = {
    "hang": _hang, "drip": _drip, "drip too slowly": _drip_too_slowly, "late": _late, "wrong unit": _wrong_unit,
    "wrong function": _wrong_function, "write function": _write_function, "fewer bytes": _fewer,
    "more bytes": _more, "odd bytes": _odd, "zero bytes": _zero, "count disagrees": _count_disagrees,
    "exception": _exception, "unknown exception": _unknown_exception, "other exception": _other_exception,
    "nonsense": _nonsense, "noise before": _noise_before, "noise inside": _noise_inside,
    "noise after": _noise_after, "partial": _partial, "bad crc": _bad_crc, "collision": _collision,
    "wrong baud": _wrong_baud, "echo": _echo, "gap": _gap, "neighbour before": _neighbour_before, "twice": _twice,
    "babble": _babble,
}  # fmt: skip
FAULTS: Mapping[str, Mapping[str, Fault]] = {"tcp": TCP_FAULTS, "rtu": RTU_FAULTS}


class Hostility:
    """Mischief for a Slave: spoils `share` of its answers with one of `faults`, each as likely as the others.

    `faults` are names of FAULTS[framing], all by default; `done` counts them.
    """

    def __init__(
        self,
        framing: str,
        share: float,
        seed: int,
        timeout_s: float,
        faults: Iterable[str] | None = None,
        in_flight: int = 1,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._faults = FAULTS[framing]
        self._names = tuple(self._faults if faults is None else faults)
        self._share = share
        self._random = Random(seed)
        self._timeout_s = timeout_s
        self._in_flight = in_flight

    def __call__(self, question: Question, pdu: bytes, framing: SlaveFraming) -> Iterable[Act]:
        """What goes on the wire for this answer."""
        if self._random.random() >= self._share or pdu[0] & 0x80:
            return (Send(framing.frame(question.unit, pdu, question.tag)),)
        name = self._random.choice(self._names)
        self.done[name] += 1
        return self._faults[name](Answer(question, pdu, framing, self._random, self._timeout_s, self._in_flight))
