"""Full-width characters of a Chinese keyboard where YAML and numbers want the plain ones."""

import re
from unicodedata import normalize

_PLAIN = str.maketrans("“”„‘’、。−", '"""\'\',.-')
_WIDE = re.compile("[“”„‘’、。−\u3000\u00a0\uff01-\uff5e]")
_PLACES = [
    re.compile(pattern)
    for pattern in (
        r"^\s*(?:-\s*)?[A-Za-z_]\w*(：)",  # a key
        r"^ *([\u3000\u00a0])",  # the indentation
        r":([\u3000\u00a0])",  # between key and value
        r":\s*([“”‘’［｛])",  # the beginning of a quoted text or a list
        r"[\[{][^#]*?([，］｝])",  # inside brackets
    )
]
"""Where in a line such a character can only be meant as YAML's own. In titles and comments it is welcome."""
ADVICE = "write it with the keyboard set to half-width (English)"
ADVICE_ZH = "请切换到英文（半角）输入"


def plain(text: str) -> str:
    """The text as it would be with a keyboard set to half-width."""
    return normalize("NFKC", text.translate(_PLAIN))


def odd(line: str) -> int | None:
    """Where in a line of a settings file a full-width character stands for one of YAML's own."""
    found = [match.start(1) for place in _PLACES if (match := place.search(line))]
    return min(found, default=None)


def named(character: str) -> str:
    """The character, and its code where it cannot be seen."""
    return f"the space U+{ord(character):04X}" if character.isspace() else f"'{character}'"


def half_width(text: str) -> str | None:
    """What the text is but for full-width characters; None where it has none, or is more than those."""
    wanted = plain(text)
    return wanted if _WIDE.search(text) and wanted.isascii() else None
