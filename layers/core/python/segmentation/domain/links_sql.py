"""Which keys were joined on the stream, as the lake keeps it, and the SQL that finds whose an archived event is.

    links/<audience>/date=YYYY-MM-DD/...     each key that became an alias, and the profile's name that it leads to

Events in the lake keep the key that they came under. A build counts them for whoever has the key by then: as on the stream
the alias decides, and where there is none, the raw table that knows the key (decision 27).
"""

from typing import Final

from .audience import Audience
from .build_sql import claims, kept_profiles
from .event_lake import links_table
from .source_sql import Catalog

LEADS: Final = "leads"
"""The last WITH part of `leads`: `name` leads to `owner`, both as the profiles store names profiles."""


def leads(audience: Audience, catalog: Catalog) -> list[str]:
    """WITH parts; the last one has a row for each key that leads to another one."""
    latest = "row_number() OVER (PARTITION BY profile ORDER BY moment DESC, sequence DESC, owner ASC)"
    links = f"SELECT profile, owner, {latest} AS rn FROM {links_table(audience).name}"
    parts = [f"links AS ({links})", "joined_keys AS (SELECT profile, owner FROM links WHERE rn = 1)"]
    identities = audience.known_identities()
    if not identities:
        return [*parts, f"{LEADS} AS (SELECT profile AS name, owner FROM joined_keys)"]
    parts += kept_profiles(audience, catalog)
    known = []
    for index, identity in enumerate(identities):
        parts.append(f"k{index} AS ({claims(identity, catalog)})")
        name, owner = f"concat('{identity.name}:', value)", f"concat('{audience.master_key}:', profile_key)"
        known.append(f"SELECT {name} AS profile, {owner} AS owner FROM k{index} WHERE rn = 1")
    parts.append(f"known_keys AS ({' UNION ALL '.join(known)})")
    return [
        *parts,
        f"{LEADS} AS (SELECT coalesce(j.profile, k.profile) AS name, coalesce(j.owner, k.owner) AS owner "
        "FROM joined_keys j FULL OUTER JOIN known_keys k ON k.profile = j.profile)",
    ]


def followed(audience: Audience, profile: str) -> tuple[str, str]:
    """The joins that follow a key, and the name that it comes to. Each step leads to a stronger key, so that there are no more
    steps than kinds of keys."""
    joins, names = "", [profile]
    for step in range(1, len(audience.by_strength())):
        joins += f" LEFT JOIN {LEADS} h{step} ON h{step}.name = {names[0]}"
        names.insert(0, f"h{step}.owner")
    return joins, f"coalesce({', '.join(names)})"


def has_links(audience: Audience) -> bool:
    """Whether people of an audience can be known by more than one kind of key."""
    return len(audience.by_strength()) > 1
