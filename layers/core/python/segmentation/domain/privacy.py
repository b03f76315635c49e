"""What must not be kept: addresses and browsers that nobody declared, and events of visitors who object.

An audience says which columns of a record, which categories of a Segment-compatible call and whether the browser's
Global Privacy Control speak for the visitor. Of several that speak, one "no" is enough. A word that is not known to
mean "yes" means "no": a new wording must not turn an objection into consent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .checking import Node

IP_COLUMNS = ("ip", "td_ip")
AGENT_COLUMNS = ("user_agent", "td_user_agent")
PERSONAL_COLUMNS = frozenset({*IP_COLUMNS, *AGENT_COLUMNS, "td_global_id", "userAgent", "ip_address"})
"""Kept only where a behavior declares them, and then as `pii`."""

_PERSONAL_PATHS = ("context.ip", "context.userAgent", "context.userAgentData")
"""Of a Segment-compatible call."""

YES = frozenset(
    {"true", "1", "yes", "y", "on", "given", "granted", "accepted", "allowed", "opted_in", "optin"}
)


@dataclass(frozen=True, slots=True)
class Consent:
    """Who speaks for a visitor. `required`: silence counts as an objection too."""

    columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    global_privacy_control: bool = False
    required: bool = False

    def objects(self, record: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Whether the visitor of a record objects. Header names are lower-case."""
        if self.global_privacy_control and headers.get("sec-gpc", "").strip() == "1":
            return True
        said = [record.get(column) for column in self.columns]
        said += self._preferences(record)
        heard = [one for one in said if one is not None]
        return not all(map(_is_yes, heard)) or (self.required and not heard)

    def _preferences(self, record: Mapping[str, Any]) -> list[Any]:
        preferences: Any = record.get(PREFERENCES)
        return [preferences.get(one) for one in self.categories] if isinstance(preferences, Mapping) else []


PREFERENCES = "consent_preferences"
"""The member of a record that holds a call's `context.consent.categoryPreferences`; never kept."""


def is_personal_path(path: str) -> bool:
    """Whether what a path of a call names is, is part of, or has in it an address or a browser."""
    return any(f"{one}.".startswith(f"{path}.") or path.startswith(f"{one}.") for one in _PERSONAL_PATHS)


def _is_yes(value: object) -> bool:
    if isinstance(value, bool | int | float):
        return value == 1
    return isinstance(value, str) and value.strip().lower().replace("-", "_") in YES


def parse_consent(root: Node) -> Consent:
    """The member `consent` of an audience document; absent: nobody objects."""
    if "consent" not in root.value:
        return Consent()
    node = root.child("consent")
    if node is None:
        return Consent()
    node.only("columns", "categories", "global_privacy_control", "required")
    consent = Consent(
        columns=node.texts("columns"),
        categories=node.texts("categories"),
        global_privacy_control=node.flag("global_privacy_control"),
        required=node.flag("required"),
    )
    if consent.required and not consent.columns and not consent.categories:
        node.found.add(
            node.at("required"), "consent", "name the columns or categories that consent is said in"
        )
    return consent
