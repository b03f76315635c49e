"""The operations on documents: every kind is read, written, versioned and taken out in the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segmentation.domain.rulebook import FROM_FILES, Edit, Entry
from segmentation.usecases.edit_rules import Author

from . import rendering
from .caller import Role
from .operation import CURSOR, LIMIT, Call, Done, Handler, Operation, Parameter
from .shapes import documents as shapes


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of documents: how its operations are called, and who may write it."""

    kind: str
    path: str
    one: str
    many: str
    writer: Role

    @property
    def has_secret(self) -> bool:
        """Whether its documents are keys of which only a hash is kept."""
        return self.kind in ("write_keys", "tokens", "partners")


FAMILIES = (
    Family("segments", "segments", "segment", "segments", Role.EDITOR),
    Family("destinations", "destinations", "destination", "destinations", Role.ADMIN),
    Family("write_keys", "write-keys", "write key", "write keys", Role.ADMIN),
    Family("tokens", "tokens", "token", "tokens", Role.ADMIN),
    Family("partners", "partners", "partner", "partners", Role.ADMIN),
)
_FILTERS = (
    Parameter("folder", str | None, "Only documents of this folder and those below it"),
    Parameter("archived", bool | None, "Only archived ones, or only those in use"),
    Parameter("kind", str | None, "Only segments of this kind: batch, realtime or list"),
    Parameter("q", str | None, "Only documents whose id, name or description has this text in it"),
)


def author(call: Call) -> Author:
    """The caller as the author of a change."""
    return Author(call.caller.id, call.key, call.content)


def operations() -> list[Operation]:
    """The operations on all kinds."""
    return [*_audiences(), *_folders(), *(one for family in FAMILIES for one in _family(family)), _changes()]


