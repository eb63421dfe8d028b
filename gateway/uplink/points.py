"""What is published retained: the birth and last will, and the points catalogue (contract.md §2)."""

from collections.abc import Iterable

import orjson

from drivers.profile import InstrumentSpec


def status(gateway: str, state: str, stream: str, version: str, since_ms: int) -> bytes:
    """Body of `status`; `state` is online or offline."""
    return orjson.dumps(
        {"v": 1, "gateway": gateway, "state": state, "stream": stream, "version": version, "since": since_ms}
    )


def catalogue(gateway: str, configuration: str, key: str, instruments: Iterable[InstrumentSpec]) -> bytes:
    """Body of `points`: `configuration` is the site's hash, `key` the gateway's public key (64 hex digits)."""
    return orjson.dumps(
        {
            "v": 1,
            "gateway": gateway,
            "configuration": configuration,
            "key": key,
            "instruments": [
                {
                    "id": instrument.id,
                    "profile": instrument.profile,
                    "period_ms": round(instrument.every_s * 1000),
                    "points": [
                        {
                            "id": point.id,
                            "quantity": point.quantity,
                            "factor": point.factor,
                            "unit": point.unit,
                            "decimals": point.decimals,
                        }
                        for point in instrument.points
                    ],
                }
                for instrument in instruments
            ],
        }
    )
