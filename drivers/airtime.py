"""How long bytes take on a line, for the plan of protocols that are asked question by question. Pure."""

from collections.abc import Iterable

from drivers.profile import InstrumentSpec, LineSpec, line_for

SHORTEST_GAP_S = 0.00175
"""Quiet time of a fast line before each request (drivers/line)."""

SWITCH_S = 0.01
"""What it takes to give a port other serial settings, beside the quiet gap after it: USB adapters need milliseconds."""


def switch_s(line: LineSpec) -> float:
    """Seconds until a port that was switched to these settings may speak."""
    return SWITCH_S + max(3.5 * character_s(line), SHORTEST_GAP_S) if line.kind == "serial" else 0.0


def switching(line: LineSpec, instruments: Iterable[InstrumentSpec]) -> dict[str, float]:
    """Instrument -> seconds of switching before its poll; empty where all of the line have the same settings.

    Another one may have had the port before; on a line of two settings that is so at nearly every poll.
    """
    settings = {spec.id: line_for(spec, line) for spec in instruments}
    keys = {(one.baudrate, one.bytesize, one.parity, one.stopbits) for one in settings.values()}
    return {name: switch_s(own) for name, own in settings.items()} if len(keys) > 1 and line.kind == "serial" else {}


def character_s(line: LineSpec) -> float:
    """One character: start bit, data, parity, stop bits; 0 on a network."""
    if line.kind != "serial":
        return 0.0
    return (1 + line.bytesize + (line.parity != "none") + line.stopbits) / line.baudrate


def exchanges_s(line: LineSpec, sizes: Iterable[tuple[int, int]]) -> float:
    """Seconds of (request bytes, reply bytes) with the quiet gap before each, without any thinking time."""
    byte_s = character_s(line)
    gap_s = max(3.5 * byte_s, SHORTEST_GAP_S, line.request_pause_s) if byte_s else line.request_pause_s
    return sum(gap_s + (sent + received) * byte_s for sent, received in sizes)
