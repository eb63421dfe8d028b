"""What is done with the samples of an instrument, as a profile or a site file says it (`steps`)."""

from drivers.profile import Checked
from gateway.domain.windows import WindowKeys


class StepKeys(Checked):
    """What is done with samples on their way into the log. Nothing here ever changes a measured value."""

    windows: WindowKeys | None = None
    """Means over minutes, hours, days."""

    def over(self, usual: "StepKeys | None") -> "StepKeys":
        """These keys, and those of `usual` that are not given here."""
        if usual is None:
            return self
        return usual.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})
