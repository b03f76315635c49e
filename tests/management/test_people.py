"""What shows people: members, exports, explanations; to editors, and never in an address."""

import json
from typing import Any

import pytest
from segmentation.domain.export_sql import export_query
from segmentation.domain.profile import BatchPart
from segmentation.domain.run import RunRecord, SegmentCount, pointer_path, run_pointer_path
from segmentation.domain.syndication import contents_path, index_path, page_path
from segmentation.usecases.erase_visitor import EraseVisitor

from tests.fakes import MemoryQueue
from tests.management.support import SHOP, LakeRuleSets, Office

ADULTS = f"{SHOP}/segments/adults"


def run(office: Office) -> None:
    """A published run in which three people are adults, on two pages."""
    count = SegmentCount("adults", "adults", "batch", 3, 3, 0, "v")
    record = RunRecord("run1", "shop", 1_700_000_000, 1, 2, "v", "r", 9, (count,), ())
    office.lake.put(run_pointer_path("shop"), json.dumps(record.to_document()).encode())
    office.lake.put(index_path("shop"), json.dumps({"runs": ["run1"]}).encode())
    contents = {"now": 1_700_000_000, "members": [[0, 2]], "changes": []}
    office.lake.put(contents_path("shop", "run1", "adults"), json.dumps(contents).encode())
    for number, keys in enumerate((["p1", "p2"], ["p3"])):
        office.lake.put(page_path("shop", "run1", "adults", "members", 0, number), json.dumps(keys).encode())


def test_members_are_paged_within_one_run(office: Office) -> None:
    assert office.ask("GET", f"{ADULTS}/members").status == 404
    run(office)
    page = office.ask("GET", f"{ADULTS}/members", role="editor").body
    assert (page["run"], page["members"]) == ("run1", ["p1", "p2"])
    rest = office.ask("GET", f"{ADULTS}/members", query=f"cursor={page['next']}").body
    assert (rest["members"], rest["next"]) == (["p3"], None)
    assert office.ask("GET", f"{ADULTS}/members", query="cursor=eHh4").status == 400


def test_a_real_time_segment_has_no_list_of_members(office: Office) -> None:
    refused = office.ask("GET", f"{SHOP}/segments/buying-now/members")
    assert (refused.status, "make a batch segment" in refused.body["detail"]) == (409, True)


def test_an_export_is_a_query_whose_answer_can_be_fetched(office: Office) -> None:
    run(office)
    begun = office.ask("POST", f"{ADULTS}/exports", {}, role="editor")
    assert (begun.status, begun.body["state"]) == (202, "running")
    ((_, sql, _),) = office.warehouse.started.values()
    assert "shop_run1_members" in sql
    place = begun.headers["location"]
    assert office.ask("GET", place).body["url"] is None
    office.warehouse.answers["export"] = [("p1",)]
    office.warehouse.finish(begun.body["id"])
    done = office.ask("GET", place, role="editor").body
    assert done["state"] == "done"
    assert done["url"].endswith("/adults.csv?seconds=900")
    # A query that is another segment's export, or no export at all, is not given out.
    assert office.ask("GET", place.replace("adults", "buyers")).status == 404
    assert office.ask("GET", f"{ADULTS}/exports/query-9").status == 404


@pytest.mark.parametrize("exact", [True, False])
def test_a_formula_in_a_key_is_made_harmless_unless_it_is_wanted(exact: bool) -> None:
    sql = export_query("members", "it's", exact)
    assert "contains(m.segments, 'it''s')" in sql
    assert ("IN ('=', '+', '-', '@'" in sql) is not exact


def build(office: Office, **layout: Any) -> None:
    tables = {"profiles": "people_v", "behaviors": {"purchases": "sales_v", "mailings": "mail_v"}}
    pointer = {"version": "v", "tables": tables, "rows": {"profiles": 2}, "layout": layout}
    office.lake.put(pointer_path("shop"), json.dumps(pointer).encode())


def test_a_batch_segment_is_explained_from_the_built_tables(office: Office) -> None:
    build(office)
    office.warehouse.answers["explain"] = [("p1", "31")]
    begun = office.ask("POST", f"{ADULTS}/explanations", {"key": "p1"}, role="editor")
    assert (begun.status, begun.body["state"], begun.body["why"]) == (202, "running", None)
    (statement,) = office.warehouse.statements
    assert "WHERE profile_key = 'p1'" in statement[1]
    place = begun.headers["location"]
    assert office.ask("GET", place, role="editor").body == begun.body
    office.finish()
    done = office.ask("GET", place, role="editor")
    assert (done.status, done.body["state"], done.body["why"]["holds"]) == (200, "done", True)
    assert any("31" in line for line in done.body["why"]["text"])
    office.warehouse.answers["explain"] = [("p1", "3")]
    assert office.explain(ADULTS, "p1")["why"]["holds"] is False
    office.warehouse.answers["explain"] = []
    nobody = office.explain(ADULTS, "p2")
    assert (nobody["state"], "no profile" in nobody["error"]) == ("failed", True)


