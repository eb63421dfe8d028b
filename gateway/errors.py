"""Why the gateway cannot go on as told; each names the place and what to do.

    GatewayError
    └── LogError          the log cannot be used as it is
        ├── LogLocked     another process holds it. Stop that one.
        ├── LogTooNew     a newer release wrote it. Install that release, or give another path.
        └── LogMisplaced  its folder is absent or may not be written. A mistake in the site file or the permissions.

A full or failing disk is not among them: that heals, and the log waits for it.
"""


class GatewayError(Exception):
    """The text says what, where, and what to do."""


class LogError(GatewayError):
    """The log cannot be used as it is."""


class LogLocked(LogError):
    """Another process holds the log; the text names it."""


class LogTooNew(LogError):
    """The log has a schema that this release does not know; it was left as it is."""


class LogMisplaced(LogError):
    """The log's folder is absent or may not be written."""