def _family(family: Family) -> list[Operation]:
    base = f"/v1/audiences/{{audience}}/{family.path}"
    item = f"{base}/{{id}}"
    kind, one, name = family.kind, family.one, family.one.replace(" ", "_")
    made: Any = shapes.Secret if family.has_secret else shapes.Document

    def listed(api: Any, call: Call) -> Done:
        entries = sorted(api.documents.book(call.path["audience"]).of(kind), key=lambda entry: entry.id)
        return _page(call, [entry for entry in entries if _wanted(entry, call)])

    def read(api: Any, call: Call) -> Done:
        return _document(api.documents.find(call.path["audience"], kind, call.path["id"]), call)

    def created(api: Any, call: Call) -> Done:
        body: shapes.NewDocument = call.body
        call.places[kind, str(body.document.get("id", ""))] = ""
        call.places[kind, ""] = ""
        audience = call.path["audience"]
        kept = api.documents.create(
            audience, kind, body.document, author(call), folder=body.folder, note=body.note
        )
        location = f"/v1/audiences/{audience}/{family.path}/{kept.entry.id}"
        shown = rendering.document(kept.entry, call.caller)
        body_: Any = shapes.Secret(shown, kept.secret) if family.has_secret else shown
        return Done(body_, kept.entry.tag, location)

    def replaced(api: Any, call: Call) -> Done:
        body: shapes.ChangedDocument = call.body
        return _change(api, call, kind, "edited", document=body.document, folder=body.folder, note=body.note)

    def amended(api: Any, call: Call) -> Done:
        body: shapes.Amendment = call.body
        archived = {True: "archived", False: "restored", None: "moved"}[body.archived]
        return _change(api, call, kind, archived, folder=body.folder, archived=body.archived, note=body.note)

    def rotated(api: Any, call: Call) -> Done:
        audience, identifier = call.path["audience"], call.path["id"]
        kept = api.documents.rotate(audience, kind, identifier, author(call), expected=call.if_match)
        return Done(shapes.Secret(rendering.document(kept.entry, call.caller), kept.secret), kept.entry.tag)

    def retired(api: Any, call: Call) -> Done:
        audience, identifier = call.path["audience"], call.path["id"]
        entry = api.documents.retire(audience, kind, identifier, author(call), expected=call.if_match)
        return _document(entry, call)

    def deleted(api: Any, call: Call) -> Done:
        audience, identifier = call.path["audience"], call.path["id"]
        api.documents.delete(audience, kind, identifier, author(call), expected=call.if_match)
        return Done(None)

    def make(
        verb: str, method: str, path: str, summary: str, role: Role, handler: Callable[..., Done], **more: Any
    ) -> Operation:
        return Operation(
            f"{verb}_{name}", method, path, summary, role, handler, group=family.many.capitalize(), **more
        )

    filters = tuple(one for one in _FILTERS if kind == "segments" or one.name not in ("kind", "archived"))
    found = [
        make("list", "GET", base, f"The {family.many} of an audience", Role.VIEWER, listed,
             answer=shapes.DocumentPage, query=(CURSOR, LIMIT, *filters)),
        make("create", "POST", base, f"Create a {one}", family.writer, created,
             answer=made, body=shapes.NewDocument, status=201, creates=True, tagged=True, errors=(409, 422)),
        make("get", "GET", item, f"A {one}", Role.VIEWER, read, answer=shapes.Document, tagged=True),
        make("replace", "PUT", item, f"Change what a {one} says", family.writer, replaced,
             answer=shapes.Document, body=shapes.ChangedDocument, changes=True, tagged=True, errors=(409, 422)),
        make("delete", "DELETE", item, f"Delete a {one}", family.writer, deleted,
             answer=None, status=204, changes=True, errors=(409,) if kind == "segments" else (),
             description="Its history stays. Refused while others name it." if kind == "segments" else ""),
        make("versions_of", "GET", f"{item}/versions", f"The versions of a {one}, latest first", Role.VIEWER, _versions(kind),
             answer=shapes.VersionPage, query=(CURSOR, LIMIT)),
        make("version_of", "GET", f"{item}/versions/{{version}}", f"One version of a {one}", Role.VIEWER, _version(kind),
             answer=shapes.Version),
        make("roll_back", "POST", f"{item}/rollback", f"Make an old version of a {one} the new one", family.writer, _roll_back(kind),
             answer=shapes.Document, body=shapes.Rollback, changes=True, tagged=True, errors=(409, 422)),
    ]  # fmt: skip
    if kind == "segments":
        found.append(
            make("amend", "PATCH", item, "Move a segment to a folder, archive or restore it", family.writer, amended,
                 answer=shapes.Document, body=shapes.Amendment, changes=True, tagged=True, errors=(409, 422))
        )  # fmt: skip
    if family.has_secret:
        found.append(
            make("rotate", "POST", f"{item}/rotate", f"Give a {one} a new secret beside the one before", family.writer, rotated,
                 answer=shapes.Secret, changes=True, tagged=True, errors=(409,))
        )  # fmt: skip
        found.append(
            make("retire", "POST", f"{item}/retire", f"Let the latest secret of a {one} be the only one", family.writer, retired,
                 answer=shapes.Document, changes=True, tagged=True, errors=(409,))
        )  # fmt: skip
    return found


def _roll_back(kind: str) -> Handler:
    def rolled_back(api: Any, call: Call) -> Done:
        audience, identifier = call.path["audience"], _id(call)
        call.places[kind, identifier] = ""
        body: shapes.Rollback = call.body
        entry = api.documents.roll_back(
            audience, kind, identifier, body.version, author(call), expected=call.if_match, note=body.note
        )
        return _document(entry, call)

    return rolled_back


def _versions(kind: str) -> Handler:
    def versions(api: Any, call: Call) -> Done:
        most, before = rendering.limit(call.query), rendering.read_number(call.query, 10**9)
        current, found = api.documents.versions(call.path["audience"], kind, _id(call), before, most + 1)
        shown = [rendering.version(entry, current, call.caller) for entry in found[:most]]
        following = rendering.cursor(str(shown[-1].version)) if len(found) > most else None
        return Done(shapes.VersionPage(shown, following))

    return versions


