"""The only reader of config/: a Site, or every problem with file:line:column.

from gateway.settings import SettingsError, load
site = load("site.yaml")
"""

from gateway.settings.problem import Problem, SettingsError
from gateway.settings.site import Site, load

__all__ = ["Problem", "SettingsError", "Site", "load"]
