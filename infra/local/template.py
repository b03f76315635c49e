"""Reads a SAM template: transforms it, and resolves parameters, conditions and intrinsic functions."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote

import boto3
import yaml

from infra.local.errors import TemplateError
from infra.local.loops import TRANSFORM as LOOPS
from infra.local.loops import expand, transforms

LOCAL_BUCKET = "local-path"
"""SAM takes code from S3 only; a path of this machine travels through the transform as a key of this bucket."""

SAM = "AWS::Serverless-2016-10-31"
NO_VALUE = object()
_CODE = {"CodeUri", "ContentUri"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the transformed template; its properties are not resolved yet."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    condition: str | None
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A transformed template and the values of its parameters."""

    path: Path
    resources: Mapping[str, Resource]
    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    mappings: Mapping[str, Any]
    outputs: Mapping[str, Any]

    def local_path(self, location: Any, resource: str) -> Path:
        """The folder behind a function's or a layer's code."""
        if isinstance(location, str):
            return (self.path.parent / location).resolve()
        if isinstance(location, Mapping) and location.get("S3Bucket") == LOCAL_BUCKET:
            return Path("/" + unquote(location["S3Key"]))
        raise TemplateError(
            f"{resource}: its code stands at {location!r}, which is not a folder of this machine; "
            "give CodeUri or ContentUri a path relative to the template"
        )


def parameter_names(path: Path) -> set[str]:
    """The parameters that a template declares; none if it cannot be read, which `load` says."""
    from samtranslator.yaml_helper import yaml_parse

    try:
        return set((yaml_parse(path.read_text("utf-8")) or {}).get("Parameters") or ())
    except (OSError, yaml.YAMLError, AttributeError):
        return set()


