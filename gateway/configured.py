"""What the feed says of the configuration: that another one is running now, or why it is not."""

from collections.abc import Callable, Sequence

from gateway.actions import MOST_PROBLEMS
from gateway.batch import plain
from gateway.log import Log
from gateway.reading import Event
from gateway.settings import Site
from gateway.settings.changes import changes, described


def tell_changes(site: Site, log: Log, tell: Callable[[Event], None], now_ms: int) -> None:
    """`configuration.changed`, if this one differs in anything that affects values from the one that the log has kept;
    it is kept with the event."""
    configuration = described(site)
    before, hash_before = log.kept("configuration"), log.kept("configuration_hash")
    if before is not None and (before[1] == configuration or plain(before[1]) == plain(configuration)):
        return
    data = {
        "from": hash_before[1].decode() if hash_before is not None else None,
        "to": site.hash,
        "changes": changes(before[1], configuration) if before is not None else [],
    }
    tell(Event(now_ms, "configuration.changed", data, level="info"))
    log.keep("configuration", configuration)
    log.keep("configuration_hash", site.hash.encode())


def refused(problems: Sequence[object], now_ms: int) -> Event:
    """`configuration.refused`: the one before goes on."""
    said = [str(problem) for problem in problems[:MOST_PROBLEMS]]
    return Event(now_ms, "configuration.refused", {"problems": said}, level="warning")
