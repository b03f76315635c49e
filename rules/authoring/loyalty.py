"""Loyal customers, written in Python with jsonlogic-py.

`python -m infra.author` emits rules/segments/{private-label-loyalists,weekly-shoppers}.json from this file.
"""

from infra.author import all_of, behavior, define

AUDIENCE = "complete-journey"
QUARTER = behavior.purchases.within("90d")
PRIVATE = behavior.purchases.where(lambda e: e.brand == "Private").within("90d")

PRIVATE_LABEL_LOYALISTS = define(
    "private-label-loyalists",
    "Private-label loyalists",
    audience=AUDIENCE,
    kind="batch",
    description="ten baskets in 90 days, 40 % spent on own brands",
    rule=(QUARTER.count_distinct("basket_id") >= 10)
    & (PRIVATE.sum("sales_value") / QUARTER.sum("sales_value") >= 0.4),
)

# One condition a week: a count over four weeks would not say that no week was left out.
WEEKS = (("7d",), ("14d", "7d"), ("21d", "14d"), ("28d", "21d"))

WEEKLY_SHOPPERS = define(
    "weekly-shoppers",
    "Weekly shoppers",
    audience=AUDIENCE,
    kind="batch",
    description="bought in each of the last four weeks",
    rule=all_of(behavior.purchases.within(*week).count() >= 1 for week in WEEKS),
)
