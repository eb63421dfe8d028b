"""Another client with the gateway's client id: alarmed, calmed, and the gateway is back when the other one goes."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.brokers.setting import setting
from tests.system.city import events
from tests.system.harness import until


def takeover(folder: Path, wait_s: float, watch_s: float, told: Callable[[str], None]) -> None:
    """Run one: `wait_s` is the gateway's takeover_wait, `watch_s` how long its attempts are counted."""
    with setting(folder, takeover_wait=f"{wait_s:g}s") as on:
        rival = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(on.broker.port), "-i", "fieldgate-test-1-city", "-t", "x"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until(lambda: "another client" in (on.status()["trouble"] or ""), "the takeover to be named")
            began = len(on.tap.connects)
            alarm = until(lambda: events(on.steady.batches(), "uplink.takeover"), "the alarm in the feed")
            assert (alarm[0]["level"], alarm[0]["data"]["client_id"]) == ("alarm", "fieldgate-test-1-city")
            time.sleep(watch_s)
            attempts = len(on.tap.connects) - began
            # each attempt takes the id back for a moment, so mosquitto_sub's own reconnection takes it again
            assert attempts <= watch_s / wait_s + 1, f"{attempts} attempts in {watch_s:g} s"
            assert len(events(on.steady.batches(), "uplink.takeover")) == 1
        finally:
            rival.kill()
            rival.wait(10)
        took_s = on.live_again(wait_s + 30)
        told(f"takeover: {attempts} attempts in {watch_s:g} s, one alarm, live {took_s:.1f} s after the rival's end")
        assert on.gateway.stop() == 0
