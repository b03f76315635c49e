"""What shoppers do today, written in Python with jsonlogic-py."""

from infra.author import behavior, in_segment, segment, total, within

BIG_SPENDERS_TODAY = segment(
    "big-spenders-today",
    "Big spenders today",
    audience="complete-journey",
    kind="realtime",
    description="spent 75 or more in 24 hours, not held out of the test",
    rule=(total(within(behavior("purchases"), "24h"), "sales_value") >= 75)
    & ~in_segment("spring-test-holdout"),
)
