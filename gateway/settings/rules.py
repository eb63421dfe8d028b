"""What no single section can know: clashes between lines, instruments, uplinks, and the state of files."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from drivers import catalogue
from drivers.profile import LineSpec
from gateway.settings.document import Node
from gateway.settings.model import HealthSettings, UplinkSettings
from gateway.settings.placed import Placed
from gateway.settings.problem import Problem


def ports(lines: Mapping[str, tuple[LineSpec, Node]], problems: list[Problem]) -> None:
    """Two lines on one port, also by way of symbolic links."""
    seen: dict[tuple[object, ...], str] = {}
    for name, (line, node) in lines.items():
        if line.path is not None:
            port: tuple[object, ...] = ("serial", os.path.realpath(line.path))
        else:
            port = (line.kind == "udp", (line.host or "").lower().rstrip("."), line.port)
        if port in seen:
            place = node.get(line.kind) or node
            where = line.path or f"{line.host}:{line.port}"
            message = f"line {name} is on the port of line {seen[port]} ({where})"
            problems.append(place.problem(message, "one port is one line; move its instruments there"))
        else:
            seen[port] = name


def devices(lines: Mapping[str, tuple[LineSpec, Node]], problems: list[Problem]) -> None:
    """Serial ports that are no path: `COM3`, `ttyUSB0`. They would be looked for wherever the gateway is started."""
    for name, (line, node) in lines.items():
        if line.kind == "serial" and not os.path.isabs(line.path or ""):
            place = node.get("serial") or node
            message = f"{line.path!r} of line {name} is not the path of a serial port"
            advice = "write /dev/serial/by-id/… (`ls /dev/serial/by-id`), or /dev/ttyUSB0"
            zh = "串口请写完整路径：/dev/serial/by-id/…（用 `ls /dev/serial/by-id` 查看）或 /dev/ttyUSB0"
            problems.append(replace(place.problem(message, advice, "warning"), zh=zh))


def ids(nodes: Sequence[Node], problems: list[Problem]) -> None:
    """Two instruments of one name."""
    seen: dict[str, int] = {}
    for node in nodes:
        name = node.get("id")
        if name is None or not isinstance(name.value, str):
            continue
        if name.value in seen:
            message = f"instrument {name.value!r} already stands in line {seen[name.value]}"
            problems.append(name.problem(message, "give it another id"))
        else:
            seen[name.value] = name.line


def client_ids(uplinks: Mapping[str, tuple[UplinkSettings, Node]], problems: list[Problem]) -> None:
    """Two uplinks that would throw each other out of one broker for ever."""
    seen: dict[tuple[str, int, str | None], str] = {}
    for name, (uplink, node) in uplinks.items():
        who = (uplink.host.lower(), uplink.port, uplink.client_id)
        if who in seen:
            place = node.get("client_id") or node.get("mqtt") or node
            message = f"uplink {name} has broker and client id of uplink {seen[who]}"
            problems.append(place.problem(message, "give it another client_id"))
        else:
            seen[who] = name


def secret(path: str, node: Node, problems: list[Problem]) -> None:
    """A file that holds a secret: warn if it is not there, or if others may read it."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        problems.append(node.problem(f"{path}: {error.strerror}", "it is wanted at the first connection", "warning"))
        return
    if not stat.S_ISREG(mode):
        problems.append(node.problem(f"{path} is not a file"))
    elif mode & (stat.S_IROTH | stat.S_IWOTH):
        problems.append(node.problem(f"every user of this machine can read {path}", f"chmod 600 {path}", "warning"))


def exposed(health: HealthSettings, node: Node, problems: list[Problem]) -> None:
    """A page that takes a password where others can reach it: the listener speaks plain HTTP (docs/decisions/0011)."""
    if health.password_file is None or _loopback(health.address[0]):
        return
    place = node.get("listen") or node
    found = place.problem(
        f"others can reach {health.listen}, and the password of password_file travels there in clear",
        "listen on 127.0.0.1 and reach the page by `ssh -L` or through a proxy with TLS, or remove password_file",
        "warning",
    )
    zh = (
        f"其他机器可以访问 {health.listen}，password_file 的密码在网络上以明文传输；请监听 127.0.0.1，"
        "通过 `ssh -L` 或带 TLS 的反向代理访问页面，或删除 password_file"
    )
    problems.append(replace(found, zh=zh))


def _loopback(host: str) -> bool:
    """Whether only this machine reaches a listener on this address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def speaking(
    lines: Mapping[str, tuple[LineSpec, Node]], instruments: Sequence[Placed], problems: list[Problem]
) -> None:
    """Lines that cannot be listened to by all that is on them."""
    for name, (line, _) in lines.items():
        here = [placed for placed in instruments if placed.spec.line == name]
        if not here:
            continue
        try:
            catalogue.hearing([placed.spec for placed in here], line)
        except ValueError as error:
            problems.append((here[-1].node.get("line") or here[-1].node).problem(str(error)))


def unused(lines: Mapping[str, tuple[LineSpec, Node]], instruments: Sequence[Placed], problems: list[Problem]) -> None:
    """Lines on which nothing is."""
    used = {placed.spec.line for placed in instruments}
    for name, (_, node) in lines.items():
        if name not in used:
            problems.append(node.key_problem(f"no instrument is on line {name}", None, "warning"))
