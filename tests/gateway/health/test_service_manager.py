"""What systemd is told, received on a real datagram socket."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.health.service_manager import ServiceManager


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listening


def test_ready_stopping_and_longer_starts_are_told(manager: socket.socket) -> None:
    service = ServiceManager()
    service.extend_start(15)
    service.ready("3 instruments on 2 lines")
    service.stopping()
    told = [manager.recv(1024).decode() for _ in range(3)]
    assert told == ["EXTEND_TIMEOUT_USEC=15000000", "READY=1\nSTATUS=3 instruments on 2 lines", "STOPPING=1"]


async def test_the_watchdog_is_fed_at_a_third_of_its_time(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    task = asyncio.create_task(ServiceManager().run(lambda: "all well"))
    told = [await asyncio.to_thread(manager.recv, 1024) for _ in range(3)]
    assert told == [b"WATCHDOG=1\nSTATUS=all well"] * 3
    task.cancel()


async def test_another_process_is_not_fed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert ServiceManager()._watchdog_s is None


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    ServiceManager().ready("up")
    monkeypatch.delenv("NOTIFY_SOCKET")
    ServiceManager().ready("up")
