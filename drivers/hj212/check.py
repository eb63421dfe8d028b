"""What only HJ 212 instruments know: names of items, and files that must be readable."""

from collections.abc import Iterator

from drivers.hj212.source import Hj212Options, Hj212Point
from drivers.keys import secret, sm4_key
from drivers.profile import InstrumentSpec, LineSpec


def problems(spec: InstrumentSpec, line: LineSpec) -> Iterator[str]:
    """Everything that cannot work, in words; the name of the point first where it is about one."""
    options = spec.options
    assert isinstance(options, Hj212Options)
    names: dict[str, str] = {}
    for point in spec.points:
        assert isinstance(point, Hj212Point)
        name = point.name(options.command)
        if name is None:
            yield f"{point.id}: it has neither an `item` nor a factor code that would give one"
        elif (other := names.setdefault(name.lower(), point.id)) != point.id:
            yield f"{point.id}: {name} is read by {other} already"
    for read, path in ((secret, options.password_file), (sm4_key, options.key_file)):
        try:
            read(path)
        except ValueError as error:
            yield str(error)


def listens(spec: InstrumentSpec, line: LineSpec) -> bool:
    """Whether the sender pushes."""
    return line.kind == "listen" or (isinstance(spec.options, Hj212Options) and spec.options.listen)
