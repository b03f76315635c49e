"""The last purchases of 2017 once more, as visitor events of this very moment.

Every event is a real line of a receipt. Two things are changed, and the demo says so: the time, shifted so that the
last purchase of the data happens now, and the basket's id, which gets a suffix, since an event with the id of a row that
is in the lake already would be the same event.
"""

import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import duckdb

from .data import SOURCE

BATCH = 500
"""Events in one request: the most that the endpoint takes."""

_QUERY = """
SELECT t.household_id, t.basket_id, t.product_id, t.store_id, t.quantity, t.sales_value, t.retail_disc, t.coupon_disc,
       p.department, p.brand, p.product_category, p.product_type, CAST(epoch(t.transaction_timestamp) AS BIGINT) AS time
FROM '{folder}/transactions.parquet' t LEFT JOIN '{folder}/products.parquet' p USING (product_id)
WHERE t.transaction_timestamp > (SELECT max(transaction_timestamp) FROM '{folder}/transactions.parquet')
                                - to_seconds({seconds})
ORDER BY t.transaction_timestamp, t.basket_id, t.product_id
"""
_TEXT = ("household_id", "basket_id", "product_id", "store_id")


@dataclass(frozen=True)
class Replay:
    """Events to post, oldest first."""

    records: list[dict[str, Any]]
    hours: float
    shift: int

    @property
    def visitors(self) -> list[str]:
        """Whose they are, in order of their last event, latest first."""
        return list(dict.fromkeys(record["household_id"] for record in reversed(self.records)))


def last_purchases(hours: float, now: int) -> Replay:
    """The purchases of the data's last hours, with the very last one at `now`."""
    with duckdb.connect() as connection:
        cursor = connection.execute(_QUERY.format(folder=SOURCE, seconds=hours * 3600))
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    shift = now - rows[-1][-1] if rows else 0
    records = []
    for row in rows:
        record = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        # Identifiers are text; a website sends what it knows of the product along with the event.
        record.update({name: str(record[name]) for name in _TEXT})
        record["basket_id"] += "-replay"
        record["time"] += shift
        records.append(record)
    return Replay(records, hours, shift)


class EventsRefused(Exception):
    """The events endpoint did not accept a request."""


def post(
    api_url: str, path: str, write_key: str, records: Sequence[dict[str, Any]], batch: int = BATCH
) -> Iterator[int]:
    """Post events in batches over one connection; yields how many were acknowledged so far."""
    address = urlsplit(api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    headers = {
        "Authorization": f"TD1 {write_key}",
        "Content-Type": "application/vnd.treasuredata.v1+json",
        "Accept": "application/vnd.treasuredata.v1+json",
    }
    done = 0
    try:
        for start in range(0, len(records), batch):
            some = records[start : start + batch]
            connection.request("POST", path, json.dumps({"records": some}), headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise EventsRefused(f"POST {path}: {answer.status} {body[:500].decode(errors='replace')}")
            done += sum(1 for receipt in json.loads(body)["receipts"] if receipt["success"])
            yield done
    finally:
        connection.close()
