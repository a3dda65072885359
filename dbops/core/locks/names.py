"""What a lock is on, in words; never the wrong name for another database's object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbops.core.locks.rows import LockTag, Snapshot

SHARED = 0
"""What `pg_locks.database` has for an object of the whole server."""
DEPLOY_LOCK = (0x64626F70, 0x73303031)
"""The keys of dbops's own advisory lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """What the catalog calls an object."""

    classid: int | None
    """None for what is in pg_class."""
    objid: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of objects of one database."""

    of: Mapping[tuple[int | None, int], ObjectName] = field(default_factory=dict)

    def add(self, more: Iterable[ObjectName]) -> Names:
        """Return these and more."""
        return Names(
            of={**self.of, **{(each.classid, each.objid): each for each in more}}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """Objects of this database whose names are to be asked for."""

    relations: tuple[int, ...]
    objects: tuple[tuple[int, int], ...]


def find_unnamed(snapshot: Snapshot, known: Names) -> Unnamed:
    """Return what has no name yet; an oid of another database means nothing here."""
    relations, objects = set(), set()
    for tag in {each.tag for each in snapshot.locks}:
        if tag.database not in (SHARED, snapshot.database_oid):
            continue
        if tag.relation is not None and (None, tag.relation) not in known.of:
            relations.add(tag.relation)
        if tag.locktype == "object" and tag.classid and tag.objid is not None:
            objects.add((tag.classid, tag.objid))
    objects -= known.of.keys()
    return Unnamed(relations=tuple(sorted(relations)), objects=tuple(sorted(objects)))


def find_relation(tag: LockTag, snapshot: Snapshot, names: Names) -> str:
    """Return the name of the table or index that a lock is on or in, if it has one."""
    if tag.relation is None or tag.database not in (SHARED, snapshot.database_oid):
        return ""
    found = names.of.get((None, tag.relation))
    return found.name if found else ""


def describe_object(
    tag: LockTag, snapshot: Snapshot, names: Names, databases: Mapping[int, str]
) -> str:
    """Say what a lock is on; `databases`: what is known of the server's others."""
    elsewhere = ""
    if tag.database not in (None, SHARED, snapshot.database_oid):
        oid = tag.database or 0
        elsewhere = (
            f' of database "{databases[oid]}"'
            if oid in databases
            else (f" of database {oid}")
        )
    if tag.relation is not None:
        name = find_relation(tag, snapshot, names)
        told = name or f"relation {tag.relation}{elsewhere}"
        return _describe_part(tag, told)
    if tag.locktype == "object":
        return _describe_thing(tag, names, elsewhere)
    return _describe_rest(tag, elsewhere)


def _describe_part(tag: LockTag, relation: str) -> str:
    match tag.locktype:
        case "tuple":
            return f"a row of {relation}"
        case "page":
            return f"page {tag.page} of {relation}"
        case "extend":
            return f"the growing of {relation}"
        case _:
            return relation


def _describe_thing(tag: LockTag, names: Names, elsewhere: str) -> str:
    found = None
    if not elsewhere and tag.objid is not None:
        found = names.of.get((tag.classid, tag.objid))
    if found:
        return f"{found.kind} {found.name}"
    return f"object {tag.objid} of catalog {tag.classid}{elsewhere}"


def _describe_rest(tag: LockTag, elsewhere: str) -> str:
    if tag.locktype == "advisory":
        return _describe_advisory(tag) + elsewhere
    told = {
        "transactionid": f"the end of transaction {tag.transactionid}",
        "virtualxid": f"the end of transaction {tag.virtualxid}",
        "spectoken": f"an insertion of transaction {tag.transactionid}",
        "applytransaction": f"transaction {tag.transactionid} of a subscription",
        "frozenid": "the oldest transaction id",
    }
    rest = f"{tag.locktype} lock ({tag.classid}, {tag.objid})"
    return told.get(tag.locktype, rest) + elsewhere


def _describe_advisory(tag: LockTag) -> str:
    """Return its key as it was given: one number, or two.

    >>> _describe_advisory(LockTag("advisory", 5, classid=1, objid=2, objsubid=1))
    'advisory lock 4294967298'
    >>> _describe_advisory(LockTag("advisory", 5, classid=1, objid=2, objsubid=2))
    'advisory lock (1, 2)'
    """
    high, low = tag.classid or 0, tag.objid or 0
    if (high, low) == DEPLOY_LOCK:
        return "the deploy lock of dbops"
    if tag.objsubid == 1:
        key = (high << 32) + low
        return f"advisory lock {key - (1 << 64) if key >> 63 else key}"
    return f"advisory lock ({_sign(high)}, {_sign(low)})"


def _sign(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number
