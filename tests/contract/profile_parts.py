"""Parts of a profile with something in each of their fields, and the table that keeps them."""

from typing import Any

from segmentation.adapters.numberings import LakeNumberings
from segmentation.domain.membership import Change
from segmentation.domain.profile import BatchPart, RealtimePart

from tests.fakes import MemoryLake

KEY = "shop#person_id:1"
NUMBERINGS = LakeNumberings(MemoryLake())
PART = RealtimePart(
    revision=1,
    state=b"\x00state",
    members=("a", "b"),
    changes=(Change("b", True, 4), Change("c", False, 4), Change("a", True, 5, "e1")),
    computed=5,
    rules="v1",
    batch="run1",
    due=99,
    untold=True,
    quality=("capped",),
    expires=500 * 86_400,
)
BATCH = BatchPart(
    "20240101t000000z_aaaa",
    7,
    ("s1", "s2"),
    {
        "text": "ü",
        "empty": "",
        "whole": 3.0,
        "fraction": 0.1,
        "huge": 1.7976931348623157e308,
        "tiny": 5e-324,
        "yes": True,
        "second": 1_514_764_800,
        "day": "2018-01-01",
        "texts": ("a", None),
        "numbers": (1.5, None),
    },
)


def make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="profiles",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "profile", "AttributeType": "S"},
            {"AttributeName": "part", "AttributeType": "S"},
            {"AttributeName": "due_shard", "AttributeType": "S"},
            {"AttributeName": "sweep_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "due_shard", "KeyType": "HASH"},
                    {"AttributeName": "sweep_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        KeySchema=[
            {"AttributeName": "profile", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
    )
