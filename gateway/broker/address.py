"""Where a broker is and who connects, and what travels over the connection."""

from dataclasses import dataclass
from typing import Protocol


class BrokerAddress(Protocol):
    """What a connection needs to know; the site file's uplink has it all. Files are read at each connection."""

    @property
    def host(self) -> str:
        """Name or address."""

    @property
    def port(self) -> int:
        """TCP port."""

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted, and the broker's certificate and name are checked."""

    @property
    def protocol(self) -> str:
        """MQTT version: "5" or "3.1.1"."""

    @property
    def client_id(self) -> str | None:
        """Unique at the broker; None lets the broker choose."""

    @property
    def username(self) -> str | None:
        """User at the broker."""

    @property
    def password_file(self) -> str | None:
        """File with the password, one line."""

    @property
    def ca_file(self) -> str | None:
        """Certificates that sign the broker's; None: the system's."""

    @property
    def cert_file(self) -> str | None:
        """Own certificate."""

    @property
    def key_file(self) -> str | None:
        """Key of `cert_file`."""

    @property
    def keepalive_s(self) -> float:
        """MQTT keep-alive, whole seconds count."""

    @property
    def window(self) -> int:
        """Most messages sent and not yet acknowledged."""


@dataclass(frozen=True, slots=True)
class Address:
    """A BrokerAddress for those who have no site file: `verify`, the demo, tests."""

    host: str
    port: int = 1883
    tls: bool = False
    protocol: str = "5"
    client_id: str | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: float = 20.0
    window: int = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message, received or (as the last will) to be sent. The last three fields exist only in MQTT 5."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None
    expiry_s: int | None = None
