"""Days and windows of the site's time zone, by due time."""

from datetime import UTC, date, datetime, timedelta, tzinfo

from gateway.domain.windows import LENGTHS_MS


def day_bounds(due_ms: int, zone: tzinfo) -> tuple[int, int, str]:
    """First ms, first ms of the next day, and ISO date of the local day that `due_ms` lies in (23 to 25 h)."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=due_ms)).astimezone(zone).date()
    first, after = _midnight(local, zone), _midnight(local + timedelta(days=1), zone)
    return first, after, local.isoformat()


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def window_bounds(period: str, due_ms: int, zone: tzinfo) -> tuple[int, int]:
    """First ms of the window that `due_ms` lies in, and of the next one.

    Windows are counted from local midnight, so that they fill the day without gap or overlap; where a zone moves by
    half an hour, the last one of that day is cut.
    """
    first, after, _ = day_bounds(due_ms, zone)
    if period == "1d":
        return first, after
    length = LENGTHS_MS[period]
    start = first + (due_ms - first) // length * length
    return start, min(start + length, after)
