"""Starts that cannot have the log: a second instance is refused by name, a disk that is read-only is waited for."""

import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.system.harness import Fieldgate, until
from tests.torture.full import small_disk
from tests.torture.witness import counter, health, stage


@pytest.mark.timeout(120)
def test_a_second_instance_ends_with_exit_code_1_and_names_the_first(tmp_path: Path) -> None:
    with stage(tmp_path) as scene, scene.gateway.running():
        until(lambda: scene.witness.newest > 3, "the first batches")
        second = Fieldgate(scene.site, tmp_path / "second.log")
        second.start()
        assert second.process is not None
        assert second.process.wait(30) == 1
        assert scene.gateway.process is not None
        holder = str(scene.gateway.process.pid)
        said = second.output()
        assert f"process {holder}" in said
        assert "gateway run" in said, "its command line helps to find it"
        assert "Traceback" not in said
        before = scene.witness.newest
        until(lambda: scene.witness.newest > before + 3, "the first one goes on")
        assert scene.gateway.stop() == 0
        scene.settle()
        assert scene.witness.judge() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
@pytest.mark.timeout(120)
def test_a_start_on_a_read_only_disk_polls_and_says_so_and_heals_when_it_can_write(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, stage(tmp_path, disk) as scene:
        with scene.gateway.running():
            until(lambda: scene.witness.newest > 3, "the first batches")
            assert scene.gateway.stop() == 0
        scene.settle()
        before = scene.witness.newest
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with scene.gateway.running():

            def red() -> bool:
                try:
                    return counter(scene, "fieldgate_polls_total") > 20 and health(scene)[0] == 503
                except OSError:
                    return False

            until(red, "polls, metrics and a health check that is red")
            assert "log" in health(scene)[1]
            assert scene.witness.newest == before, "nothing is published that is not in the log"
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            until(lambda: scene.witness.newest > before + 3, "batches when it can be written")
            until(lambda: health(scene)[0] == 200, "a health check that is green")
            assert scene.gateway.stop() == 0
        scene.settle()
        scene.witness.compare_log()
        assert scene.witness.judge() == []
        assert len({stream for stream, _ in scene.witness.bodies}) == 1


@pytest.mark.timeout(120)
def test_a_start_that_takes_long_asks_the_service_manager_for_more_time_until_it_is_ready(tmp_path: Path) -> None:
    with stage(tmp_path) as scene, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        with scene.gateway.running():
            until(lambda: scene.witness.newest > 3, "the first batches")
            scene.gateway.kill()
        scene.gateway.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        delay = ["-e", "trace=pread64", "-e", "inject=pread64:delay_enter=7000000:when=1", "-P", str(scene.witness.log)]
        scene.gateway.start(["strace", "-f", "-q", "-o", "/dev/null", *delay])
        try:
            said: list[str] = []
            while not said or not said[-1].startswith("READY=1"):
                said.append(manager.recv(4096).decode())
            assert said[0] == "EXTEND_TIMEOUT_USEC=15000000"
            assert set(said[:-1]) == {said[0]}
            until(lambda: scene.witness.newest > 6, "batches after the start")
        finally:
            assert scene.gateway.process is not None
            for child in psutil.Process(scene.gateway.process.pid).children():
                child.terminate()
            assert scene.gateway.process.wait(20) == 0
        assert scene.witness.judge() == []
