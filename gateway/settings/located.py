"""Where a file is that a setting names."""

import os
from pathlib import Path


def located(written: str, site: Path) -> str:
    """An absolute path; a relative one is a credential of the service manager, else beside the site file."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and not os.path.isabs(written):
        candidate = os.path.join(credentials, written)
        if os.path.exists(candidate):
            return candidate
    return os.path.join(os.path.abspath(site.parent), written)
