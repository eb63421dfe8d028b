"""Traffic on a road over the day, and what a microphone hears of single vehicles."""

import math

from drivers.simulator.days import LocalTime
from drivers.simulator.smooth import chance, drift

_SLOT_S = 6  # at most one vehicle in this time passes the microphone
_PASSING_S = 2.0  # half width of what is heard of it


class Traffic:
    """A road: `busy` is the share of slots with a vehicle in the rush hour."""

    def __init__(self, seed: int, local: LocalTime, busy: float = 0.9) -> None:
        self._seed = seed
        self._local = local
        self._busy = busy

    def share(self, t_s: float) -> float:
        """0 empty to about 1: rush hours at 8 and 18 on working days, one long hump at weekends."""
        if self._local.works(self._local.day(t_s)):
            day = 0.5 * self._local.peak(t_s, 13, 5) + 0.5 * self._local.peak(t_s, 8, 1.6)
            day += 0.52 * self._local.peak(t_s, 18, 1.9)
        else:
            day = 0.6 * self._local.peak(t_s, 15, 4.5)
        return max(0.02, (0.04 + day) * (1 + 0.08 * drift(t_s, 900, self._seed, "traffic")))

    def energy(self, t_s: float, distance_db: float = 0.0) -> float:
        """Sound energy (1 is 0 dB) of the vehicles that are passing; `distance_db`: taken by the way."""
        slot = int(t_s // _SLOT_S)
        heard = 0.0
        for number in (slot - 1, slot, slot + 1):
            key = (self._seed, "vehicle", number)
            if chance(*key) < self._busy * self.share(number * _SLOT_S):
                middle_s = (number + chance(*key, "middle")) * _SLOT_S
                level = 68 + 9 * chance(*key, "level") ** 2 - distance_db  # lorries are few and loud
                heard += 10 ** (level / 10) * math.exp(-(((t_s - middle_s) / _PASSING_S) ** 2))
        return heard
