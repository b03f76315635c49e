"""What shoppers do today, written in Python with jsonlogic-py."""

from infra.author import behavior, define, segment

BIG_SPENDERS_TODAY = define(
    "big-spenders-today",
    "Big spenders today",
    audience="complete-journey",
    kind="realtime",
    description="spent 75 or more in 24 hours, not held out of the test",
    rule=(behavior.purchases.within("24h").sum("sales_value") >= 75) & ~segment("spring-test-holdout"),
)
