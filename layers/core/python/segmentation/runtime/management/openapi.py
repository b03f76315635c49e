"""The OpenAPI 3.1 document of the operations, and a page that shows it to a person."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from .operation import Operation, Parameter
from .problems import TITLES
from .shapes.common import ProblemDetails

VERSION = "1.0.0"
"""Of the API: the first number is that of its paths."""

_REF = "#/components/schemas/{name}"
_INTRO = """\
Audiences, segments, who may read what, runs, and how fresh everything is.

**Versions.** Every document has an `etag`. Changing or deleting one needs it as `If-Match`, so nobody's change is lost:
without it the answer is 428, with an old one 412. `If-Match: *` takes whatever stands.
**Repeating.** A write that takes an `Idempotency-Key` may be sent again with the same key for a day: it is made once, and
answered as it was the first time, a new key's secret included.
**Pages.** `next` of an answer is the `cursor` of the following request; null on the last page.
**Errors** are problem details (RFC 9457): `problems` lists all that is wrong, each with a JSON Pointer into the request's body.
**Roles.** `viewer` reads rules, counts and states, but no person; `editor` also writes segments, starts runs and sees members;
`admin` also writes audiences, destinations, keys and tokens.
"""


@cache
def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    types = [shape for one in operations for shape in (one.body, one.answer) if shape is not None]
    types.append(ProblemDetails)
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Segmentation: management API",
            "version": VERSION,
            "description": _INTRO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"signature": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.group for one in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {str(status): _error(title) for status, title in TITLES.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider.",
                },
                "signature": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS Signature Version 4 for the service execute-api, under /machine in place of /v1; "
                    "what the signer may do is said by execute-api:Invoke in its IAM policy.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in re.findall(r"\{(\w+)\}", one.path)]
    parameters += [_query_parameter(parameter) for parameter in one.query]
    if one.changes:
        parameters.append(
            _header(
                "If-Match", "The etag of the version that is changed, in quotes; * for whatever stands", True
            )
        )
    if one.is_write:
        parameters.append(
            _header("Idempotency-Key", "Sent again with the same key, the write is made once", False)
        )
    if one.tagged and one.method == "GET":
        parameters.append(
            _header("If-None-Match", "An etag: answered with 304 while it is the current one", False)
        )
    told: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "tags": [one.group],
        "x-role": one.role.name.lower(),
        "parameters": parameters,
        "responses": _responses(one),
    }
    if one.description:
        told["description"] = one.description
    if one.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(one.body)}}}
    return told


def _responses(one: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done" if one.answer is None else one.summary}
    if one.answer is not None:
        good["content"] = {"application/json": {"schema": _ref(one.answer)}}
    if one.tagged:
        good["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Names this version"}}
    answers: dict[str, Any] = {str(one.status): good}
    if one.ready:
        answers["200"] = {**good, "description": "It is done already"}
    if one.tagged and one.method == "GET":
        answers["304"] = {"description": "It is the version that If-None-Match names"}
    for status in sorted(set(statuses(one))):
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return answers


def statuses(one: Operation) -> Iterable[int]:
    """The errors that an operation may answer."""
    yield from (400, 401, 403, 500, 503)
    yield from one.errors
    if "{" in one.path:
        yield 404
    if one.body is not None:
        yield 413
    if one.changes:
        yield from (412, 428)
    if one.is_write:
        yield 409


def _error(title: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name="ProblemDetails")}
    return {"description": title, "content": {"application/problem+json": {"schema": schema}}}


def _ref(shape: Any) -> dict[str, str]:
    return {"$ref": _REF.format(name=shape.__name__)}


def _path_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if name == "version":
        schema = {"type": "integer", "minimum": 1, "maximum": 99_999_999}
    if name == "job":
        schema = {"type": "string", "enum": ["build", "materialize"]}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(one: Parameter) -> dict[str, Any]:
    schema = msgspec.json.schema(one.type)
    if "anyOf" in schema:  # a parameter that may be absent is never null
        (schema,) = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    if one.default not in (None, ""):
        schema = {**schema, "default": one.default}
    if one.name == "limit":
        schema = {**schema, "minimum": 1, "maximum": 200}
    return {"name": one.name, "in": "query", "description": one.description, "schema": schema}


def _header(name: str, description: str, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }


_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
summary { cursor: pointer; padding: .35rem 0 } summary code { font-size: .95rem }
details { border-bottom: 1px solid var(--line) } details > div { padding: 0 0 1rem 1rem }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600 }
.role { float: right; opacity: .7 } table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top }
pre { white-space: pre-wrap }
"""


@cache
def page(operations: tuple[Operation, ...]) -> str:
    """The document as one page of HTML: no script, nothing from elsewhere."""
    told = document(operations)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{html.escape(told['info']['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(told['info']['title'])} {html.escape(told['info']['version'])}</h1>",
        *(f"<p>{_marked(part)}</p>" for part in _INTRO.split("\n\n")),
        "<p><a href=/v1/openapi.json>openapi.json</a></p>",
    ]
    for group in told["tags"]:
        parts.append(f"<h2>{html.escape(group['name'])}</h2>")
        parts += [_shown(one, told) for one in operations if one.group == group["name"]]
    parts.append("<h2>Shapes</h2>")
    for name, schema in told["components"]["schemas"].items():
        parts.append(
            f"<details id='{html.escape(name)}'><summary><code>{html.escape(name)}</code></summary><div>"
            f"<p>{html.escape(schema.get('description', ''))}</p>{_fields(schema)}</div></details>"
        )
    return "".join(parts)


def _shown(one: Operation, told: Mapping[str, Any]) -> str:
    operation = told["paths"][one.path][one.method.lower()]
    rows = [
        _row(parameter["name"], parameter["in"], parameter.get("description", ""), parameter["schema"])
        for parameter in operation["parameters"]
    ]
    if one.body is not None:
        rows.append(_row("body", "", "", _ref(one.body)))
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        title = answer.get("description") or TITLES.get(int(status), "")
        rows.append(_row(status, "answer", title, schema))
    return (
        f"<details><summary><span class=role>{one.role.name.lower()}</span><span class=method>{one.method}</span>"
        f"<code>{html.escape(one.path)}</code> {html.escape(one.summary)}</summary><div>"
        f"<p>{html.escape(one.description)}</p><table>{''.join(rows)}</table></div></details>"
    )


def _fields(schema: Mapping[str, Any]) -> str:
    required: Sequence[str] = schema.get("required", ())
    rows = (
        _row(name, "" if name in required else "optional", "", one)
        for name, one in schema.get("properties", {}).items()
    )
    return f"<table>{''.join(rows)}</table>"


def _row(name: str, where: str, description: str, schema: Mapping[str, Any]) -> str:
    cells = (f"<code>{html.escape(name)}</code>", html.escape(where), _type(schema), html.escape(description))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rsplit("/", 1)[1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(html.escape(str(one)) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return html.escape(str(schema.get("type", "")))


def _marked(text: str) -> str:
    """The little Markdown that the introduction uses."""
    text = re.sub(r"\*\*(.+?)\*\*", r"<br><b>\1</b>", html.escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)
