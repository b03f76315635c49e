"""Loyal customers, written in Python with jsonlogic-py.

`python -m infra.author` emits rules/segments/{private-label-loyalists,weekly-shoppers}.json from this file.
"""

from infra.author import behavior, column, count, count_distinct, segment, total, where, within

AUDIENCE = "complete-journey"
PURCHASES = behavior("purchases")
QUARTER = within(PURCHASES, "90d")

PRIVATE_LABEL_LOYALISTS = segment(
    "private-label-loyalists",
    "Private-label loyalists",
    audience=AUDIENCE,
    kind="batch",
    description="ten baskets in 90 days, 40 % spent on own brands",
    rule=(count_distinct(QUARTER, "basket_id") >= 10)
    & (
        total(within(where(PURCHASES, column("brand") == "Private"), "90d"), "sales_value")
        / total(QUARTER, "sales_value")
        >= 0.4
    ),
)

# One condition a week: a count over four weeks would not say that no week was left out.
WEEKS = (("7d",), ("14d", "7d"), ("21d", "14d"), ("28d", "21d"))
BOUGHT_EVERY_WEEK = count(within(PURCHASES, *WEEKS[0])) >= 1
for bounds in WEEKS[1:]:
    BOUGHT_EVERY_WEEK &= count(within(PURCHASES, *bounds)) >= 1

WEEKLY_SHOPPERS = segment(
    "weekly-shoppers",
    "Weekly shoppers",
    audience=AUDIENCE,
    kind="batch",
    description="bought in each of the last four weeks",
    rule=BOUGHT_EVERY_WEEK,
)
