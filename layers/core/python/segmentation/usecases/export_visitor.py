"""Give out everything that is kept of a person, named by any of their keys."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from segmentation.domain.erasure_sql import rows_of_keys
from segmentation.domain.errors import QueryFailed
from segmentation.domain.event_lake import changes_folder, events_folder, links_folder
from segmentation.domain.joining import Family
from segmentation.domain.lists import listed_table
from segmentation.domain.profile import name_of, profile_name
from segmentation.domain.published import Published
from segmentation.domain.run import instant
from segmentation.domain.visitor import Visitor
from segmentation.ports import Clock, Lake, Profiles, RuleSets, Tables, Warehouse

from .erase_visitor import persons
from .erasure_requests import audience_of
from .joined_keys import joined_to, still_theirs
from .kept_documents import current_pointer


@dataclass(frozen=True, slots=True)
class ExportVisitor:
    """Reads the profiles store, the lake's events and changes, and the built audience."""

    profiles: Profiles
    lake: Lake
    tables: Tables
    warehouse: Warehouse
    rule_sets: RuleSets
    clock: Clock

    def __call__(self, audience: str, column: str, value: str) -> dict[str, Any]:
        """The document, JSON throughout; empty lists where nothing is kept."""
        published = audience_of(self.rule_sets, audience, column)
        now = self.clock.now()
        people = persons(self.profiles, published, [published.audience.key_name(column, value)], now)
        names = {name_of(key) for one in people for key in (one.key, *one.others)}
        joined = joined_to(lambda: chain.from_iterable(self.tables.read(links_folder(audience))), names)
        names |= still_theirs(self.profiles, published, names, joined, now)
        behaviors = published.audience.behaviors
        return {
            "audience": audience,
            "exported": instant(now),
            "keys": sorted(names),
            "profiles": [_profile(one) for one in people if one.profile.exists or one.apart()],
            "events": {one: list(self._rows(events_folder(audience, one), names)) for one in behaviors},
            "changes": list(self._rows(changes_folder(audience), names)),
            "lists": sorted(self._lists(published, names)),
            "built": self._built(published, names),
        }

    def _rows(self, folder: str, names: set[str]) -> Iterator[dict[str, Any]]:
        """Archived rows, each once: files that were merged may still stand beside the merged one."""
        seen = set()
        for batch in self.tables.read(folder):
            for row in batch:
                identifier = row.get("event_id") or row.get("change_id")
                if row["profile"] in names and (row["profile"], identifier) not in seen:
                    seen.add((row["profile"], identifier))
                    yield {key: _plain(one) for key, one in row.items() if one is not None}

    def _lists(self, published: Published, names: set[str]) -> set[str]:
        """The list segments that were uploaded with the person in them."""
        keys = names | set(self._profile_keys(published, names))
        folder = listed_table(published.audience).folder
        return {row["segment"] for batch in self.tables.read(folder) for row in batch if row["key"] in keys}

    def _profile_keys(self, published: Published, names: set[str]) -> list[str]:
        prefix = profile_name(published.audience.master_key, "")
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))

    def _built(self, published: Published, names: set[str]) -> dict[str, list[dict[str, Any]]]:
        """The rows of the current built version; values as text, as the warehouse gives them."""
        pointer = current_pointer(self.lake, published.audience.id)
        if pointer is None:
            return {}
        keys = self._profile_keys(published, names)
        if not keys:
            return {}
        tables = {"profiles": pointer["tables"]["profiles"], **pointer["tables"]["behaviors"]}
        return {name: self._table(table, keys) for name, table in tables.items()}

    def _table(self, table: str, keys: Sequence[str]) -> list[dict[str, Any]]:
        columns = list(self.warehouse.columns(table) or {})
        if not columns:
            raise QueryFailed(
                table, "", "the table of the current version is not in the catalog; build the audience"
            )
        query = rows_of_keys(table, columns, keys)
        return [dict(zip(columns, row, strict=True)) for row in self.warehouse.rows("export", query)[1]]


def _profile(one: Family) -> dict[str, Any]:
    part, batch = one.profile.realtime, one.profile.batch
    document: dict[str, Any] = {"key": name_of(one.key), "other_keys": sorted(map(name_of, one.others))}
    if batch is not None:
        document["batch"] = {
            "run": batch.run,
            "segments": list(batch.segments),
            "attributes": {name: _plain(value) for name, value in batch.attributes.items()},
        }
    states = {one.key: part, **one.apart()}
    document["realtime"] = [
        {
            "key": name_of(key),
            "segments": list(state.members),
            "computed": instant(state.computed),
            "state": _state(Visitor.decode(state.state)),
        }
        for key, state in states.items()
        if state is not None and state.state
    ]
    return document


def _state(visitor: Visitor) -> dict[str, Any]:
    """What is kept of events: by term, each as time, id and columns; hashes of ids; what went."""
    rows = {term: list(kept) for term, kept in visitor.rows.items()}
    state: dict[str, Any] = _plain({"rows": rows, "seen": visitor.seen, "lost": visitor.lost})
    return state


def _plain(value: Any) -> Any:
    """As JSON can say it."""
    match value:
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case set() | frozenset():
            return sorted(map(_plain, value), key=str)
        case bytes():
            return value.hex()
        case dt.date():
            return value.isoformat()
    return value
