"""What holds for every test."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# a machine that is busy with other things must not look like a slow function
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

QUIETENED = ("fieldgate", "fieldgate.line", "fieldgate.log", "gateway")
"""Loggers that commands make quiet in their own process."""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that is tried in the process of the tests leaves what it logs to the next test."""
    levels = [(logger := logging.getLogger(name), logger.level) for name in QUIETENED]
    yield
    for logger, level in levels:
        logger.setLevel(level)
