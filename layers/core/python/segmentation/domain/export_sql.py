"""The SQL of an export."""

from segmentation.language.sqltext import text

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def export_query(members: str, segment: str, exact: bool) -> str:
    """The keys of a segment's members, sorted; safe for spreadsheets unless `exact`."""
    first = ", ".join(map(text, FORMULA))
    safe = f"CASE WHEN substr(m.profile_key, 1, 1) IN ({first}) THEN concat({text(chr(39))}, m.profile_key) ELSE m.profile_key END"
    key = "m.profile_key" if exact else safe
    return f"SELECT {key} AS profile_key FROM {members} m WHERE contains(m.segments, {text(segment)}) ORDER BY m.profile_key"
