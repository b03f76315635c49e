"""The properties of a resource: each is taken, or ignored for a reason, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.errors import TemplateError
from infra.local.provision.without_effect import IGNORED_PROPERTIES
from infra.local.template import Resource


class Properties:
    """The resolved properties of a resource, each to be taken or refused."""

    def __init__(self, resource: Resource, values: Mapping[str, Any]) -> None:
        self._resource = resource
        ignored = IGNORED_PROPERTIES.get(resource.type, {})
        self._rest = {name: value for name, value in values.items() if name not in ignored}

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a property that has an effect."""
        return self._rest.pop(name, default)

    def need(self, name: str) -> Any:
        """The value of a property that must be there."""
        if name not in self._rest:
            raise TemplateError(f"{self._where} needs {name}")
        return self._rest.pop(name)

    def take_all(self) -> dict[str, Any]:
        """Every property that is left."""
        rest, self._rest = self._rest, {}
        return rest

    def for_operation(self, client: Any, operation: str) -> dict[str, Any]:
        """The properties that an AWS operation takes under the same names."""
        shape = client.meta.service_model.operation_model(operation).input_shape
        return {name: self._rest.pop(name) for name in shape.members if name in self._rest}

    def done(self) -> None:
        """Refuse what nobody took."""
        if self._rest:
            raise TemplateError(
                f"{self._where}: the embedded cloud does not know {', '.join(self._rest)}. "
                "Give it a meaning in infra/local/provision/, or a reason in IGNORED_PROPERTIES."
            )

    @property
    def _where(self) -> str:
        return f"{self._resource.logical_id} ({self._resource.type})"


def typed(client: Any, operation: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values in the types that the operation takes: parameters of a template are strings, whatever they mean."""
    cast: dict[str, Any] = _cast(values, client.meta.service_model.operation_model(operation).input_shape)
    return cast


def _cast(value: Any, shape: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name: _cast(item, shape.members[name]) if name in shape.members else item
            for name, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_cast(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _cast(item, shape.value) for name, item in value.items()}
    if kind in {"integer", "long"}:
        return int(value)
    if kind == "boolean":
        return truth(value)
    return text(value) if kind == "string" and not isinstance(value, dict | list) else value


def truth(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
