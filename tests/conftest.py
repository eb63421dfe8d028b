"""What holds for every test."""

from hypothesis import settings

# a machine that is busy with other things must not look like a slow function
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
