"""What a PUBACK means for the batch and for its lane. Pure: time is passed in.

A lane is a topic with its listeners and its permissions. One refused batch is tried again later, and set aside
when it is refused again and again while others of its lane get through: then it is the batch. When the lane itself
is refused (nobody listens, not authorised, quota), nothing is lost or set aside: one batch every 10 s asks again.
Which of the two it is cannot be told by one batch alone, so a lane without others is asked with a batch that the
broker has accepted before. What is larger than the broker takes is the batch's own matter and closes no lane.

A lane may also be refused on and off, or now and then. So a refusal counts against a batch only when others got
through since the one before, and the batch is set aside when a good one would hardly have had so many: the share of
good batches that this lane refused meanwhile (they got through later) to the power of the refusals is HARDLY at most.
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
"""Refusals of one batch, others getting through, before which it is never set aside."""
HARDLY = 2e-4
"""Chance of a good batch to be refused so often: low enough for a lane that refuses half of what it is sent, and
reached by the fifth refusal (about 15 s after the first) where nothing else is refused."""
LANE_REFUSED = 3
"""Refusals in a row after which it is not the batch but the lane."""
RECENT = 100
"""About so many answers tell what share of them a lane refuses."""
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
    refused_good: int = 0
    """Refusals of batches that the broker took before or later."""
    recent_share: float = 0.0
    """Share of `refused_good` in the answers of late."""
    refused_in_a_row: int = 0
    wants: bool = False
    """Whether it has a batch to ask with."""

    def success(self) -> bool:
        """A batch got through; whether that opens the lane again."""
        self.accepted += 1
        self.recent_share *= 1 - 1 / RECENT
        self.refused_in_a_row = 0
        opened, self.asking = self.asking is not None, None
        return opened

    def was_good(self, refusals: int) -> None:
        """What was refused so often is no bad batch."""
        self.refused_good += refusals
        for _ in range(min(refusals, RECENT)):
            self.recent_share += (1 - self.recent_share) / RECENT

    @property
    def doubtful(self) -> bool:
        """Whether batches are refused, and not because nobody listens."""
        return self.asking is not None and self.asking != name(UNHEARD)

    def failure(self, code: int) -> None:
        """A batch did not get through."""
        if code == TOO_LARGE:
            return
        self.refused_in_a_row += 1
        if code == UNHEARD or self.refused_in_a_row >= LANE_REFUSED:
            self.asking = name(code)


class Asking:
    """Lends the one question per `every_s` to the lanes that are refused, in turn where both have something to ask.

    `lanes`: the live one, then the backlog's.
    """

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

    def connected(self, now: float) -> None:
        """Over a new connection whoever listens may be back as well: ask at once, the first lane first."""
        self._last = self._lanes[-1]
        self._next_at = now

    def opened(self) -> None:
        """One lane is heard again: the other one need not wait to ask."""
        self._next_at = 0.0


@dataclass(slots=True)
class _Refused:
    lane: LaneState
    accepted_first: int
    """`accepted` of the lane at the first refusal; `refused_good` likewise."""
    refused_good_first: int
    accepted_last: int = -1
    """`accepted` of the lane at the last refusal."""
    refusals: int = 0
    """On either lane."""
    counted: int = 0
    """Those before which others got through."""
    not_before: float = 0.0

    def is_bad(self, code: int) -> bool:
        """Whether it is the batch."""
        if self.counted < REFUSALS:
            return False
        if code == TOO_LARGE:
            return True
        accepted = self.lane.accepted - self.accepted_first
        refused_good = self.lane.refused_good - self.refused_good_first
        share = (refused_good + 1) / (accepted + refused_good + 2)  # Laplace's rule: nothing seen is no certainty
        return accepted > 0 and max(share, self.lane.recent_share) ** self.counted <= HARDLY


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
            before = known.refusals if known is not None else 0
            known = self._refused[position] = _Refused(lane, lane.accepted, lane.refused_good, refusals=before)
            if len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        known.refusals += 1
        if code == TOO_LARGE or lane.accepted > known.accepted_last:
            known.counted += 1
        known.accepted_last = -1 if code == TOO_LARGE else lane.accepted
        if known.is_bad(code):
            del self._refused[position]
            return None
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(known.counted - 1, 10))
        known.not_before = now + wait_s
        return wait_s

    def wait_s(self, position: int, now: float) -> float:
        """Seconds until this batch may be tried again; 0 when it was not refused."""
        known = self._refused.get(position)
        return max(0.0, known.not_before - now) if known is not None else 0.0

    def alone(self, position: int, lane: LaneState) -> bool:
        """Whether nothing got through since this batch was refused: another refusal of it would say nothing."""
        known = self._refused.get(position)
        return known is not None and known.lane is lane and known.accepted_last == lane.accepted

    def judged(self, position: int, lane: LaneState) -> bool:
        """Whether others got through since this batch was refused: another refusal says nothing of the lane."""
        known = self._refused.get(position)
        return known is not None and known.lane is lane and known.accepted_last < lane.accepted

    def settled(self, position: int, lane: LaneState) -> None:
        """It got through after all: what was refused was not the batch."""
        known = self._refused.pop(position, None)
        if known is not None:
            lane.was_good(known.refusals)
