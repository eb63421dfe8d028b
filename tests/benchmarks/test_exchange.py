"""A sample of `python -m tests.benchmarks.exchange`; the best of a few tries counts, CPU time is never exact."""

from tests.benchmarks import exchange

TRIES = 4


def test_an_exchange_costs_little_beside_pymodbus_client_and_a_bare_loop() -> None:
    found = []
    for _ in range(TRIES):
        client, bare = exchange.run(rounds=3, requests=800, connections=(1,))[1]
        found.append((client, bare))
        if client <= exchange.MOST_OF_CLIENT and bare <= exchange.MOST_OF_BARE:
            return
    raise AssertionError(f"share of the client, times the bare loop: {found}")
