"""A row is handed out only when its columns are what its body says, however the body is written."""

import zlib

import pytest

from gateway.batch import FIRST_PREV, Batch, encode, pack
from gateway.log.row import Columns, Damaged, checked, columns

STREAM = "01JD9QAAAA"
LONG = "g" * 2000
"""A name so long that the batch's own name lies beyond where it is looked for first."""


def row(gateway: str = "lyu", compression: str = "none", **said: object) -> Columns:
    """What is stored for seq 7 of STREAM; `said` is in the body instead."""
    named = {"stream": STREAM, "seq": 7, "created_ms": 1_764_000_000_000} | said
    body = encode(gateway, named["stream"], named["seq"], FIRST_PREV, named["created_ms"], "synced")  # type: ignore[arg-type]
    return columns(Batch(12, STREAM, 7, 1_764_000_000_000, pack(body, compression)))


GATEWAYS = ("lyu", 'with "quotes" \\ and 中文', LONG)


@pytest.mark.parametrize("compression", ["none", "zlib"])
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_batch_is_handed_out_as_it_was_stored(gateway: str, compression: str) -> None:
    stored = row(gateway, compression)
    assert columns(checked(stored)) == stored


@pytest.mark.parametrize("compression", ["none", "zlib"])
@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("said", [{"stream": "01JD9QBBBB"}, {"seq": 8}, {"created_ms": 1_764_000_000_001}])
def test_a_body_that_names_another_batch_is_refused(gateway: str, compression: str, said: dict[str, object]) -> None:
    with pytest.raises(Damaged, match="which its body is not"):
        checked(row(gateway, compression, **said))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"{", b"\x78", zlib.compress(b"7"), b"null", b"\xff\xfe"])
def test_a_body_that_is_no_batch_is_refused_even_with_a_right_checksum(body: bytes) -> None:
    with pytest.raises(Damaged):
        checked((12, STREAM, 7, 1_764_000_000_000, zlib.crc32(body), body))


def test_every_flipped_bit_of_a_body_is_refused() -> None:
    position, stream, seq, created_ms, crc, body = row(compression="zlib")
    for at in range(len(body) * 8):
        other = bytearray(body)
        other[at // 8] ^= 1 << at % 8
        with pytest.raises(Damaged):
            checked((position, stream, seq, created_ms, crc, bytes(other)))
