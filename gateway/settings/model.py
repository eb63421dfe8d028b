"""The site file, section by section, as checked values.

A field is named with its unit in the program (`timeout_s`) and by its alias in the file (`timeout: 1s`). The
docstring under each field is what docs/site-file.md and the exported schema say of it.
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from drivers.profile import Checked, Duration, Name, Size
from gateway.domain.derived import DerivedKeys
from gateway.domain.steps import StepKeys
from gateway.domain.vapour_recovery import VapourKeys
from gateway.settings.values import Broker, Endpoint, FilePath, MqttVersion, Network, Period, TimeZone, Topic, endpoint

SHORTEST_COMMIT_S = 0.005
"""contract.md §3: shortest `commit_every`."""

_SERIAL_KEYS = {"baudrate", "bytesize", "parity", "stopbits", "rs485"}
_TLS_KEYS = {"ca_file", "cert_file", "key_file"}
_WIRE_KEYS = {"framing", "settle_s", "in_flight", "connect_pause_s", "request_pause_s"}
_LISTENING_KEYS = {"allow", "connections", "idle_s"}
_ASKING_KEYS = {"framing", "timeout_s", "settle_s", "in_flight", "connect_pause_s", "request_pause_s"}
KINDS = ("serial", "tcp", "udp", "tls", "listen", "local")
"""The keys of which each line has one."""


class GatewayKeys(Checked):
    """Who this gateway is."""

    id: Name
    """Name of the gateway in topics and in every batch; never changes."""
    title: str = Field("", alias="site")
    """What people call the site."""
    timezone: TimeZone = "UTC"
    """Time zone of the site, which decides where days and hours begin."""


class LineKeys(Checked):
    """One serial port or network endpoint. Exactly one of serial, tcp, udp, tls, listen, local says which."""

    serial: FilePath | None = None
    """Serial port, best as /dev/serial/by-id/… so that it stays the same after re-plugging."""
    tcp: Endpoint | None = None
    """`host:port` of a TCP endpoint: an instrument, a PLC, a serial device server."""
    udp: Endpoint | None = None
    """`host:port` of a UDP endpoint."""
    tls: Endpoint | None = None
    """`host:port` of a TLS endpoint (Modbus/TCP Security)."""
    listen: Endpoint | None = None
    """`address:port` of this machine on which instruments that speak unasked connect to the gateway."""
    local: FilePath | None = None
    """`/`: this machine itself (sensors of the host); another root of a file system for a simulated machine."""
    baudrate: Annotated[int, Field(ge=50, le=4_000_000)] = 9600
    """Bits per second; serial only."""
    bytesize: Literal[7, 8] = 8
    """Data bits; serial only."""
    parity: Literal["none", "even", "odd"] = "none"
    """Parity; serial only."""
    stopbits: Literal[1, 2] = 1
    """Stop bits; serial only."""
    rs485: Literal["auto", "kernel", "rts"] = "auto"
    """Direction control: auto leaves it to the adapter, kernel to the driver, rts switches RTS; serial only."""
    framing: Literal["tcp", "rtu", "ascii"] | None = None
    """Modbus framing; default tcp on a network line and rtu on a serial one. `tcp:` with `rtu` is RTU over TCP."""
    timeout_s: Annotated[Duration, Field(ge=0.01, le=300)] = Field(1.0, alias="timeout")
    """How long an answer may take; an instrument may say otherwise."""
    settle_s: Annotated[Duration, Field(ge=0, le=3600)] | None = Field(None, alias="settle")
    """Quiet time of a unit after a timeout; default 3 x timeout; serial and RTU over TCP."""
    in_flight: Annotated[int, Field(ge=1, le=64)] = 1
    """Requests under way at once on one Modbus TCP connection."""
    connect_pause_s: Annotated[Duration, Field(ge=0, le=60)] = Field(0.0, alias="connect_pause")
    """Quiet time after a connection is made, for device servers that drop the first bytes."""
    request_pause_s: Annotated[Duration, Field(ge=0, le=60)] = Field(0.0, alias="request_pause")
    """Quiet time before each request, for adapters that turn around slowly."""
    allow: tuple[Network, ...] = ()
    """Addresses or networks (`192.0.2.0/24`) that may connect; default all; listen only."""
    connections: Annotated[int, Field(ge=1, le=4096)] = 256
    """Connections at once; listen only."""
    idle_s: Annotated[Duration, Field(ge=1, le=7 * 86400)] = Field(3600.0, alias="idle")
    """A connection that says nothing for so long is closed; listen only."""
    ca_file: FilePath | None = None
    """Certificates that sign the server's; tls only."""
    cert_file: FilePath | None = None
    """This gateway's certificate; tls only."""
    key_file: FilePath | None = None
    """Key of cert_file; tls only."""

    @model_validator(mode="after")
    def _one_kind(self) -> "LineKeys":
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = f"has {' and '.join(kinds)}" if kinds else "says neither where nor how"
            raise ValueError(f"a line {found}; give exactly one of {', '.join(KINDS)}")
        given = self.model_fields_set
        odd = given & (_SERIAL_KEYS if kinds != ["serial"] else {"in_flight"})
        odd |= given & _TLS_KEYS if kinds != ["tls"] else set()
        odd |= given & (_ASKING_KEYS if kinds == ["listen"] else _LISTENING_KEYS)
        odd |= given & (_WIRE_KEYS if kinds == ["local"] else set())
        if odd:
            keys = ", ".join(sorted(key.removesuffix("_s") for key in odd))
            verb, them = ("mean", "them") if len(odd) > 1 else ("means", "it")
            raise ValueError(f"{keys} {verb} nothing on a {kinds[0]} line; remove {them}")
        if kinds == ["serial"] and self.framing == "tcp":
            raise ValueError("framing tcp cannot go over a serial line; write rtu or ascii, or leave it out")
        if (self.key_file and not self.cert_file) or (self.cert_file and not self.key_file):
            raise ValueError("cert_file and key_file go together")
        return self


