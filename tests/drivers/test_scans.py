"""Every protocol that can be asked finds its simulated instruments, tells noise from silence, and ends."""

from collections.abc import Callable

import pytest

from drivers import catalogue
from drivers.scanning import Step
from drivers.simulator.meter import Readings
from drivers.simulator.meters import KINDS
from tests.fakes.meters import ADDRESSES, FULLEST, SERIAL, FunctionLine, fixed, instrument

FOUND = {
    "dlt645": ("000000000001", {}),
    "cjt188": ("00000000000001", {"kind": "heat"}),
    "mbus": (5, {"identification": "00000005", "manufacturer": "FGT", "version": "1", "medium": "04"}),
    "sdi12": ("3", {"vendor": "FIELDGTE", "model": "SIMSEN", "version": "S00", "more": "1"}),
    "bayern_hessen": ("any", {"components": "001, 002, 003"}),
    "veeder_root": (0, {}),
}


def there(protocol: str) -> Callable[[bytes], bytes]:
    spec = instrument({"profile": FULLEST[protocol], "address": ADDRESSES[protocol]})
    kind = KINDS[protocol]
    meter = kind.meter(Readings(spec, fixed(spec, {})))
    return lambda request: meter.answer(request.lstrip(kind.framing.filler)) or b""


async def steps(protocol: str, reply: Callable[[bytes], bytes], addresses=()) -> list[Step]:
    scan = catalogue.protocol(protocol).scan
    assert scan is not None
    return [step async for step in scan(FunctionLine(reply), SERIAL, addresses)]  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", FOUND)
async def test_the_instrument_on_the_line_is_found(protocol: str) -> None:
    heard = [step.heard for step in await steps(protocol, there(protocol)) if step.heard is not None]
    address, identity = FOUND[protocol]
    assert [(one.protocol, one.address, dict(one.identity)) for one in heard] == [(protocol, address, identity)]
    assert heard[0].said


@pytest.mark.parametrize("protocol", FOUND)
async def test_silence_is_nobody_and_garbage_is_nobody(protocol: str) -> None:
    for reply in (b"", bytes(range(256))):
        found = await steps(protocol, lambda request, reply=reply: reply)
        assert found
        assert [step for step in found if step.heard is not None and protocol != "mbus"] == []


@pytest.mark.parametrize("protocol", FOUND)
async def test_what_was_found_can_be_polled_at_once(protocol: str) -> None:
    """The address that a scan tells is one that a site file takes."""
    address, _ = FOUND[protocol]
    assert instrument({"profile": FULLEST[protocol], "address": address}).address == address


async def test_given_addresses_are_the_only_ones_tried() -> None:
    assert [step.address for step in await steps("mbus", there("mbus"), [4, 5])] == [4, 5]
    assert [step.address for step in await steps("sdi12", there("sdi12"), [3, 161])] == ["3"]
    assert [step.address for step in await steps("dlt645", there("dlt645"), ["000000000001"])] == ["000000000001"]


def test_every_protocol_that_is_asked_can_be_scanned() -> None:
    assert {name for name in FULLEST if catalogue.protocol(name).scan is None} == set()
