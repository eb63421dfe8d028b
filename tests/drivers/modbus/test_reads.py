"""Finding refused registers: an instrument that refuses a set of addresses loses those and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.plan import Block, plan
from drivers.modbus.reads import RETRY_S, Reads
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.modbus.wire import Wire

WHY = "exception: 2 illegal data address"


def planned(addresses: list[int]) -> tuple[Block, ...]:
    points = [
        ModbusPoint.model_validate({"id": f"p{address}", "table": "holding", "address": address, "type": "uint16"})
        for address in addresses
    ]
    return plan(points, ModbusOptions(), Wire(0, 0, False), 1.0)


def poll(reads: Reads, bad: set[int], longest: int = 125, now_s: float = 0.0) -> tuple[set[int], int]:
    """One poll against an instrument that refuses some addresses and long reads: addresses got, requests made."""
    got: set[int] = set()
    waiting, requests = [*reads.blocks, *reads.probes(now_s)], 0
    while waiting:
        block = waiting.pop(0)
        requests += 1
        if block.count > longest or bad & set(range(block.address, block.address + block.count)):
            waiting[:0] = reads.refused(block, WHY, now_s)
        else:
            got |= {atom.start for atom in block.atoms}
            reads.accepted(block)
    reads.join()
    return got, requests


@given(
    st.sets(st.integers(0, 200), min_size=1, max_size=60),
    st.sets(st.integers(0, 200), max_size=12),
    st.integers(1, 125),
)
def test_only_the_refused_registers_are_lost(wanted: set[int], bad: set[int], longest: int) -> None:
    reads = Reads(planned(sorted(wanted)))
    for _ in range(3):
        assert poll(reads, bad, longest)[0] == wanted - bad
    before = reads.blocks
    poll(reads, bad, longest)
    assert reads.blocks == before  # it has settled
    assert {block.address for block in reads.excluded} == wanted & bad


def test_search_takes_few_requests_and_then_few_reads_remain() -> None:
    reads = Reads(planned(list(range(100))))
    assert poll(reads, {37})[1] <= 15
    assert poll(reads, {37})[1] <= 4
    assert list(reads.excluded.values()) == [f"excluded: holding 37 answered {WHY}"]


def test_hole_that_nobody_asked_for_costs_nothing_but_one_more_read() -> None:
    reads = Reads(planned([0, 1, 2, 10, 11, 12]))
    assert poll(reads, {5})[0] == {0, 1, 2, 10, 11, 12}
    assert [(block.address, block.count) for block in reads.blocks] == [(0, 3), (10, 3)]
    assert not reads.excluded


def test_excluded_register_is_tried_again_after_ten_minutes_and_comes_back() -> None:
    reads = Reads(planned(list(range(20))))
    poll(reads, {7})
    assert 7 not in poll(reads, set(), now_s=RETRY_S - 1)[0]
    assert 7 in poll(reads, set(), now_s=RETRY_S)[0]
    assert poll(reads, set(), now_s=RETRY_S)[0] == set(range(20))
    assert not reads.excluded


def test_retry_asks_a_few_in_each_poll_and_spoils_nothing_else() -> None:
    bad = {1, 3, 5, 7, 9, 11}
    reads = Reads(planned(list(range(20))))
    poll(reads, bad)
    usual = poll(reads, bad)[1]
    reads.retry()
    assert poll(reads, bad) == (set(range(20)) - bad, usual + 4)
    assert poll(reads, bad) == (set(range(20)) - bad, usual + 2)
    assert poll(reads, bad) == (set(range(20)) - bad, usual)


def test_instrument_that_refuses_everything_is_asked_one_thing_a_poll() -> None:
    everything = set(range(20))
    reads = Reads(planned(list(everything)))
    poll(reads, everything)
    assert [poll(reads, everything)[1] for _ in range(3)] == [1, 1, 1]
    assert [len(poll(reads, set())[0]) for _ in range(7)] == [1, 5, 9, 13, 17, 20, 20]


def test_border_that_no_read_may_cross_is_learned_once() -> None:
    """Registers 0 to 19 stand in two areas; a longer read elsewhere works, so length is not what is refused."""
    reads = Reads(planned([*range(20), *range(200, 230)]))

    def asked() -> list[tuple[int, int]]:
        found, waiting = [], list(reads.blocks)
        while waiting:
            block = waiting.pop(0)
            found.append((block.address, block.count))
            if block.address < 10 < block.address + block.count:
                waiting[:0] = reads.refused(block, WHY, 0.0)
            else:
                reads.accepted(block)
        reads.join()
        return found

    asked()
    assert asked() == asked() == [(0, 10), (10, 10), (200, 30)]


def test_reads_that_were_planned_apart_stay_apart() -> None:
    points = [
        ModbusPoint.model_validate({"id": f"p{at}", "table": "holding", "address": at, "type": kind})
        for at, kind in ((0, "uint64"), (4, "uint16"), (5, "uint16"))
    ]
    reads = Reads(plan(points, ModbusOptions(one_request_per_point=True), Wire(0, 0, False), 1.0))
    before = reads.blocks
    poll(reads, set())
    assert len(reads.blocks) == 3
    assert reads.blocks == before
