"""Where profiles, quantities and site samples are looked up: the operator's own folder first."""

import os
from collections.abc import Sequence
from pathlib import Path

OPERATOR = Path("/etc/fieldgate")


def shipped() -> Path:
    """The folder that travels with the program: inside a wheel gateway/shipped, in a checkout config/."""
    inside = Path(__file__).parents[1] / "shipped"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "config"


def folders(own: Path | None = None, site: Path | None = None) -> tuple[Path, ...]:
    """Folders in the order of look-up.

    `own` or $FIELDGATE_CONFIG or /etc/fieldgate, then the folder of the site file, then what is shipped.
    """
    chosen = own or Path(os.environ.get("FIELDGATE_CONFIG") or OPERATOR)
    beside = [site.parent] if site is not None else []
    return tuple(dict.fromkeys([chosen, *beside, shipped()]))


def found(relative: str, places: Sequence[Path]) -> Path | None:
    """The first file of that name in `places`; None where no folder has it."""
    return next((place / relative for place in places if (place / relative).is_file()), None)


def profile_names(places: Sequence[Path]) -> list[str]:
    """Every profile that `places` have, as a site file names them."""
    return sorted(
        {
            path.relative_to(place / "profiles").with_suffix("").as_posix()
            for place in places
            for path in (place / "profiles").glob("*/*.yaml")
        }
    )
