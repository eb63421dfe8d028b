"""The only reader of config/: a Site, or every problem with file:line:column.

from gateway.settings import SettingsError, load
site = load("site.yaml")
"""

from typing import Any

from gateway.settings.problem import Problem, SettingsError
from gateway.settings.site import Site, load

__all__ = ["Problem", "SettingsError", "Site", "load", "schema"]


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file, with the points and options of every protocol."""
    from gateway.settings.json_schema import site_schema  # imported only by `fieldgate schema`

    return site_schema()