class SerialKeys(Checked):
    """Serial settings of one instrument; what is left out is as its line has it."""

    baudrate: Annotated[int, Field(ge=50, le=4_000_000)] | None = None
    """Bits per second."""
    bytesize: Literal[7, 8] | None = None
    """Data bits."""
    parity: Literal["none", "even", "odd"] | None = None
    """Parity."""
    stopbits: Literal[1, 2] | None = None
    """Stop bits."""


class InstrumentKeys(Checked):
    """One instrument: a profile, or a protocol with its points."""

    id: Name
    """Name of the instrument in the feed; never changes."""
    title: str = ""
    """What people call it."""
    line: Name
    """The line it is on."""
    profile: str | None = None
    """Profile, such as vapour_recovery/anysafe_al2; or give protocol and points."""
    protocol: str | None = None
    """Protocol, named as its folder in drivers/; with points, instead of profile."""
    address: int | str
    """Unit address on the line, as the protocol has it (Modbus: 1 to 247, on TCP 0 to 255)."""
    every_s: Period | None = Field(None, alias="every")
    """Period of polling, 50ms or longer, or `fastest`; default: the profile's."""
    timeout_s: Annotated[Duration, Field(ge=0.01, le=300)] | None = Field(None, alias="timeout")
    """How long an answer may take; default: the profile's, then the line's."""
    serial: SerialKeys | None = None
    """Serial settings of this instrument, where they differ from its line's: the port is switched before a question."""
    settle_s: Annotated[Duration, Field(ge=0, le=3600)] | None = Field(None, alias="settle")
    """Quiet time of this unit after a timeout; default: the line's."""
    phase_s: Annotated[Duration, Field(ge=0)] | None = Field(None, alias="phase")
    """Offset of its polls from the full period, less than the period; default: spread over its line."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The protocol's own settings; what stands here replaces the profile's."""
    points: tuple[dict[str, Any], ...] = ()
    """The points; with a profile: changes of its points by id (only the keys that differ), and further points."""
    omit: tuple[str, ...] = ()
    """Points of the profile that this instrument does not have."""
    steps: StepKeys = StepKeys()
    """What is done with its samples; what is not given here is as in the profile, then as in the site's `steps`."""


class UplinkSettings(Checked):
    """Delivery to one MQTT broker."""

    mqtt: Broker
    """`mqtt://host:1883` or `mqtts://host:8883` (TLS, verified against ca_file or the system's authorities)."""
    protocol: MqttVersion = "5"
    """MQTT version."""
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """MQTT client id, unique at the broker; default: fieldgate-, the gateway's id, -, the uplink's name."""
    username: str | None = None
    """User at the broker."""
    password_file: FilePath | None = None
    """File with the password, one line; read again at each connection."""
    ca_file: FilePath | None = None
    """Certificates that sign the broker's; default: the system's."""
    cert_file: FilePath | None = None
    """This gateway's certificate."""
    key_file: FilePath | None = None
    """Key of cert_file."""
    base: Topic = "fieldgate/v1"
    """Beginning of every topic."""
    accept_unheard: bool = False
    """Count an acknowledgement "no matching subscribers" (0x10) as delivery."""
    window: Annotated[int, Field(ge=1, le=1000)] = 20
    """Batches sent and not yet acknowledged, at most."""
    backlog_rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Batches of the backlog per second, at most, beside the live ones; default: what leaves them undisturbed."""
    acknowledge_timeout_s: Annotated[Duration, Field(ge=1, le=3600)] = Field(20.0, alias="acknowledge_timeout")
    """Without an acknowledgement for so long the connection is given up and made anew."""
    keepalive_s: Annotated[Duration, Field(ge=5, le=65535)] = Field(20.0, alias="keepalive")
    """MQTT keep-alive, whole seconds."""
    reconnect_min_s: Annotated[Duration, Field(ge=0.5, le=3600)] = Field(1.0, alias="reconnect_min")
    """First wait before a new connection; it doubles up to reconnect_max, with jitter."""
    reconnect_max_s: Annotated[Duration, Field(ge=0.5, le=3600)] = Field(20.0, alias="reconnect_max")
    """Longest wait before a new connection."""
    stable_after_s: Annotated[Duration, Field(ge=1, le=86400)] = Field(60.0, alias="stable_after")
    """After so long a good connection the waits begin again at reconnect_min."""
    takeover_wait_s: Annotated[Duration, Field(ge=1, le=86400)] = Field(60.0, alias="takeover_wait")
    """Wait after the third takeover of the client id in a row."""
    unheard_retry_s: Annotated[Duration, Field(ge=1, le=3600)] = Field(10.0, alias="unheard_retry")
    """How often one batch asks whether anybody listens now."""

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.mqtt.startswith("mqtts:")

    @property
    def host(self) -> str:
        """Host of the broker."""
        return urlsplit(self.mqtt).hostname or ""

    @property
    def port(self) -> int:
        """Port of the broker; 1883 and 8883 are IANA's for mqtt and secure-mqtt."""
        return urlsplit(self.mqtt).port or (8883 if self.tls else 1883)

    @model_validator(mode="after")
    def _fits(self) -> "UplinkSettings":
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("certificates mean nothing over mqtt://; write mqtts://")
        if self.password_file and self.username is None:
            raise ValueError("password_file without username; MQTT sends both or a user alone")
        if self.reconnect_min_s > self.reconnect_max_s:
            raise ValueError("reconnect_min is longer than reconnect_max")
        return self


