"""How long a Modbus exchange takes on a line. Pure."""

from dataclasses import dataclass

from drivers.airtime import character_s
from drivers.profile import LineSpec

SERIAL_RESPONSE_S = 0.02
"""What an instrument on a serial line takes to think, where nobody has measured it."""
NETWORK_RESPONSE_S = 0.005
SHORTEST_QUIET_S = 0.00175
"""Above 19200 baud the quiet gap stays 1.75 ms (Modbus over Serial Line V1.02 §2.5.1.1)."""
REQUEST_BYTES = 8
REPLY_FRAME_BYTES = 5
"""RTU: a read request, and what a read's answer has besides its data."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One line as the plan sees it; on a network a byte costs nothing."""

    byte_s: float
    quiet_s: float
    ascii: bool

    @classmethod
    def of(cls, line: LineSpec) -> "Wire":
        """The line's character time and quiet gap."""
        ascii_framing = line.framing == "ascii"
        if line.kind != "serial":
            return cls(0.0, 0.0, ascii_framing)
        byte_s = character_s(line)
        quiet_s = 0.0 if ascii_framing else max(3.5 * byte_s, SHORTEST_QUIET_S)
        return cls(byte_s, max(quiet_s, line.request_pause_s), ascii_framing)

    @property
    def is_serial(self) -> bool:
        """Whether bytes take time."""
        return self.byte_s > 0

    @property
    def usual_response_s(self) -> float:
        """Response time to plan with where none is known."""
        return SERIAL_RESPONSE_S if self.is_serial else NETWORK_RESPONSE_S

    def bytes_s(self, count: int) -> float:
        """Seconds for an RTU frame of that many bytes, or the ASCII frame of the same content."""
        # ASCII: two characters a byte, one byte of LRC for two of CRC, colon, CR and LF
        return self.byte_s * (2 * (count - 1) + 3 if self.ascii else count)

    def reply_s(self, data_bytes: int, response_s: float) -> float:
        """From the end of the request to the end of the answer."""
        return response_s + self.bytes_s(REPLY_FRAME_BYTES + data_bytes)

    def exchange_s(self, data_bytes: int, response_s: float, pause_s: float = 0.0) -> float:
        """The whole read, with the quiet time before it."""
        return max(self.quiet_s, pause_s) + self.bytes_s(REQUEST_BYTES) + self.reply_s(data_bytes, response_s)