def _version(kind: str) -> Handler:
    def version(api: Any, call: Call) -> Done:
        number = int(call.path["version"]) if _is_number(call.path["version"]) else 0
        current, entry = api.documents.version(call.path["audience"], kind, _id(call), number)
        return Done(rendering.version(entry, current, call.caller))

    return version


def _id(call: Call) -> str:
    """The document's id; an audience's is its own."""
    return call.path.get("id", call.path["audience"])


def _audiences() -> list[Operation]:
    def listed(api: Any, call: Call) -> Done:
        entries = [api.documents.find(one, "audience", one) for one in sorted(api.documents.audiences())]
        return _page(call, entries)

    def created(api: Any, call: Call) -> Done:
        body: shapes.NewDocument = call.body
        name = str(body.document.get("id", ""))
        call.places["audience", name] = call.places["audience", ""] = ""
        kept = api.documents.create(
            name, "audience", body.document, author(call), folder=body.folder, note=body.note
        )
        return Done(
            rendering.document(kept.entry, call.caller), kept.entry.tag, f"/v1/audiences/{kept.entry.id}"
        )

    def read(api: Any, call: Call) -> Done:
        return _document(api.documents.find(call.path["audience"], "audience", call.path["audience"]), call)

    def replaced(api: Any, call: Call) -> Done:
        body: shapes.ChangedDocument = call.body
        return _change(
            api, call, "audience", "edited", document=body.document, folder=body.folder, note=body.note
        )

    def everything(api: Any, call: Call) -> Done:
        most, after = rendering.limit(call.query), rendering.read_cursor(call.query)
        entries = api.documents.book(call.path["audience"]).entries
        rest = sorted(name for name in ((f"{kind}/{one}") for kind, one in entries) if name > after)
        shown = [entries[kind, one] for kind, _, one in (name.partition("/") for name in rest[:most])]
        following = rendering.cursor(rest[most - 1]) if len(rest) > most else None
        return Done(shapes.DocumentPage([rendering.document(one, call.caller) for one in shown], following))

    item = "/v1/audiences/{audience}"
    return [
        Operation("list_audiences", "GET", "/v1/audiences", "The audiences", Role.VIEWER, listed,
                  answer=shapes.DocumentPage, query=(CURSOR, LIMIT), group="Audiences"),
        Operation("create_audience", "POST", "/v1/audiences", "Create an audience", Role.ADMIN, created,
                  answer=shapes.Document, body=shapes.NewDocument, status=201, creates=True, tagged=True,
                  errors=(409, 422), group="Audiences"),
        Operation("get_audience", "GET", item, "An audience", Role.VIEWER, read,
                  answer=shapes.Document, tagged=True, group="Audiences"),
        Operation("replace_audience", "PUT", item, "Change what an audience says", Role.ADMIN, replaced,
                  answer=shapes.Document, body=shapes.ChangedDocument, changes=True, tagged=True,
                  errors=(409, 422), group="Audiences"),
        Operation("list_documents", "GET", f"{item}/documents", "Every document of an audience, deleted ones too",
                  Role.VIEWER, everything, answer=shapes.DocumentPage, query=(CURSOR, LIMIT), group="Audiences",
                  description="Hashes of keys and tokens are shown to admins."),
        Operation("versions_of_audience", "GET", f"{item}/versions", "The versions of an audience, latest first",
                  Role.VIEWER, _versions("audience"), answer=shapes.VersionPage, query=(CURSOR, LIMIT), group="Audiences"),
        Operation("version_of_audience", "GET", f"{item}/versions/{{version}}", "One version of an audience",
                  Role.VIEWER, _version("audience"), answer=shapes.Version, group="Audiences"),
        Operation("roll_back_audience", "POST", f"{item}/rollback", "Make an old version of an audience the new one",
                  Role.ADMIN, _roll_back("audience"), answer=shapes.Document, body=shapes.Rollback, changes=True,
                  tagged=True, errors=(409, 422), group="Audiences"),
    ]  # fmt: skip