class LogSettings(Checked):
    """The log on this machine."""

    path: FilePath = "/var/lib/fieldgate/log.db"
    """The database; its folder must allow further files beside it."""
    max_size: Annotated[Size, Field(ge=1 << 20)] = 2 << 30
    """All files of the log together; the oldest batches go first."""
    max_age_s: Annotated[Duration, Field(ge=60)] = Field(400 * 86400.0, alias="max_age")
    """Batches are removed when the machine has been running for so long since they were made."""
    commit_every_s: Annotated[Duration, Field(ge=SHORTEST_COMMIT_S, le=60)] = Field(1.0, alias="commit_every")
    """What was read within this time is committed as one batch."""
    compression: Literal["none", "zlib"] = "none"
    """How bodies are stored and published."""
    key_file: FilePath | None = None
    """The gateway's signing key, made at the first start; default: `key.pem` beside the log."""


class HealthSettings(Checked):
    """Metrics, health and the status page. Without this section nothing listens."""

    listen: Endpoint = "127.0.0.1:9469"
    """`address:port` to listen on."""
    password_file: FilePath | None = None
    """File whose first line is the password (8 characters or more) for marks on the page; read at the start. Without it
    the page is read-only."""

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) of `listen`."""
        return endpoint(self.listen)


class ClockSettings(Checked):
    """What to do at a start under an implausible clock."""

    hold_s: Annotated[Duration, Field(ge=0, le=86400)] = Field(600.0, alias="hold")
    """How long samples may be held back until the time is known; then they are released as they are."""
    hold_until: Literal["plausible", "synced"] = "plausible"
    """What ends the hold: a plausible time, or only a confirmed one (for boards without a battery clock)."""


CommandName = Literal["status", "read", "backfill", "mark", "write", "reload"]
SIGNED_COMMANDS = frozenset({"mark", "write", "reload"})
"""contract.md §2: these also need a signature under a listed key."""


class CommandSettings(Checked):
    """Commands from the platform."""

    allow: tuple[CommandName, ...] = ("status", "read", "backfill")
    """Commands that are carried out."""
    keys: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """Ed25519 public keys (64 hex digits) that may sign mark, write and reload."""

    @model_validator(mode="after")
    def _signed(self) -> "CommandSettings":
        wanting = sorted(SIGNED_COMMANDS.intersection(self.allow))
        if wanting and not self.keys:
            raise ValueError(f"{', '.join(wanting)} must be signed; list the public keys under keys")
        return self


class SiteKeys(Checked):
    """A whole site file."""

    gateway: GatewayKeys
    """Who this gateway is."""
    lines: dict[Name, LineKeys]
    """Serial ports and network endpoints, by name."""
    instruments: tuple[InstrumentKeys, ...]
    """What is on the lines."""
    steps: StepKeys = StepKeys()
    """What is done with the samples of all instruments; profiles and instruments may say otherwise, key by key."""
    derived: tuple[DerivedKeys, ...] = ()
    """Instruments of the feed that are calculated from others."""
    vapour_recovery: VapourKeys | None = None
    """Fuelling records and the rules of GB 20952-2020, for a petrol station."""
    uplinks: dict[Name, UplinkSettings] = Field(default_factory=dict)
    """Where batches are delivered, by name; none: they stay in the log."""
    log: LogSettings = LogSettings()
    """The log on this machine."""
    health: HealthSettings | None = None
    """Metrics, health and the status page; without it nothing listens."""
    clock: ClockSettings = ClockSettings()
    """What to do at a start under an implausible clock."""
    commands: CommandSettings = CommandSettings()
    """Commands from the platform."""
