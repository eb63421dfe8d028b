"""A site with everything a site file can say, as text that tests change."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, load

SITE = """\
gateway:
  id: lyu-gas-017
  site: "Ring Road"
  timezone: Asia/Shanghai
lines:
  forecourt:
    serial: /dev/serial/by-id/usb-none
    baudrate: 9600
    parity: none
    stopbits: 1
    timeout: 500ms
  plc:
    tcp: "192.0.2.10:502"
    in_flight: 2
  server: {tcp: "192.0.2.11:4001", framing: rtu, settle: 2s}
instruments:
  - id: nozzle-1
    line: forecourt
    profile: vapour_recovery/anysafe_al2
    address: 161
    every: 5s
    points:
      - {id: n1_fuel, range: [0, 30000]}
      - {id: extra, table: holding, address: 12, type: uint16, unit: kPa}
    omit: [n2_record, n2_fuel]
  - id: cems-1
    line: plc
    protocol: modbus
    address: 1
    every: 1s
    timeout: 2s
    phase: 200ms
    points:
      - {id: so2, table: input, address: 34, type: float32, order: ABCD, scale: 1, offset: 0, quantity: so2}
      - {id: nox, modicon: 30037, type: float32, unit: mg/m3, factor: a21002, range: [0, 500], invalid: [nan]}
      - {id: door, table: discrete, address: 3}
    options:
      order: CDAB
      registers_per_request: 64
      flags:
        - {table: discrete, address: 15, flag: D, points: [so2]}
  - id: room
    line: server
    profile: room/xy_md02
    address: 3
    every: fastest
uplinks:
  city:
    mqtt: "mqtts://broker.example:8883"
    username: lyu
    base: fieldgate/v1
    window: 20
    protocol: 5
    acknowledge_timeout: 20s
  lab: {mqtt: "mqtt://127.0.0.1:1883", protocol: 3.1.1, accept_unheard: true}
log: {path: /var/lib/fieldgate/log.db, max_size: 2GiB, max_age: 400d, commit_every: 1s, compression: zlib}
health: {listen: "127.0.0.1:9469"}
clock: {hold: 10m, hold_until: synced}
commands: {allow: [status, read]}
"""


def put(folder: Path, text: str = SITE) -> Path:
    """The site file in `folder`."""
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return path


def changed(old: str, new: str) -> str:
    """The example with one piece changed; the piece must be there exactly once."""
    assert SITE.count(old) == 1, old
    return SITE.replace(old, new)


def line_of(text: str, piece: str) -> int:
    """Number of the line, from 1, on which `piece` begins."""
    return text[: text.index(piece)].count("\n") + 1


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with a site of this text, with places as `site.yaml:line:column`."""
    with pytest.raises(SettingsError) as caught:
        load(put(folder, text))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]
