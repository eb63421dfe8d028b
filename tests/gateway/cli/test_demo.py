"""`fieldgate demo` as a newcomer starts it, with either broker; whatever ends it, nothing is left behind."""

import json
import os
import re
import signal
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.gateway.cli.process import ended, start
from tests.gateway.cli.terminal import CONTROL_C, Terminal
from tests.system.harness import until

GATEWAYS = ("petrol-017", "boiler-003", "water-042")


def left(family: list[psutil.Process]) -> list[str]:
    return [str(one) for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(150)
def test_live_table_and_status_pages_until_control_c_ends_everything(tmp_path: Path) -> None:
    terminal = Terminal("demo", TMPDIR=str(tmp_path))
    try:
        terminal.until("Ctrl-C ends everything")
        pages = dict(re.findall(r"(\S+): status page (http://127\.0\.0\.1:\d+/)", terminal.text))
        assert set(pages) == set(GATEWAYS)
        for gateway in GATEWAYS:
            terminal.until(rf"{gateway} [1-9]\d*\+")
        terminal.until(r"petrol-017 +dispenser-1 +n1_record [01] ")
        with urlopen(pages["petrol-017"], timeout=10) as answer:
            assert b"<!doctype html>" in answer.read()
        family = terminal.family()
        assert sum("run" in one.cmdline() for one in family) == 3, "one gateway a site"
        terminal.press(CONTROL_C)
        assert terminal.ended() == 0
        until(lambda: not left(family), "the end of every process that the demo started")
        assert os.listdir(tmp_path) == [], "its folder goes too"
    finally:
        terminal.close()


@pytest.mark.timeout(150)
def test_embedded_broker_serves_where_there_is_no_mosquitto_and_json_lines_are_the_feed(tmp_path: Path) -> None:
    demo = start("demo", "--broker", "embedded", "--json", TMPDIR=str(tmp_path))
    assert demo.stdout is not None
    first = json.loads(demo.stdout.readline())
    assert first["body"]["v"] == 1
    assert first["topic"].split("/")[2] in GATEWAYS
    family = psutil.Process(demo.pid).children(recursive=True)
    assert not any("mosquitto" in one.name() for one in family)
    demo.send_signal(signal.SIGHUP)  # the terminal window is closed
    result = ended(demo)
    assert result.code == 0, result.err
    assert "embedded (amqtt)" in result.err
    until(lambda: not left(family), "the end of every process that the demo started")


@pytest.mark.timeout(150)
def test_demo_that_is_ended_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    demo = start("demo", TMPDIR=str(tmp_path))
    own = psutil.Process(demo.pid)
    until(own.children, "its first process")
    family = own.children(recursive=True)
    demo.terminate()
    deadline_s = time.monotonic() + 30
    while demo.poll() is None and time.monotonic() < deadline_s:
        family += [one for one in own.children(recursive=True) if one not in family] if own.is_running() else []
    result = ended(demo)
    assert result.code == 1, "nothing has arrived yet"
    assert "Traceback" not in result.err
    until(lambda: not left(family), "the end of every process that the demo started")
    assert os.listdir(tmp_path) == []