def test_an_explanation_reads_what_the_rule_reads_and_says_what_is_not_built(office: Office) -> None:
    """Not every declared column of a behavior: one that was declared since the build stands in no table."""
    build(office, columns={"attributes": {}, "behaviors": {"purchases": {}}})
    office.ask("POST", f"{SHOP}/segments/buyers/explanations", {"key": "p1"})
    texts = [sql for _, sql in office.warehouse.statements]
    assert texts
    assert not [sql for sql in texts if "amount" in sql]
    refused = office.ask("POST", f"{ADULTS}/explanations", {"key": "p1"})
    assert (refused.status, "lacks attribute 'age'; start a build" in refused.body["detail"]) == (409, True)


def test_an_explanation_keeps_no_key_and_is_nobody_else_s(office: Office) -> None:
    build(office)
    office.warehouse.answers["explain"] = [("jane@example.com", "31")]
    stood = set(office.lake.objects)
    begun = office.ask("POST", f"{ADULTS}/explanations", {"key": "jane@example.com"})
    (kept,) = set(office.lake.objects) - stood
    assert "jane" not in kept + office.lake.objects[kept].decode()
    office.finish()
    name = begun.body["id"]
    for path in (f"{SHOP}/segments/buyers/explanations/{name}", f"{ADULTS}/explanations/query-9", f"{ADULTS}/exports/{name}",
                 f"{SHOP}/previews/{name}", f"{SHOP}/segments/none/explanations/{name}"):  # fmt: skip
        assert office.ask("GET", path).status == 404
    assert office.ask("GET", begun.headers["location"], role="viewer").status == 403
    preview = office.ask("POST", f"{SHOP}/previews", {"document": office.ask("GET", ADULTS).body["document"]})
    assert office.ask("GET", f"{ADULTS}/explanations/{preview.body['id']}").status == 404


def test_an_explanation_of_a_segment_that_was_edited_or_is_no_longer_kept_is_gone(office: Office) -> None:
    build(office)
    office.warehouse.answers["explain"] = [("p1", "31")]
    places = [
        office.ask("POST", f"{ADULTS}/explanations", {"key": "p1"}).headers["location"] for _ in range(2)
    ]
    office.finish()
    del office.warehouse.queries[places[0].rsplit("/", 1)[1]]
    assert office.ask("GET", places[0]).status == 410
    assert office.ask("GET", places[1]).status == 200
    document = {**office.ask("GET", ADULTS).body["document"], "rule": {"<": [{"var": "attributes.age"}, 5]}}
    assert office.ask("PUT", ADULTS, {"document": document}, if_match="*").status == 200
    edited = office.ask("GET", places[1])
    assert (edited.status, "was edited since" in edited.body["detail"]) == (410, True)


def test_a_key_is_text_in_the_query_whatever_it_says(office: Office) -> None:
    build(office)
    office.warehouse.answers["explain"] = []
    hostile = "x' OR '1'='1"
    assert office.explain(ADULTS, hostile)["state"] == "failed"
    assert "'x'' OR ''1''=''1'" in office.warehouse.statements[-1][1]


def test_a_real_time_segment_is_explained_at_once_from_what_is_kept(office: Office) -> None:
    path = f"{SHOP}/segments/buying-now"
    told = office.ask("POST", f"{path}/explanations", {"key": "visitor", "column": "td_client_id"})
    assert (told.status, told.body["id"], told.body["state"]) == (200, "", "done")
    assert told.body["why"]["holds"] is False
    assert told.body["why"]["explanation"]["segment"] == "buying-now"
    assert office.warehouse.statements == []
    unknown = office.ask("POST", f"{path}/explanations", {"key": "x", "column": "email"})
    assert (unknown.status, "td_client_id" in unknown.body["detail"]) == (400, True)


def test_a_key_that_leads_to_no_built_profile_is_nobody_in_batch(office: Office) -> None:
    build(office)
    path = f"{ADULTS}/explanations"
    assert office.ask("POST", path, {"key": "cookie", "column": "td_client_id"}).status == 404
    office.profiles.batch["shop#person_id:p1"] = BatchPart("r", 1, ("adults",))
    office.warehouse.answers["explain"] = [("p1", "31")]
    assert office.explain(ADULTS, "p1", "person_id")["why"]["holds"] is True


def test_a_query_that_fails_is_said_to(office: Office) -> None:
    build(office)
    office.warehouse.failing["people_v"] = "GENERIC_INTERNAL_ERROR"
    assert office.explain(ADULTS, "p1")["error"] == "GENERIC_INTERNAL_ERROR"
    office.warehouse.throttled = 1
    assert office.ask("POST", f"{ADULTS}/explanations", {"key": "p1"}).status == 503


def test_an_admin_lifts_an_erasure_by_any_key(office: Office) -> None:
    sets = LakeRuleSets(office.lake)
    erase = EraseVisitor(office.profiles, office.lake, sets, MemoryQueue(), office.clock, lambda: "0001")
    request = erase("shop", "person_id", "1")
    where = "/v1/audiences/shop/erasures/lift"
    assert office.ask("POST", where, {"key": "1"}, role="editor").status == 403
    assert office.profiles.barred.keys() == {"shop#person_id:1"}
    answer = office.ask("POST", where, {"key": "1"})
    assert (answer.status, answer.body) == (200, {"requests": [request.id]})
    assert office.profiles.barred == {}
    again = office.ask("POST", where, {"key": "1", "column": "person_id"})
    assert (again.status, "lifted already" in again.body["detail"]) == (404, True)
    assert "phone" in office.ask("POST", where, {"key": "1", "column": "phone"}).body["detail"]
