"""Segment rules of Treasure Data, written by hand after its schema, and an audience to convert them for."""

from typing import Any

from segmentation.domain.audience_document import parse_audience

from infra.migrate.treasure_data import Migration, Options, convert

AUDIENCE_DOCUMENT: dict[str, Any] = {
    "id": "shop",
    "name": "Shop",
    "database": "shop",
    "time_zone": "Europe/Berlin",
    "master": {"table": "customers", "key": "customer_id"},
    "identities": ["customer_id"],
    "attributes": [
        {
            "table": "customers",
            "key": "customer_id",
            "columns": {
                "age": {"type": "number"},
                "country": {"type": "string"},
                "email": {"type": "string"},
                "subscribed": {"type": "boolean"},
                "signed_up": {"type": "timestamp"},
                "birthday": {"type": "date"},
                "tags": {"type": "strings"},
                "scores": {"type": "numbers"},
            },
        }
    ],
    "behaviors": {
        "orders": {
            "table": "order_lines",
            "key": "customer_id",
            "time": "ordered_at",
            "id": ["line_id"],
            "columns": {
                "line_id": {"type": "string"},
                "category": {"type": "string"},
                "price": {"type": "number"},
                "delivered": {"type": "timestamp"},
                "labels": {"type": "strings"},
            },
        }
    },
}
AUDIENCE = parse_audience(AUDIENCE_DOCUMENT)
REFERENCES = {"1001": "vip", "1002": "staff"}
ORDERS = {"var": "behaviors.orders"}
DAY = {"unit": "day"}


def attribute(name: str) -> dict[str, str]:
    return {"var": f"attributes.{name}"}


def op(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "not": False, **more}


def no(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "not": True, **more}


def value(left: Any, operator: Any, *, exclude: bool = False, matching: Any = None) -> dict[str, Any]:
    left = {"name": left} if isinstance(left, str) else left
    return {
        "type": "Value",
        "leftValue": left,
        "operator": operator,
        "exclude": exclude,
        "arrayMatching": matching,
    }


def rule(*conditions: Any, kind: str = "And", **more: Any) -> dict[str, Any]:
    return {"type": "And", "conditions": [{"type": kind, "conditions": list(conditions), **more}]}


def figure(kind: str, filter: Any = None, window: Any = None, source: str = "orders", **more: Any) -> Any:
    aggregation = {"type": kind, **({"groupingColumns": []} if kind == "Count" else {}), **more}
    left = {"source": {"name": source}, "aggregation": aggregation, "filter": filter}
    return left if window is None else left | {"window": {"type": "TimeSliding", "duration": window}}


def column(name: str, operator: Any, matching: Any = None) -> dict[str, Any]:
    return {"type": "Column", "column": name, "operator": operator, "arrayMatching": matching}


def group(kind: str, *conditions: Any) -> dict[str, Any]:
    return {"type": kind, "conditions": list(conditions)}


def last(number: Any, unit: str = "day") -> dict[str, Any]:
    return {"last": number, "unit": unit}


def run(source: Any, **options: Any) -> Migration:
    return convert(source, AUDIENCE, Options(references=REFERENCES, **options))


def present(expression: Any) -> Any:
    return {"!=": [expression, None]}


AGE, COUNTRY, EMAIL = attribute("age"), attribute("country"), attribute("email")
SIGNED_UP, BIRTHDAY, TAGS, SCORES = (attribute(n) for n in ("signed_up", "birthday", "tags", "scores"))
CATEGORY, TIME = {"var": "category"}, {"var": "time"}
FUTURE = "36500d"
DE, ADULT, NEW = (
    value("country", op("Equal", rightValue="DE")),
    value("age", op("GreaterEqual", rightValue=18)),
    value("tags", op("Equal", rightValue="new"), matching="any"),
)
IS_DE, IS_ADULT, IS_NEW = (
    CARRIED_RULE[1]
    for CARRIED_RULE in (
        (DE, {"==": [COUNTRY, "DE"]}),
        (ADULT, {">=": [AGE, 18]}),
        (NEW, {"some": [TAGS, {"==": [{"var": ""}, "new"]}]}),
    )
)