def _folders() -> list[Operation]:
    def listed(api: Any, call: Call) -> Done:
        counts: dict[str, int] = {}
        for entry in api.documents.book(call.path["audience"]).of("segments"):
            if entry.record.folder:
                counts[entry.record.folder] = counts.get(entry.record.folder, 0) + 1
        return Done(shapes.Folders([shapes.Folder(path, count) for path, count in sorted(counts.items())]))

    def moved(api: Any, call: Call) -> Done:
        body: shapes.FolderMove = call.body
        api.documents.move_folder(
            call.path["audience"], body.source.strip("/"), body.target.strip("/"), author(call)
        )
        return listed(api, call)

    base = "/v1/audiences/{audience}/folders"
    return [
        Operation("list_folders", "GET", base, "The folders that segments stand in", Role.VIEWER, listed,
                  answer=shapes.Folders, group="Segments"),
        Operation("move_folder", "POST", f"{base}/move", "Rename a folder with all that is below it", Role.EDITOR, moved,
                  answer=shapes.Folders, body=shapes.FolderMove, creates=True, errors=(422, 409), group="Segments"),
    ]  # fmt: skip


def _changes() -> Operation:
    def applied(api: Any, call: Call) -> Done:
        body: shapes.Changes = call.body
        edits = []
        for index, one in enumerate(body.edits):
            call.places[one.kind, one.id] = f"/edits/{index}"
            if one.kind != "segments":
                call.caller.may(Role.ADMIN)
            what = FROM_FILES if body.from_files else "deleted" if one.action == "delete" else "edited"
            edits.append(
                Edit(one.kind, one.id, what, one.document, one.folder, one.archived,
                     one.action == "delete", one.expected, body.note)
            )  # fmt: skip
        done = api.documents.apply(call.path["audience"], edits, author(call), dry_run=body.dry_run)
        return Done(
            shapes.Changed(
                done.published.version,
                [
                    rendering.document(entry, call.caller)
                    for entry in done.changed
                    if not entry.record.deleted
                ],
                [rendering.reference(entry) for entry in done.changed if entry.record.deleted],
            )
        )

    return Operation(
        "change_documents", "POST", "/v1/audiences/{audience}/changes", "Make several edits together, all or none",
        Role.EDITOR, applied, answer=shapes.Changed, body=shapes.Changes, creates=True, errors=(409, 412, 422),
        description="What `segmentation apply` calls. Other documents than segments need the role admin.",
        group="Audiences",
    )  # fmt: skip


def _change(api: Any, call: Call, kind: str, what: str, **more: Any) -> Done:
    identifier = _id(call)
    call.places[kind, identifier] = ""
    entry = api.documents.change(
        call.path["audience"], kind, identifier, what, author(call), expected=call.if_match, **more
    )
    return _document(entry, call)


def _document(entry: Entry, call: Call) -> Done:
    return Done(rendering.document(entry, call.caller), entry.tag)


def _page(call: Call, entries: list[Entry]) -> Done:
    most, after = rendering.limit(call.query), rendering.read_cursor(call.query)
    rest = [entry for entry in entries if entry.id > after]
    following = rendering.cursor(rest[most - 1].id) if len(rest) > most else None
    return Done(shapes.DocumentPage([rendering.document(one, call.caller) for one in rest[:most]], following))


def _wanted(entry: Entry, call: Call) -> bool:
    query, document = call.query, entry.document
    words = " ".join(str(document.get(name, "")) for name in ("id", "name", "description")).lower()
    return (
        (query["folder"] is None or f"{entry.record.folder}/".startswith(f"{query['folder'].strip('/')}/"))
        and (query.get("archived") is None or entry.record.archived == query["archived"])
        and (query.get("kind") is None or document.get("kind") == query["kind"])
        and (query["q"] is None or query["q"].lower() in words)
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9
