"""What is done to the broker while the gateway delivers, in the order of a seed. Each trial ends healed."""

import random
import signal
import time
from collections.abc import Callable, Sequence

from tests.brokers.setting import Setting, name_of
from tests.fakes.mqtt_tap import Sent
from tests.system.city import events
from tests.system.harness import until

HEALED_S = 30.0
"""contract.md §2: live data again within 30 s of the end of any fault."""


def kills(on: Setting, count: int, chance: random.Random, told: Callable[[str], None]) -> None:
    """Kill or stop the broker and start it again, for a moment or longer, in the middle of what is being sent."""
    connects = 0
    for number in range(count):
        if chance.random() < 0.8:
            on.live_again()
            time.sleep(chance.uniform(0.0, 0.3))
        else:  # in the middle of the connection, the birth or the backlog of the last time
            until(lambda n=connects: len(on.tap.connects) > n, "a new connection")
            time.sleep(chance.uniform(0.0, 0.02))
        how = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        on.tap.shut()
        on.broker.stop(how)
        on.tap.cut()
        time.sleep(chance.choice((0.0, 0.1, 0.5, 1.0)))
        connects = len(on.tap.connects)
        on.broker.start()
        on.tap.open()
        if number % 20 == 19:
            told(f"{number + 1} of {count}: {len(on.tap.acknowledged)} acknowledged, {on.resident_kib()} KiB resident")
    on.live_again()


def never_acknowledging(on: Setting) -> None:
    """The broker takes everything and never answers."""
    connects = len(on.tap.connects)
    on.tap.acknowledging = False
    until(lambda: len(on.tap.connects) > connects, "a new connection after the acknowledgement timeout")
    assert "acknowledgement" in trouble(on)
    on.tap.acknowledging = True


def half_open(on: Setting) -> None:
    """The broker stands still with all connections open (SIGSTOP)."""
    connects = len(on.tap.connects)
    on.broker.halt()
    until(lambda: len(on.tap.connects) > connects, "a new connection while the broker stands still")
    assert trouble(on)
    on.broker.go_on()


def dead_line(on: Setting) -> None:
    """Nothing passes in either direction, and nothing says so."""
    on.tap.halted = True
    until(lambda: not on.status()["connected"], "the loss to be noticed")
    assert trouble(on)
    on.tap.halted = False


def slow(on: Setting) -> None:
    """One byte a second towards the broker."""
    on.tap.bytes_per_s = 1.0
    until(lambda: not on.status()["connected"], "the loss to be noticed")
    time.sleep(2.0)  # attempts to connect are slow too
    on.tap.bytes_per_s = None


def refusing_connections(on: Setting) -> None:
    """Nothing listens any more."""
    on.tap.shut()
    on.tap.cut()
    until(lambda: "refused" in trouble(on), "the refusal as the named cause")
    on.tap.open()


def ending_at_once(on: Setting) -> None:
    """Connections are accepted and ended before the CONNACK."""
    on.tap.broker_port, port = 1, on.tap.broker_port
    on.tap.cut()
    until(lambda: "closed" in trouble(on), "the cause")
    on.tap.broker_port = port


def not_authorized(on: Setting) -> None:
    """Every batch is answered "not authorized" (0x87): nothing is set aside, one at a time asks again."""
    before = on.status()["refused"].get("not_authorized", 0)
    on.tap.refuse = lambda sent: 0x87 if sent.topic.endswith(("/data", "/backfill")) else None
    until(lambda: on.status()["refused"].get("not_authorized", 0) >= before + 3, "counted refusals")
    on.tap.refuse = lambda sent: None


def quota(on: Setting) -> None:
    """Every third answer is "quota exceeded" (0x97) for a while."""
    before = on.status()["refused"].get("quota", 0)
    on.tap.refuse = lambda sent: 0x97 if sent.mid % 3 == 0 else None
    until(lambda: on.status()["refused"].get("quota", 0) >= before + 5, "counted refusals")
    on.tap.refuse = lambda sent: None


def poison(on: Setting) -> None:
    """One batch is refused for good (0x99): it is set aside with an event, and holds up no other."""
    names: set[tuple[str, int]] = set()

    def refuse(sent: Sent) -> int | None:
        if not sent.topic.endswith(("/data", "/backfill")):
            return None
        if not names:
            names.add(name_of(sent.payload))
        return 0x99 if name_of(sent.payload) in names else None

    on.tap.refuse = refuse

    def told() -> bool:
        aside = events(on.steady.batches(), "log.evicted")
        return any((event["data"]["stream"], event["data"]["first"]) in names for event in aside)

    until(told, "the report of the batch that was set aside", 60)
    on.tap.refuse = lambda sent: None


Trial = Callable[[Setting], None]
QUICK_TO_TRY: tuple[Trial, ...] = (
    never_acknowledging, half_open, dead_line, slow, refusing_connections, ending_at_once, not_authorized, quota,
)  # fmt: skip
HOSTILE: tuple[Trial, ...] = (*QUICK_TO_TRY, poison)


def hostile(
    on: Setting, trials: Sequence[Trial], rounds: int, chance: random.Random, told: Callable[[str], None]
) -> None:
    """Every hostile broker in turn, shuffled, each healed within the promised time."""
    for number in range(rounds):
        for trial in chance.sample(trials, len(trials)):
            trial(on)
            took_s = on.live_again(HEALED_S)
            told(
                f"{number + 1} of {rounds}: {trial.__name__} healed in {took_s:.1f} s, {on.resident_kib()} KiB resident"
            )


def trouble(on: Setting) -> str:
    """What the status page says is wrong."""
    return on.status()["trouble"] or ""
