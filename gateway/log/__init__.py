"""The durable log: the only import of SQLite. `Log` is what others use; `archive` reads a log that others write."""

from gateway.log.log import Log

__all__ = ["Log"]
