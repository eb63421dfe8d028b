"""Stream ids: 26 characters that sort by time and are never drawn twice (the form of a ULID)."""

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


def new_stream(now_ms: int) -> str:
    """48 bits of time, then 80 random bits: two streams begun under the same wrong clock still differ."""
    number = (now_ms & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def began_ms(stream: str) -> int:
    """When a stream began, by the clock of then; 0 for an id of another form."""
    if len(stream) != 26 or any(character not in _ALPHABET for character in stream):
        return 0
    number = 0
    for character in stream[:10]:
        number = number << 5 | _ALPHABET.index(character)
    return number
