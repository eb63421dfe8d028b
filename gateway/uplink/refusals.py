"""What a PUBACK means for the batch and for its lane. Pure: time is passed in.

A lane is a topic with its listeners and its permissions. One refused batch is tried again later, and set aside
when it is refused again and again while others of its lane get through: then it is the batch. When the lane itself
is refused (nobody listens, not authorised, quota), nothing is lost or set aside: one batch every 10 s asks again.
Which of the two it is cannot be told by one batch alone, so a lane without others is asked with a batch that the
broker has accepted before. What is larger than the broker takes is the batch's own matter and closes no lane.
"""

from collections import OrderedDict
from dataclasses import dataclass

UNHEARD = 0x10
"""No matching subscribers: the broker took the message and threw it away (MQTT 5.0 §3.4.2.1)."""
FAILURE = 0x80
"""Reason codes from here up are failures (MQTT 5.0 §2.4)."""
TOO_LARGE = 0x95
"""Packet too large: never a PUBACK's code, used here for what the broker's limit keeps from being sent."""
REFUSALS = 5
"""Refusals of one batch, others getting through, after which it is set aside."""
LANE_REFUSED = 3
"""Refusals in a row after which it is not the batch but the lane."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
REMEMBERED = 1000
"""Refused batches remembered; more of them are no longer single bad batches."""

_NAMES = {
    UNHEARD: "unheard",
    0x80: "unspecified",
    0x83: "implementation",
    0x87: "not_authorized",
    0x90: "topic",
    0x91: "identifier",
    TOO_LARGE: "too_large",
    0x97: "quota",
    0x99: "payload",
}


def name(code: int) -> str:
    """A reason code as the metric `refused` has it."""
    return _NAMES.get(code, f"0x{code:02X}")


@dataclass(slots=True)
class LaneState:
    """How the broker treats one topic. `asking`: the reason for which only one batch at a time asks, or None."""

    topic: str
    asking: str | None = None
    accepted: int = 0
    refused_in_a_row: int = 0
    wants: bool = False
    """Whether it has a batch to ask with."""

    def success(self) -> bool:
        """A batch got through; whether that opens the lane again."""
        self.accepted += 1
        self.refused_in_a_row = 0
        opened, self.asking = self.asking is not None, None
        return opened

    @property
    def doubtful(self) -> bool:
        """Whether batches are refused, and not because nobody listens."""
        return self.asking not in (None, name(UNHEARD))

    def failure(self, code: int) -> None:
        """A batch did not get through."""
        if code == TOO_LARGE:
            return
        self.refused_in_a_row += 1
        if code == UNHEARD or self.refused_in_a_row >= LANE_REFUSED:
            self.asking = name(code)


class Asking:
    """Lends the one question per `every_s` to the lanes that are refused, in turn where both have something to ask."""

    def __init__(self, every_s: float, lanes: tuple[LaneState, ...]) -> None:
        self._every_s = every_s
        self._lanes = lanes
        self._next_at = 0.0
        self._last: LaneState | None = None

    def wait_s(self, lane: LaneState, now: float) -> float:
        """Seconds until `lane` may send a batch: 0 for an open one."""
        if lane.asking is None:
            return 0.0
        at = self._next_at
        others = any(other.asking is not None and other.wants for other in self._lanes if other is not lane)
        if self._last is lane and others:
            at += self._every_s  # the other one's turn; if it does not come, go on
        return max(0.0, at - now)

    def asked(self, lane: LaneState, now: float) -> None:
        """`lane` sends the batch that asks."""
        self._last = lane
        self._next_at = now + self._every_s

    def opened(self) -> None:
        """One lane is heard again: the other one need not wait to ask."""
        self._next_at = 0.0


@dataclass(slots=True)
class _Refused:
    count: int
    lane: LaneState
    accepted_then: int
    not_before: float


class Refusals:
    """The batches that were refused, by position; outlives connections."""

    def __init__(self) -> None:
        self._refused: OrderedDict[int, _Refused] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._refused)

    def refuse(self, position: int, lane: LaneState, now: float, code: int) -> float | None:
        """Note a refusal: seconds until the batch may be tried again, None when it is to be set aside."""
        known = self._refused.get(position)
        if known is None or known.lane is not lane:
            known = _Refused(0, lane, lane.accepted, now)
            self._refused[position] = known
            if len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        known.count += 1
        if known.count >= REFUSALS and (code == TOO_LARGE or lane.accepted > known.accepted_then):
            del self._refused[position]
            return None
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(known.count - 1, 10))
        known.not_before = now + wait_s
        return wait_s

    def wait_s(self, position: int, now: float) -> float:
        """Seconds until this batch may be tried again; 0 when it was not refused."""
        known = self._refused.get(position)
        return max(0.0, known.not_before - now) if known is not None else 0.0

    def settled(self, position: int) -> None:
        """It got through after all."""
        self._refused.pop(position, None)
