"""The JSON Schema of site and profile files, for editors; it says what the models say."""

from typing import Any

from drivers import catalogue
from drivers.profile import Checked
from gateway.settings.facts import Key, keys, models
from gateway.settings.model import InstrumentKeys, SiteKeys
from gateway.settings.profiles import ProfileKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DURATION = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)\s*$"
_SIZE = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|kB|MB|GB)\s*$"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file, with the points and options of every protocol."""
    made = _of(SiteKeys)
    _by_protocol(made, made["$defs"][InstrumentKeys.__name__], partial_with_profile=True)
    return {"$schema": DIALECT, **made, "title": "fieldgate site file"}


def profile_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a profile file."""
    made = _of(ProfileKeys)
    _by_protocol(made, made, partial_with_profile=False)
    return {"$schema": DIALECT, **made, "title": "fieldgate profile"}


def _of(model: type[Checked]) -> dict[str, Any]:
    made = model.model_json_schema(by_alias=True)
    definitions = made.setdefault("$defs", {})
    _corrected(made, model, definitions)
    return made


def _corrected(made: dict[str, Any], model: type[Checked], definitions: dict[str, Any]) -> None:
    """Durations and sizes are text in the file, with a pattern and a default as people write them; each key is told."""
    for key in keys(model):
        entry = made["properties"][key.name]
        entry.pop("title", None)
        if key.text:
            entry["description"] = key.text
        if key.kind.startswith(("duration", "size")):
            made["properties"][key.name] = _written(key)
        elif entry.get("default", 0) is None:
            del entry["default"]
    for field in model.model_fields.values():
        for inner in models(field):
            if (definition := definitions.get(inner.__name__)) is not None and "corrected" not in definition:
                definition["corrected"] = True
                _corrected(definition, inner, definitions)
                del definition["corrected"]


def _written(key: Key) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "string", "pattern": _SIZE if key.kind == "size" else _DURATION}
    if key.kind.endswith("`fastest`"):
        entry = {"anyOf": [entry, {"const": "fastest"}]}
    entry["description"] = f"{key.text} ({key.limits})" if key.limits else key.text
    if key.default:
        entry["default"] = key.default
    return entry


def _by_protocol(made: dict[str, Any], owner: dict[str, Any], partial_with_profile: bool) -> None:
    """Each protocol's own keys for `points` and `options` of `owner`."""
    definitions = made["$defs"]
    rules: list[dict[str, Any]] = []
    for name in catalogue.names():
        protocol = catalogue.protocol(name)
        point, options = _of(protocol.point), _of(protocol.options)
        for part in (point, options):
            definitions.update(part.pop("$defs", {}))
        if "modicon" in point["properties"]:  # one spelling stands for two keys, and bits need no type
            point["required"] = ["id"]
            point["anyOf"] = [{"required": ["table", "address"]}, {"required": ["modicon"]}]
        definitions[f"{name}.point"], definitions[f"{name}.options"] = point, options
        then = {
            "points": {"items": {"$ref": f"#/$defs/{name}.point"}},
            "options": {"$ref": f"#/$defs/{name}.options"},
        }
        rules.append({"if": _when(name), "then": {"properties": then}})
    owner["properties"]["protocol"] = {
        **owner["properties"]["protocol"],
        "enum": list(catalogue.names()),
    }
    owner["properties"]["protocol"].pop("anyOf", None)
    if partial_with_profile:
        changed = {"type": "object", "required": ["id"]}
        rules.append({"if": {"required": ["profile"]}, "then": {"properties": {"points": {"items": changed}}}})
    owner["allOf"] = rules


def _when(protocol: str) -> dict[str, Any]:
    return {"required": ["protocol"], "properties": {"protocol": {"const": protocol}}}
