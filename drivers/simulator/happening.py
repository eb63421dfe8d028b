"""What must happen on a simulated site between two instants, as data: for tests that look for it in what was delivered.

| kind | instrument | from, until | data |
|---|---|---|---|
| `calibration` | the analyser | zero gas begins, span gas ends | `zero_until` (unix s) |
| `start_up`, `shut_down` | - | load begins to change, has changed | |
| `bypass_open` | what shows the damper | open, closed | |
| `raw_mill_off` | - | off, on again | |
| `fuelling` | dispenser | begin, end | `nozzle`, `litres`, `vapour_litres`, `seconds` |
| `unloading` | - | the tanker's hose on, off | |
| `batch` | batch analyser | sample taken, result shown | one number per quantity |
| `rain` | - | first, last drop | `mm`, `mm_per_h`, `strength` (0..1) |
| `strong_wind` | - | rises, has fallen | |
| `noise_event` | sound level meter | begin, end | `dB`, its highest level alone |
| `weighing` | scale | load at rest, load taken off | `kg` |
| `door_open` | the contact | open, closed | |
| `source_moved` | - | source out of its shield, back | |
| `alarm` | the alarm's contact | on, off | |
| `pumping` | - | the neighbour's pump on, off | |
| `production` | - | first, last minute of a shift | |
| `untreated` | meter of the treatment equipment | off, on again | |
| `night_setback` | - | lowered, raised again | |

They are what the world does, not what a gateway says of it: what a site file asks for decides that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.contract import Value


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts: unix seconds, and what belongs to it."""

    from_s: float
    until_s: float
    data: Mapping[str, Value] = field(default_factory=dict)

    def meets(self, from_s: float, until_s: float) -> bool:
        """Whether it lasts at some instant from `from_s` to before `until_s`."""
        return self.from_s < until_s and self.until_s > from_s

    def told(self, kind: str, instrument: str | None = None) -> "Happening":
        """As what the site did."""
        return Happening(kind, instrument, self.from_s, self.until_s, self.data)


@dataclass(frozen=True, slots=True)
class Happening:
    """One of the kinds above; `instrument` is None for what shows on several."""

    kind: str
    instrument: str | None
    from_s: float
    until_s: float
    data: Mapping[str, Value] = field(default_factory=dict)


def told(kind: str, spans: Iterable[Span], instruments: Iterable[str | None] = (None,)) -> Iterator[Happening]:
    """Each span once for each instrument."""
    return (span.told(kind, one) for span in spans for one in instruments)


def changes(
    spans: Iterable[Span], begins: tuple[str, float], ends: tuple[str, float], from_s: float, until_s: float
) -> Iterator[Happening]:
    """What comes with the begin and with the end of each span, as kind and how many seconds it lasts, where it lasts at
    some instant from `from_s` to before `until_s`."""
    for span in spans:
        for at_s, (kind, lasts_s) in ((span.from_s, begins), (span.until_s, ends)):
            change = Span(at_s, at_s + lasts_s)
            if change.meets(from_s, until_s):
                yield change.told(kind)
