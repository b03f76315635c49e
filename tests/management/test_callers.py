"""Who may do what: every operation with every role, and callers that nobody verified."""

import re
from typing import Any

import pytest
from segmentation.runtime.management.caller import Role, caller_of
from segmentation.runtime.management.operation import Operation
from segmentation.runtime.management.serve import OPERATIONS

from tests.management.support import Office, event


def ask(office: Office, one: Operation, **more: Any) -> int:
    path = re.sub(r"\{version\}", "1", one.path.replace("{audience}", "shop").replace("{job}", "build"))
    path = re.sub(r"\{\w+\}", "none", path)
    return office.ask(one.method, path, {} if one.body else None, if_match="*", **more).status


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_an_operation_takes_its_role_and_none_below(office: Office, operation: Operation) -> None:
    for role in Role:
        status = ask(office, operation, role=role.name.lower())
        assert (status == 403) == (role < operation.role), (role, status)
        assert status < 500
    assert ask(office, operation, role=None) == 401


def test_no_person_is_shown_to_a_viewer() -> None:
    people = [one for one in OPERATIONS if re.search(r"members|exports|explain", one.path)]
    assert all(one.role >= Role.EDITOR for one in people)


@pytest.mark.parametrize(
    ("authorizer", "status"),
    [
        ({}, 401),
        ({"jwt": {}}, 401),
        ({"jwt": {"claims": {}}}, 401),
        ({"jwt": {"claims": {"cognito:groups": "[admin]"}}}, 401),
        ({"jwt": {"claims": {"sub": "x"}}}, 403),
        ({"jwt": {"claims": {"sub": "x", "cognito:groups": "[superadmin]"}}}, 403),
        ({"jwt": {"claims": {"sub": "x", "cognito:groups": "ADMIN"}}}, 403),
        ({"jwt": {"claims": {"sub": "x", "roles": "admin"}}}, 403),
        ({"jwt": {"claims": {"sub": "x", "cognito:groups": {"admin": True}}}}, 403),
        ({"iam": {}}, 401),
        ({"lambda": {"role": "admin"}}, 401),
    ],
)
def test_what_is_no_verified_caller_is_refused(
    office: Office, authorizer: dict[str, Any], status: int
) -> None:
    answer = office.ask("GET", "/v1/me", authorizer=authorizer)
    assert answer.status == status
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


def test_headers_and_queries_make_nobody_a_caller(office: Office) -> None:
    forged = {
        "Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiY29nbml0bzpncm91cHMiOlsiYWRtaW4iXX0.",
        "X-Amzn-Oidc-Data": "x",
        "X-Apigateway-Authorizer": '{"jwt":{"claims":{"sub":"x","cognito:groups":"[admin]"}}}',
    }
    assert office.ask("GET", "/v1/me", role=None, headers=forged).status == 401


@pytest.mark.parametrize(
    ("claim", "role"),
    [
        ("[viewer editor]", Role.EDITOR),
        ("admin", Role.ADMIN),
        (["viewer"], Role.VIEWER),
        ("viewer, admin", Role.ADMIN),
    ],
)
def test_the_highest_role_of_a_claim_counts(claim: Any, role: Role) -> None:
    made = event(
        "GET", "/", authorizer={"jwt": {"claims": {"sub": "s", "email": "a@b.example", "groups": claim}}}
    )
    assert (caller_of(made, "groups").role, caller_of(made, "groups").id) == (role, "a@b.example")


def test_a_machine_is_known_by_its_arn(office: Office) -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/deployer/ci"
    assert office.ask("GET", "/v1/me", authorizer={"iam": {"userArn": arn}}).body == {
        "id": arn,
        "role": "admin",
    }


def test_a_preflight_and_the_description_need_nobody(office: Office) -> None:
    preflight = office.raw(
        event("OPTIONS", "/v1/audiences/shop/segments/x", headers={"Origin": "https://c.example"})
    )
    assert preflight["statusCode"] == 204
    assert preflight["headers"]["access-control-allow-methods"] == "DELETE, GET, PATCH, PUT, OPTIONS"
    assert "if-match" in preflight["headers"]["access-control-allow-headers"]
    assert office.ask("GET", "/v1/openapi.json", role=None).status == 200
    page = office.ask("GET", "/v1/docs", role=None)
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.body


def test_where_to_sign_in_is_told_to_everybody(office: Office) -> None:
    told = office.ask("GET", "/v1/sign-in", role=None)
    assert told.body == {
        "issuer": "https://issuer.example",
        "client_id": "segmentation",
        "scope": "openid email",
        "roles_claim": "cognito:groups",
    }
    wrong = office.ask("POST", "/v1/sign-in", {}, role="admin")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET")


def test_below_machine_stand_the_same_operations(office: Office) -> None:
    arn = {"iam": {"userArn": "arn:aws:iam::123456789012:role/ci"}}
    listed = office.ask("GET", "/machine/audiences/shop/segments", authorizer=arn)
    assert listed.body == office.ask("GET", "/v1/audiences/shop/segments").body
    assert office.ask("GET", "/machine/audiences", role=None).status == 401
    assert office.ask("GET", "/machine/v1/me", authorizer=arn).status == 404