def load(path: Path, parameters: Mapping[str, str], region: str) -> Template:
    """Read, transform (offline) and check the parameters of a template."""
    from samtranslator.yaml_helper import yaml_parse

    path = path.resolve()
    try:
        # through JSON: YAML reads 2012-10-17 as a date, CloudFormation as text
        document = json.loads(json.dumps(yaml_parse(path.read_text("utf-8")), default=str))
    except FileNotFoundError:
        raise TemplateError(f"{path} does not exist; name the template with --template") from None
    except yaml.YAMLError as error:
        raise TemplateError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{path} has no Resources")
    values = _parameters(document.get("Parameters") or {}, parameters, path)
    document = expand(document, values)
    if unknown := set(transforms(document)) - {SAM, LOOPS}:
        raise TemplateError(
            f"{path}: the embedded cloud does not know the transform {', '.join(sorted(unknown))}"
        )
    if SAM in transforms(document):
        document = _transform(document, parameters, region, path)
    resources = {}
    for logical_id, body in document["Resources"].items():
        depends_on = body.get("DependsOn", [])
        resources[logical_id] = Resource(
            logical_id,
            body["Type"],
            body.get("Properties", {}),
            body.get("Condition"),
            (depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        )
    return Template(
        path,
        resources,
        values,
        document.get("Conditions", {}),
        document.get("Mappings", {}),
        document.get("Outputs", {}),
    )


def _transform(
    document: dict[str, Any], parameters: Mapping[str, str], region: str, path: Path
) -> dict[str, Any]:
    # imported here, half a second, while the AWS endpoint starts in its own process
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import (
        to_py27_compatible_template,
        undo_mark_unicode_str_in_template,
    )

    sections = [document.get("Globals", {}), document["Resources"]]
    for section in sections:
        for body in section.values():
            properties = body.get("Properties", {}) if section is document["Resources"] else body
            for name in _CODE & properties.keys():
                if isinstance(properties[name], str) and "://" not in properties[name]:
                    folder = (path.parent / properties[name]).resolve()
                    properties[name] = f"s3://{LOCAL_BUCKET}{quote(str(folder))}"
    given = dict(parameters)
    to_py27_compatible_template(document, given)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        transformed = translator.translate(document, parameter_values=given)
    except InvalidDocumentException as error:
        raise TemplateError(
            f"{path} is not a valid SAM template:\n  "
            + "\n  ".join(cause.message for cause in error.causes)
            + "\n`sam validate --lint` says more."
        ) from error
    finally:
        translator.metrics.publish()  # to nobody; else it warns
    plain: dict[str, Any] = undo_mark_unicode_str_in_template(transformed)
    return plain


def _parameters(declared: Mapping[str, Any], given: Mapping[str, str], path: Path) -> dict[str, Any]:
    if unknown := sorted(given.keys() - declared.keys()):
        raise TemplateError(
            f"{path} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(declared))}"
        )
    values: dict[str, Any] = {}
    for name, body in declared.items():
        kind = body.get("Type", "String")
        if kind not in {"String", "Number", "CommaDelimitedList"}:
            raise TemplateError(f"Parameter {name}: the embedded cloud does not know the type {kind}")
        if name not in given and "Default" not in body:
            raise TemplateError(f"Parameter {name} has no value; give one with --parameter {name}=...")
        value = str(given.get(name, body.get("Default")))
        allowed = [str(item) for item in body.get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise TemplateError(f"Parameter {name}: {value!r} is not one of {', '.join(map(repr, allowed))}")
        pattern = body.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, value):
            raise TemplateError(f"Parameter {name}: {value!r} does not match {pattern}")
        values[name] = value.split(",") if kind == "CommaDelimitedList" else value
    return values


class References(Protocol):
    """What resources answer to Ref and Fn::GetAtt."""

    def ref(self, logical_id: str) -> Any:
        """The value of Ref."""

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """The value of Fn::GetAtt."""


@dataclass
class Resolver:
    """Resolves intrinsic functions; every error names the resource that it stands in."""

    template: Template
    pseudo: Mapping[str, str]
    references: References
    _conditions: dict[str, bool] = field(default_factory=dict)

    def resolve(self, value: Any, where: str) -> Any:
        """The value with every intrinsic function in it answered."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name == "Ref" or name == "Condition" or str(name).startswith("Fn::"):
                    return self._intrinsic(str(name), argument, where)
            resolved = {key: self.resolve(item, where) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(value, list):
            return [item for item in (self.resolve(item, where) for item in value) if item is not NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            raise TemplateError(f"{where}: dynamic references are not known here: {value}")
        return value

    def condition(self, name: str, where: str) -> bool:
        """The truth of a named condition."""
        if name not in self._conditions:
            if name not in self.template.conditions:
                raise TemplateError(f"{where}: there is no condition {name}")
            self._conditions[name] = self._truth(self.template.conditions[name], f"condition {name}")
        return self._conditions[name]

    def _truth(self, value: Any, where: str) -> bool:
        resolved = self.resolve(value, where)
        if not isinstance(resolved, bool):
            raise TemplateError(f"{where}: {value!r} is not a condition")
        return resolved

    def _intrinsic(self, name: str, argument: Any, where: str) -> Any:
        known: dict[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Condition": self.condition,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda items, at: not self._truth(items[0], at),
            "Fn::And": lambda items, at: all(self._truth(item, at) for item in items),
            "Fn::Or": lambda items, at: any(self._truth(item, at) for item in items),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda text, at: base64.b64encode(str(self.resolve(text, at)).encode()).decode(),
        }
        if name not in known:
            raise TemplateError(
                f"{where}: the embedded cloud does not know {name}; it knows {', '.join(known)}"
            )
        return known[name](argument, where)

    def _ref(self, name: str, where: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.template.parameters:
            return self.template.parameters[name]
        self._known(name, where)
        return self.references.ref(name)

    def _get_att(self, argument: Any, where: str) -> Any:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        self._known(name, where)
        return self.references.get_att(name, str(self.resolve(attribute, where)))

    def _known(self, name: str, where: str) -> None:
        if name not in self.template.resources:
            raise TemplateError(f"{where}: there is no parameter or resource {name}")

    def _sub(self, argument: Any, where: str) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})

        def replace(found: re.Match[str]) -> str:
            name = found.group(1).strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return str(self.resolve(variables[name], where))
            if "." in name:
                return str(self._get_att(name, where))
            return str(self._ref(name, where))

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _join(self, argument: Any, where: str) -> str:
        separator, items = argument
        return str(separator).join(str(item) for item in self.resolve(items, where))

    def _select(self, argument: Any, where: str) -> Any:
        index, items = int(self.resolve(argument[0], where)), self.resolve(argument[1], where)
        if not 0 <= index < len(items):
            raise TemplateError(f"{where}: Fn::Select {index} of {len(items)} items")
        return items[index]

    def _split(self, argument: Any, where: str) -> list[str]:
        return str(self.resolve(argument[1], where)).split(argument[0])

    def _if(self, argument: Any, where: str) -> Any:
        name, yes, no = argument
        return self.resolve(yes if self.condition(name, where) else no, where)

    def _equals(self, argument: Any, where: str) -> bool:
        left, right = (self.resolve(item, where) for item in argument)
        return str(left) == str(right)

    def _find_in_map(self, argument: Any, where: str) -> Any:
        found: Any = self.template.mappings
        for key in argument:
            step = str(self.resolve(key, where))
            if not isinstance(found, Mapping) or step not in found:
                raise TemplateError(f"{where}: Fn::FindInMap finds no {step}")
            found = found[step]
        return found
