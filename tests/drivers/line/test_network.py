"""Lines over real sockets: every transport and framing, and what ends a connection."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from drivers.catalogue import protocol
from drivers.contract import Request
from drivers.errors import FieldError, LineDown, NoReply
from drivers.line import FieldLine, open_line
from drivers.modbus import codec
from drivers.profile import LineSpec
from drivers.simulator.faults import Hostility
from drivers.simulator.ports import TcpPort, UdpPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.unit import Memory

PATIENCE_S = 20.0
UNITS = {unit: Memory({3: dict.fromkeys(range(10), 100 * unit)}) for unit in (1, 2)}


def spec(kind: str, port: int, **keys: Any) -> LineSpec:
    return LineSpec(**({"name": "net", "kind": kind, "host": "127.0.0.1", "port": port, "timeout_s": 5.0} | keys))


def ask(line: LineSpec, unit: int = 1, timeout_s: float = PATIENCE_S) -> Request:
    framing = line.framing or "tcp"
    return codec.request(codec.read(unit, 3, 0, 1), framing, codec.Timing(timeout_s))


@contextlib.asynccontextmanager
async def opened(line_spec: LineSpec) -> AsyncIterator[FieldLine]:
    line = open_line(line_spec, protocol("modbus").tags(line_spec))
    keeper = asyncio.create_task(line.run())
    try:
        yield line
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


def slave(*faults: str, timeout_s: float = 0.05) -> Slave:
    return Slave(UNITS, mischief=Hostility("tcp", 1.0, 1, timeout_s, faults) if faults else None)


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_every_framing_goes_over_every_network_transport(kind: str, framing: Any) -> None:
    port_kind = TcpPort if kind == "tcp" else UdpPort
    async with port_kind(slave(), FRAMINGS[framing]) as port:
        line_spec = spec(kind, port.port, framing=framing)
        async with opened(line_spec) as line:
            assert await line.wait_up(PATIENCE_S)
            for unit in (1, 2, 1):
                assert await line.exchange(ask(line_spec, unit)) == (100 * unit).to_bytes(2, "big")
    assert line.faults == {}


@pytest.mark.parametrize(("fault", "words"), [("end", "closed by the other side"), ("reset", "connection lost: ")])
@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_end_of_the_connection_ends_the_exchange_long_before_its_timeout(
    fault: str, words: str, framing: Any
) -> None:
    async with TcpPort(slave(fault), FRAMINGS[framing]) as port:
        line_spec = spec("tcp", port.port, framing=framing)
        async with opened(line_spec) as line:
            assert await line.wait_up(PATIENCE_S)
            async with asyncio.timeout(PATIENCE_S / 2):
                with pytest.raises(LineDown, match=words):
                    await line.exchange(ask(line_spec))
            assert not line.up
            assert await line.wait_up(PATIENCE_S)
            assert line.generation == 2


async def test_instrument_that_comes_back_is_found_without_help() -> None:
    async with TcpPort(slave(), FRAMINGS["tcp"]) as first:
        line_spec = spec("tcp", first.port)
        async with opened(line_spec) as line:
            assert await line.wait_up(PATIENCE_S)
            await first.__aexit__(None, None, None)
            with pytest.raises(FieldError):
                await line.exchange(ask(line_spec))
            while "refused" not in line.state.lower():
                await asyncio.sleep(0.01)
            async with TcpPort(slave(), FRAMINGS["tcp"], first.port):
                assert await line.wait_up(PATIENCE_S)
                assert await line.exchange(ask(line_spec)) == b"\0\x64"


async def test_silent_connection_is_replaced_after_two_timeouts() -> None:
    async with TcpPort(slave("hang"), FRAMINGS["tcp"]) as port:
        line_spec = spec("tcp", port.port)
        async with opened(line_spec) as line:
            assert await line.wait_up(PATIENCE_S)
            for unit in (1, 2):
                with pytest.raises(NoReply):
                    await line.exchange(ask(line_spec, unit, 0.1))
            assert "silent for 2 requests" in line.state
            assert await line.wait_up(PATIENCE_S)
            assert line.generation == 2


async def test_reset_as_soon_as_connected_does_not_spin() -> None:
    def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        accepted.append(1)

    accepted: list[int] = []
    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with opened(spec("tcp", server.sockets[0].getsockname()[1])):
        await asyncio.sleep(1.5)
    server.close()
    assert 2 <= len(accepted) <= 15


async def test_name_that_does_not_resolve_is_told() -> None:
    async with opened(LineSpec(name="net", kind="tcp", host="no-such-host.invalid", port=502)) as line:
        while line.state == "not opened yet":
            await asyncio.sleep(0.01)
        assert line.state.startswith("no-such-host.invalid:502: ")


class TestSecurity:
    """Modbus/TCP Security: both sides show certificates."""

    @pytest.fixture
    def ca(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def files(self, ca: trustme.CA, tmp_path: Path) -> dict[str, Any]:
        self.signed(ca, tmp_path)
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        return {name: str(tmp_path / f"{name[:-5]}.pem") for name in ("ca_file", "cert_file", "key_file")}

    @staticmethod
    def signed(ca: trustme.CA, folder: Path) -> None:
        certificate = ca.issue_cert("gateway.example")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")

    @staticmethod
    def server(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert(name).configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def state(self, context: ssl.SSLContext, files: dict[str, Any]) -> str:
        """What the line says of a server with that context."""
        async with TcpPort(slave(), FRAMINGS["tcp"], tls=context) as port:
            line_spec = spec("tls", port.port, **files)
            async with opened(line_spec) as line:
                while True:
                    if await line.wait_up(0.2):
                        with contextlib.suppress(LineDown):
                            assert await line.exchange(ask(line_spec)) == b"\0\x64"
                            return "answered"
                    if line.state not in ("not opened yet", "up"):
                        return line.state

    async def test_certificates_of_both_sides_open_it(self, ca: trustme.CA, files: dict[str, Any]) -> None:
        assert await self.state(self.server(ca), files) == "answered"

    async def test_server_of_another_authority_is_refused(self, files: dict[str, Any]) -> None:
        assert "certificate" in await self.state(self.server(trustme.CA()), files)

    async def test_server_of_another_name_is_refused(self, ca: trustme.CA, files: dict[str, Any]) -> None:
        assert "not valid for '127.0.0.1'" in await self.state(self.server(ca, "other.example"), files)

    async def test_client_without_certificate_is_refused(self, ca: trustme.CA, files: dict[str, Any]) -> None:
        state = await self.state(self.server(ca), {"ca_file": files["ca_file"]})
        assert state.startswith("127.0.0.1:")
        assert "up" not in state

    async def test_missing_key_is_named(self, ca: trustme.CA, files: dict[str, Any]) -> None:
        state = await self.state(self.server(ca), files | {"cert_file": "/nowhere/cert.pem"})
        assert state.endswith("No such file or directory")

    async def test_renewed_certificate_is_taken_at_the_next_connection(
        self, ca: trustme.CA, files: dict[str, Any]
    ) -> None:
        other = trustme.CA()
        folder = Path(files["ca_file"]).parent
        self.signed(other, folder)
        async with TcpPort(slave(), FRAMINGS["tcp"], tls=self.server(ca)) as port:
            line_spec = spec("tls", port.port, **files)
            async with opened(line_spec) as line:
                while line.state in ("not opened yet", "up"):
                    await asyncio.sleep(0.01)
                self.signed(ca, folder)
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        await line.wait_up(PATIENCE_S)
                        with contextlib.suppress(LineDown):
                            assert await line.exchange(ask(line_spec)) == b"\0\x64"
                            break
