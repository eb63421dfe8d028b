"""What a single value of the site file may be: an address, a topic, a time zone, a period, a file."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from drivers import durations

SHORTEST_PERIOD_S = 0.05
"""contract.md §3: shortest `every`."""

_TOPIC = re.compile(r"[^\s/+#$\x00-\x1f][^\s/+#\x00-\x1f]*(/[^\s/+#\x00-\x1f]+)*")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?"
)


def endpoint(text: str, default_port: int | None = None) -> tuple[str, int]:
    """(host, port) of `192.0.2.10:502`, `plc.example:502`, `[2001:db8::1]:502`. Raises ValueError."""
    if "://" in text:
        raise ValueError(f"{text!r} is more than an address; write host:port, such as 192.0.2.10:502")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not port and default_port is not None and not colon:
        port = str(default_port)
    if not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= 65535:
        raise ValueError(f"{text!r} has no port from 1 to 65535; write host:port, such as 192.0.2.10:502")
    _check_host(host, bracketed)
    return host, int(port)


def _check_host(host: str, bracketed: bool) -> None:
    try:
        version = ip_address(host).version
    except ValueError:
        # four groups of digits are an address written wrongly, not a name
        numeric = all(group.isdigit() for group in host.rstrip(".").split("."))
        if bracketed or numeric or not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is neither an address nor a host name") from None
    else:
        if version == 6 and not bracketed:
            raise ValueError(f"an IPv6 address stands in brackets: [{host}]:port")


def _text_only(written: Any) -> Any:
    """`listen: 9469` is a number in YAML: say what is missing, not that it wants quotes."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        raise ValueError(f"{written} has no host; write host:port, such as 192.0.2.10:502")
    return written


def _endpoint_text(text: str) -> str:
    endpoint(text)
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone; write one such as Asia/Shanghai or UTC") from None
    return text


def written_period(written: Any) -> Any:
    """Seconds of `every`; 0.0 for `fastest`. Raises ValueError."""
    if written == "fastest":
        return 0.0
    period_s = durations.seconds(written)
    if period_s < SHORTEST_PERIOD_S:
        raise ValueError(f"{written!r} is shorter than the shortest period, 50ms; or write fastest")
    return period_s


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text) or len(text) > 200:
        raise ValueError(f"{text!r} is no topic: levels joined by /, without spaces, wildcards or a / at either end")
    return text


def _broker(url: str) -> str:
    if "@" in url:  # before any message could show it
        raise ValueError("a secret never stands in the site file; use username and password_file")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no address: {error}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError(f"{url!r} is no broker; write mqtt://host:1883 or mqtts://host:8883")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} has more than scheme, host and port; topics are set by base")
    if port == 0:
        raise ValueError(f"{url!r} has no port from 1 to 65535")
    _check_host(parts.hostname, "[" in parts.netloc)
    return url


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address and no network, such as 192.0.2.0/24") from None
    return text


def _protocol_version(written: Any) -> Any:
    return str(written) if isinstance(written, int) and not isinstance(written, bool) else written


MqttVersion = Annotated[
    Literal["5", "3.1.1"],
    BeforeValidator(_protocol_version, json_schema_input_type=Literal[5, "5", "3.1.1"]),
]
Endpoint = Annotated[str, BeforeValidator(_text_only, json_schema_input_type=str), AfterValidator(_endpoint_text)]
"""`host:port`."""
Network = Annotated[str, AfterValidator(_network)]
"""An address or a network in CIDR notation."""
Topic = Annotated[str, AfterValidator(_topic)]
Period = Annotated[float, BeforeValidator(written_period, json_schema_input_type=str)]
"""Seconds in the program, 0.0 for `fastest`; `5s` in the file."""
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
"""A file. A relative path is looked up beside the site file; for secrets first in $CREDENTIALS_DIRECTORY."""
Broker = Annotated[str, AfterValidator(_broker)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
