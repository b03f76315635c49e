"""Whose keys are whose, after a build."""

import pyarrow as pa
import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.build_plan import events_a_profile, has_identities
from segmentation.domain.run_sql import changes_query, create_table, identities_query
from segmentation.language import load_rule_set
from segmentation.language.sql import members_query

from tests.contract.raw_tables import COOKIE, EMAIL, NOW, at, audience, facts, sha
from tests.contract.workshop import Workshop


@pytest.fixture
def keys(shop: Workshop) -> Workshop:
    shop.parquet("people", {"id": (pa.int64(), [1, 2, 10])})
    shop.parquet(
        "mails",
        {
            "id": (pa.int64(), [1, 2, 2, 10, 99, None, 1]),
            "address": (
                pa.string(),
                ["Ann@X.de", " ann@x.de ", "bob@x.de", "bob@x.de", "zoe@x.de", "ann@x.de", ""],
            ),
            "seen": (
                pa.timestamp("us"),
                [at("2023-05-01"), at("2023-06-01"), at("2023-01-01"), None] + [at("2023-12-01")] * 3,
            ),
        },
    )
    shop.csv("devices", "id,cookie\n10,c1\n2,c1\n2,c2\n1,\n10,c3\n99,c9\n")
    return shop


def test_a_key_of_two_profiles_goes_to_the_latest_then_to_the_smallest(keys: Workshop) -> None:
    tables = keys.build(audience(identities=["id", EMAIL, COOKIE]), NOW)
    assert keys.rows(f"SELECT * FROM {tables['profiles']}") == [
        # By code point "10" comes before "2".
        ("1", "[]", "[email:ann@x.de]"),
        ("10", "[td_client_id:c1, td_client_id:c3]", "[email:bob@x.de]"),
        ("2", "[email:ann@x.de, email:bob@x.de, td_client_id:c2]", "[td_client_id:c1]"),
    ]
    counted = " UNION ALL ".join(identities_query(tables["profiles"], ["email", "td_client_id"]))
    assert keys.rows(counted) == [
        ("contested:email", "2"),
        ("contested:td_client_id", "1"),
        ("keys:email", "2"),
        ("keys:td_client_id", "3"),
    ]
    assert has_identities(keys.pointer)
    assert not has_identities({"layout": {}})


def test_how_many_events_a_profile_has_is_told_by_the_rows() -> None:
    rows = {"profiles": 20, "behavior_visits": 50, "behavior_orders": 5}
    assert events_a_profile({"rows": rows}) == {"visits": 2.5, "orders": 0.25}
    assert events_a_profile({"rows": {**rows, "profiles": 0}}) == {}
    assert events_a_profile({}) == {}


def test_a_profile_that_is_filtered_out_holds_no_key(keys: Workshop) -> None:
    keys.parquet("facts", {"id": (pa.int64(), [2]), "city": (pa.string(), ["Ulm"])})
    master = {"table": "people", "key": "id", "filter": {"==": [{"var": "attributes.city"}, None]}}
    tables = keys.build(audience(master=master, identities=["id", EMAIL], attributes=[facts()]), NOW)
    assert keys.rows(f"SELECT profile_key, identities, contested FROM {tables['profiles']}") == [
        ("1", "[email:ann@x.de]", "[]"),
        ("10", "[email:bob@x.de]", "[]"),
    ]


def test_batch_and_stream_write_a_key_alike(keys: Workshop) -> None:
    keys.csv("mails", 'id,address,seen\n1, Ann@X.de ,1\n2,ÄRGER@X.DE,1\n10,"İx@x.de",1\n')
    document = audience(identities=["id", {**EMAIL, "visibility": "pii"}])
    tables = keys.build(document, NOW)
    stream = parse_audience(document)
    rows = {row[0]: row[1] for row in keys.rows(f"SELECT profile_key, identities FROM {tables['profiles']}")}
    for key, address in {"1": " Ann@X.de ", "2": "ÄRGER@X.DE", "10": "İx@x.de"}.items():
        assert rows[key] == f"[{stream.key_name('email', address)}]"
        assert "x.de" not in rows[key].lower()
    assert rows["1"] == f"[email:{sha('ann@x.de')}]"
    assert stream.key_name("id", " A ") == "id: A "


def test_a_behavior_may_be_keyed_by_another_identity(keys: Workshop) -> None:
    keys.json(
        "visits",
        {"cookie": "string", "at": "bigint", "tags": "array<string>"},
        [
            {"cookie": "c1", "at": NOW - 5, "tags": ["a", None]},
            {"cookie": "c2", "at": NOW - 4},
            {"cookie": "c9", "at": NOW - 3},
            {"at": NOW - 2},
        ],
    )
    visits = {
        "table": "visits",
        "key": "cookie",
        "identity": "td_client_id",
        "time": "at",
        "columns": {"tags": {"type": "strings"}},
    }
    tables = keys.build(audience(identities=["id", EMAIL, COOKIE], behaviors={"visits": visits}), NOW)
    rows = keys.rows(f'SELECT profile_key, "time", tags FROM {tables["behavior_visits"]}')
    assert rows == [("10", str(NOW - 5), "[a, null]"), ("2", str(NOW - 4), None)]


def test_changes_name_the_keys_that_came_and_went(keys: Workshop) -> None:
    document = audience(identities=["id", COOKIE])
    rules = load_rule_set([], parse_audience(document).schema(), "shop")

    def members(name: str, identities: bool = True) -> str:
        tables = keys.build(document, NOW)
        sql = members_query(rules, tables["profiles"], {}, NOW, identities=identities)
        keys.warehouse.run(name, create_table(name, keys.lake.uri(f"{keys.database}/{name}/"), sql))
        return name

    first = members("first")
    keys.csv("devices", "id,cookie\n2,c1\n2,c2\n10,c3\n")
    keys.parquet("people", {"id": (pa.int64(), [2, 10])})
    second = members("second")
    columns = "profile_key, identities, identities_joined, identities_left"
    sql = changes_query(second, first, (), (), identities=True, old_identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c") == [
        ("1", "[]", "[]", "[]"),  # gone
        ("10", "[td_client_id:c3]", "[]", "[td_client_id:c1]"),
        ("2", "[td_client_id:c1, td_client_id:c2]", "[td_client_id:c1]", "[]"),
    ]
    sql = changes_query(second, None, (), (), identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == (
        "10",
        "[td_client_id:c3]",
        "[td_client_id:c3]",
        "[]",
    )
    # Keys were declared since the last run, or are not declared any more.
    third = members("third", identities=False)
    sql = changes_query(second, third, (), (), identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == (
        "10",
        "[td_client_id:c3]",
        "[td_client_id:c3]",
        "[]",
    )
    sql = changes_query(third, second, (), (), old_identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == ("10", "[]", "[]", "[td_client_id:c3]")
