"""Athena's work groups."""

from __future__ import annotations

import time
from typing import Final

from infra.local.athena.errors import RequestRefused
from infra.local.athena.paging import JSON, page

ENGINE: Final = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


class WorkGroups:
    """Where results go and how much a query may scan, by name."""

    def __init__(self) -> None:
        self._groups: dict[str, JSON] = {"primary": _work_group({"Name": "primary"})}

    def find(self, name: str) -> JSON:
        if name not in self._groups:
            raise RequestRefused(f"WorkGroup {name} is not found.")
        return self._groups[name]

    def create(self, body: JSON) -> JSON:
        name = body.get("Name", "")
        if not name or name in self._groups:
            raise RequestRefused(f"WorkGroup {name} is already created" if name else "Name is required")
        _check_cutoff(body.get("Configuration", {}))
        self._groups[name] = _work_group(body)
        return {}

    def update(self, body: JSON) -> JSON:
        group = self.find(body.get("WorkGroup", ""))
        updates = dict(body.get("ConfigurationUpdates", {}))
        _check_cutoff(updates)
        configuration = group["Configuration"]
        results = updates.pop("ResultConfigurationUpdates", {})
        if results.pop("RemoveOutputLocation", False):
            configuration.get("ResultConfiguration", {}).pop("OutputLocation", None)
        configuration.setdefault("ResultConfiguration", {}).update(results)
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            configuration.pop("BytesScannedCutoffPerQuery", None)
        configuration.update(updates)
        for key in ("Description", "State"):
            if key in body:
                group[key] = body[key]
        return {}

    def delete(self, body: JSON) -> JSON:
        name = body.get("WorkGroup", "")
        self.find(name)
        if name == "primary":
            raise RequestRefused("The primary workgroup cannot be deleted")
        del self._groups[name]
        return {}

    def all(self, body: JSON) -> JSON:
        summaries = [
            {
                "Name": group["Name"],
                "State": group["State"],
                "Description": group.get("Description", ""),
                "CreationTime": group["CreationTime"],
                "EngineVersion": dict(ENGINE),
            }
            for group in self._groups.values()
        ]
        return page("WorkGroups", summaries, body, most=50)


def _work_group(body: JSON) -> JSON:
    configuration = dict(body.get("Configuration", {}))
    configuration.setdefault("ResultConfiguration", {})
    configuration.setdefault("EnforceWorkGroupConfiguration", True)
    configuration.setdefault("PublishCloudWatchMetricsEnabled", True)
    configuration.setdefault("RequesterPaysEnabled", False)
    configuration["EngineVersion"] = dict(ENGINE)
    return {
        "Name": body["Name"],
        "State": body.get("State", "ENABLED"),
        "Description": body.get("Description", ""),
        "Configuration": configuration,
        "CreationTime": time.time(),
    }


def _check_cutoff(configuration: JSON) -> None:
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and int(cutoff) < 10_000_000:
        raise RequestRefused(
            "1 validation error detected: Value at 'bytesScannedCutoffPerQuery' failed to satisfy constraint: "
            "Member must have value greater than or equal to 10000000"
        )
