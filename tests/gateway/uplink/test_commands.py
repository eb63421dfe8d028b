"""Commands: their form, who may have what done, and that nothing is done twice."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import NoReply
from gateway.broker import Message
from gateway.clock import ClockState
from gateway.reading import Event
from gateway.signing import command_text
from gateway.uplink import Commands, Denied, Permission
from gateway.uplink import executed as memory
from gateway.uplink.form import Unparseable, identified
from gateway.uplink.topics import Topics
from tests.fakes.feed import signer

TOPICS = Topics.of("fieldgate/v1", "g")
NOW_MS = 1_764_000_000_000
KEY, STRANGER = signer(1), signer(2)
ALL = ("status", "read", "backfill", "mark", "write", "reload")
ARGS: dict[str, dict[str, Any]] = {
    "status": {},
    "reload": {},
    "read": {"instrument": "a"},
    "backfill": {"from": 1, "to": 2},
    "mark": {"instrument": "a", "flag": "M", "who": "Li", "until": NOW_MS + 60_000},
    "write": {"instrument": "a", "point": "p", "value": 1.5},
}


class Clock:
    def __init__(self) -> None:
        self.ms = NOW_MS
        self.known = ClockState.SYNCED

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def state(self) -> ClockState:
        return self.known


class Gateway:
    """What commands act on: notes every call and whether the log had kept the command by then."""

    def __init__(self, allowed: tuple[str, ...] = ALL, kept: bytes | None = None, kept_until_ms: int = 0) -> None:
        self.clock = Clock()
        self.done: list[tuple[str, Mapping[str, Any], bytes | None]] = []
        self.events: list[Event] = []
        self.kept = kept
        self.kept_until_ms = kept_until_ms
        self.failure: Exception | None = None
        self.log_failure: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        actions = {name: self._action(name) for name in ALL if name != "backfill"}
        permission = Permission(allowed, [KEY.key])
        self.commands = Commands(permission, actions, self.clock, self.events.append, self._keep)
        self.commands.take_up(kept, kept_until_ms)

    def _action(self, name: str) -> Any:
        async def act(args: Mapping[str, Any]) -> Mapping[str, Any]:
            self.done.append((name, args, self.kept))
            await self.hold.wait()
            if self.failure is not None:
                raise self.failure
            return {"done": name}

        return act

    async def _keep(self, data: bytes, until_ms: int) -> None:
        if self.log_failure is not None:
            raise self.log_failure
        self.kept = data
        self.kept_until_ms = max(self.kept_until_ms, until_ms)

    async def send(self, body: Any, retain: bool = False, **more: Any) -> dict[str, Any] | None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = Message(TOPICS.command, payload, retain, **more)
        reply = await self.commands.handle(message, TOPICS, "city", self._action("backfill"))
        return orjson.loads(reply.body) if reply else None


def body(name: str, signed_by: Any = None, **more: Any) -> dict[str, Any]:
    made = {"v": 1, "id": f"id-{name}", "name": name, "args": ARGS.get(name, {}), "expires": NOW_MS + 60_000} | more
    if signed_by is not None:
        made["signature"] = signed_by.sign(command_text(made))
    return made


@pytest.mark.parametrize("name", ALL)
async def test_an_allowed_command_is_carried_out_once_and_answered_each_time(name: str) -> None:
    gateway = Gateway()
    command = body(name, KEY if name in ("mark", "write", "reload") else None)
    first = await gateway.send(command)
    assert first == {"v": 1, "id": f"id-{name}", "ok": True, "result": {"done": name}}
    assert await gateway.send(command) == first
    assert [(done, args) for done, args, _ in gateway.done] == [(name, ARGS[name])]
    assert [event.kind for event in gateway.events] == ["command.executed"]


@pytest.mark.parametrize("name", ["mark", "write", "reload"])
async def test_what_changes_something_is_kept_before_it_is_done_and_not_done_after_a_restart(name: str) -> None:
    gateway = Gateway()
    command = body(name, KEY)
    first = await gateway.send(command)
    assert gateway.done[0][2] is not None  # kept before
    after = Gateway(kept=gateway.kept)
    assert await after.send(command) == first
    assert after.done == []
    cut_short = Gateway(kept=gateway.done[0][2])
    answer = await cut_short.send(command)
    assert answer is not None
    assert answer["error"]["code"] == "interrupted"
    assert cut_short.done == []


@pytest.mark.parametrize("name", ["mark", "write", "reload"])
@pytest.mark.parametrize(
    ("key", "code"), [(None, "unsigned"), (STRANGER, "signature")], ids=["unsigned", "signed by a stranger"]
)
async def test_an_unsigned_change_is_never_done_and_leaves_one_event(name: str, key: Any, code: str) -> None:
    gateway = Gateway()
    answer = await gateway.send(body(name, key))
    assert answer is not None
    assert answer["error"]["code"] == code
    assert gateway.done == []
    assert gateway.kept is None
    assert [(event.kind, event.data["error"]["code"]) for event in gateway.events] == [("command.denied", code)]


async def test_a_signature_covers_every_key_of_the_command() -> None:
    gateway = Gateway()
    command = body("write", KEY)
    for change in ({"id": "other"}, {"expires": NOW_MS + 70_000}, {"args": {**ARGS["write"], "value": 2}}):
        answer = await gateway.send(command | change)
        assert answer is not None
        assert answer["error"]["code"] == "signature"
    assert gateway.done == []


@pytest.mark.parametrize("name", ALL)
async def test_what_the_site_file_does_not_allow_is_denied_by_name(name: str) -> None:
    gateway = Gateway(allowed=tuple(set(ALL) - {name}))
    answer = await gateway.send(body(name, KEY))
    assert answer is not None
    assert answer["error"]["code"] == "denied"
    assert name in answer["error"]["message"]
    assert gateway.done == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "version"),
        ({"v": True}, "version"),
        ({"name": "explode"}, "unknown"),
        ({"name": None}, "malformed"),
        ({"expires": NOW_MS}, "expired"),
        ({"expires": "soon"}, "malformed"),
        ({"expires": True}, "malformed"),
        ({"args": []}, "malformed"),
        ({"args": {}}, "invalid"),
        ({"args": {"instrument": ""}}, "invalid"),
        ({"args": {"instrument": 7}}, "invalid"),
    ],
)
async def test_a_malformed_command_is_answered_with_what_is_wrong(change: dict[str, Any], code: str) -> None:
    gateway = Gateway()
    answer = await gateway.send(body("read") | change)
    assert answer is not None
    assert (answer["id"], answer["ok"], answer["error"]["code"]) == ("id-read", False, code)
    assert gateway.done == []
    assert len(gateway.events) == 1


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("backfill", {"from": 2, "to": 2}),
        ("backfill", {"from": 1.5, "to": 2}),
        ("mark", ARGS["mark"] | {"flag": "N"}),
        ("mark", ARGS["mark"] | {"until": NOW_MS}),
        ("mark", ARGS["mark"] | {"until": NOW_MS * 1000}),
        ("mark", ARGS["mark"] | {"who": ""}),
        ("write", ARGS["write"] | {"value": None}),
        ("write", ARGS["write"] | {"value": [1]}),
    ],
)
async def test_wrong_arguments_are_refused(name: str, args: dict[str, Any]) -> None:
    gateway = Gateway()
    answer = await gateway.send(body(name, KEY, args=args))
    assert answer is not None
    assert answer["error"]["code"] == "invalid"
    assert gateway.done == []


async def test_a_retained_command_is_refused() -> None:
    gateway = Gateway()
    answer = await gateway.send(body("status"), retain=True)
    assert answer is not None
    assert answer["error"]["code"] == "retained"


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"7", b'{"v":1}', b'{"id":7}', b"[" * 5000, b"\xff", b'{"id":""}']
)
async def test_what_cannot_be_answered_is_an_event(payload: bytes) -> None:
    gateway = Gateway()
    assert await gateway.send(payload) is None
    assert [event.data["error"]["code"] for event in gateway.events] == ["unparseable"]


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_garbage_is_unparseable_or_an_object(payload: bytes) -> None:
    try:
        found = identified(payload)
    except Unparseable:
        return
    assert isinstance(found["id"], str)


async def test_another_command_under_a_known_id_is_refused() -> None:
    gateway = Gateway()
    await gateway.send(body("write", KEY, id="same"))
    answer = await gateway.send(body("write", KEY, id="same", args=ARGS["write"] | {"value": 9}))
    assert answer is not None
    assert answer["error"]["code"] == "repeated"
    assert len(gateway.done) == 1


async def test_a_repeat_that_comes_during_the_execution_waits_for_it() -> None:
    gateway = Gateway()
    gateway.hold.clear()
    command = body("write", KEY)
    both = [asyncio.ensure_future(gateway.send(command)) for _ in range(2)]
    while not gateway.done:
        await asyncio.sleep(0)
    gateway.hold.set()
    first, second = await asyncio.gather(*both)
    assert first == second
    assert len(gateway.done) == 1


async def test_nothing_is_changed_when_the_log_cannot_keep_the_command() -> None:
    gateway = Gateway()
    gateway.log_failure = OSError(28, "No space left on device")
    answer = await gateway.send(body("write", KEY))
    assert answer is not None
    assert answer["error"]["code"] == "log"
    assert gateway.done == []


async def test_nothing_is_changed_before_the_log_has_told_what_was_done_before() -> None:
    gateway = Gateway()
    gateway.commands._taken_up = False
    answer = await gateway.send(body("write", KEY))
    assert answer is not None
    assert answer["error"]["code"] == "log"
    assert gateway.done == []


async def test_under_an_unset_clock_nothing_is_changed() -> None:
    gateway = Gateway()
    gateway.clock.known = ClockState.UNSET
    answer = await gateway.send(body("write", KEY))
    assert answer is not None
    assert answer["error"]["code"] == "clock"
    assert gateway.done == []


@pytest.mark.parametrize(
    ("failure", "code"),
    [(NoReply("no answer in 1.0 s"), "field"), (TimeoutError(), "timeout")],
)
async def test_a_failed_execution_is_answered_and_audited(failure: Exception, code: str) -> None:
    gateway = Gateway()
    gateway.failure = failure
    answer = await gateway.send(body("write", KEY))
    assert answer is not None
    assert answer["error"]["code"] == code
    event = gateway.events[0]
    assert (event.kind, event.data["ok"], event.data["who"]) == ("command.executed", False, KEY.key)
    assert await gateway.send(body("write", KEY)) == answer
    assert len(gateway.done) == 1


async def test_what_the_gateway_itself_refuses_is_audited_as_denied_and_stays_so() -> None:
    gateway = Gateway()
    gateway.failure = Denied("refused", "too high")
    answer = await gateway.send(body("write", KEY))
    assert answer is not None
    assert answer["error"]["code"] == "refused"
    assert [(event.kind, event.data["error"]["code"]) for event in gateway.events] == [("command.denied", "refused")]
    gateway.failure = None
    assert await gateway.send(body("write", KEY)) == answer
    assert len(gateway.done) == 1


async def test_a_command_waits_for_its_instrument_no_longer_than_it_is_valid() -> None:
    gateway = Gateway()
    gateway.hold.clear()
    answer = await gateway.send(body("write", KEY, expires=NOW_MS + 20))
    assert answer is not None
    assert answer["error"]["code"] == "timeout"


async def test_a_clock_that_is_set_back_makes_no_forgotten_command_valid_again() -> None:
    gateway = Gateway()
    command = body("write", KEY)
    await gateway.send(command)
    gateway.clock.ms += 60_000 + memory.MARGIN_MS
    await gateway.send(body("write", KEY, id="later", expires=gateway.clock.ms + 60_000))
    assert len(gateway.done) == 2
    gateway = Gateway(kept=gateway.kept)
    gateway.clock.ms = NOW_MS
    answer = await gateway.send(command)
    assert answer is not None
    assert answer["error"]["code"] == "expired"
    assert gateway.done == []


async def test_a_memory_that_is_lost_or_older_makes_no_command_valid_again_and_new_ones_are_carried_out() -> None:
    before = Gateway()
    await before.send(body("mark", KEY, expires=NOW_MS + 1000))
    older = before.kept
    command = body("write", KEY)
    await before.send(command)
    for kept in (None, older):
        gateway = Gateway(kept=kept, kept_until_ms=before.kept_until_ms)
        answer = await gateway.send(command)
        assert answer is not None
        assert answer["error"]["code"] == "expired"
        assert gateway.done == []
        again = Gateway(kept=gateway.kept, kept_until_ms=gateway.kept_until_ms)
        for one in (gateway, again):
            answer = await one.send(body("write", KEY, id="new", expires=NOW_MS + 60_001))
            assert answer is not None
            assert answer["ok"]
            answer = await one.send(command)
            assert answer is not None
            assert answer["error"]["code"] == "expired"
    whole = Gateway(kept=before.kept, kept_until_ms=before.kept_until_ms)
    answer = await whole.send(body("write", KEY, id="shorter", expires=NOW_MS + 10))
    assert answer is not None
    assert answer["ok"], "where nothing is lost, one that expires sooner is carried out"


async def test_memory_is_bounded_and_never_forgets_what_could_be_replayed() -> None:
    remembered = memory.Memory()
    for number in range(memory.MOST):
        remembered.add(str(number), memory.Executed("d", NOW_MS + 1000), True, NOW_MS)
    with pytest.raises(memory.NoRoom):
        remembered.add("more", memory.Executed("d", NOW_MS + 1000), True, NOW_MS)
    later = NOW_MS + 1000 + memory.MARGIN_MS
    remembered.add("more", memory.Executed("d", later + 1000), True, later)
    assert remembered.find("0") is None
    for number in range(2 * memory.MOST_HARMLESS):
        remembered.add(f"h{number}", memory.Executed("d", NOW_MS), False, NOW_MS)
    assert remembered.find("h0") is None
    assert remembered.find(f"h{2 * memory.MOST_HARMLESS - 1}") is not None


@pytest.mark.parametrize(
    ("wanted", "topic"),
    [
        ("my/reply", "my/reply"),
        (None, TOPICS.reply),
        ("a/+", TOPICS.reply),
        ("$SYS/x", TOPICS.reply),
        ("fieldgate/v1/other/data", TOPICS.reply),
        ("fieldgate/v1/other/command", TOPICS.reply),
    ],
)
async def test_the_answer_goes_where_it_can_do_no_harm(wanted: str | None, topic: str) -> None:
    gateway = Gateway()
    message = Message(TOPICS.command, json.dumps(body("status")).encode(), False, wanted, b"c")
    reply = await gateway.commands.handle(message, TOPICS, "city", gateway._action("backfill"))
    assert reply is not None
    assert (reply.topic, reply.correlation) == (topic, b"c")
