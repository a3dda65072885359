"""What `pgbackrest verify` found, and what it does not look for.

It ends with exit code 0 whatever it finds, and takes no notice of a segment of the WAL
that is missing: both seen in 2.45, and the first still so in 2.53.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from dbops.core.pgbackrest.info import PhysicalBackup, Wal

SEGMENT_SIZES = tuple(1 << power for power in range(20, 31))
USUAL_SEGMENT_SIZE = 1 << 24
TIMELINE = 8
"""Characters of a segment's name that are the timeline, then the log, then it."""

_BACKUP = re.compile(r"\s*backup: (\S+), status: ([^,]+)(.*)")
_ARCHIVE = re.compile(r"\s*archiveId: (\S+), total WAL checked: (\d+)(?:.*: (\d+))?")
_COUNT = re.compile(r"([a-z ]+): (\d+)")
_FILE = re.compile(r"(?:INFO|WARN|ERROR): (.*?)'?([\w.-]+/[^':]+)'?(:.*|$)")
_SEGMENT = re.compile(r"(?:^|/)([0-9A-F]{24})(?=-[0-9a-f]{40}|$)")


def find_damage(told: Iterable[str], backup: PhysicalBackup) -> tuple[str, ...]:
    """Return what `verify --output=text --verbose` says against this backup.

    Files are named where its log (`--log-level-stderr=info`) names them.

    Raises:
        ValueError: it says nothing of this backup.
    """
    lines = list(told)
    counted = _find_backup(lines, backup.label)
    archive = list(_find_archive(lines, backup.archive_id))
    if counted is None:
        raise ValueError(f'nothing is said of backup "{backup.label}"')
    if not counted and not archive:
        return ()
    files = list(_find_files(lines))
    # A file is named once for each backup that needs it.
    named = [*dict.fromkeys(said for said, path in files if _is_part(path, backup))]
    older = [path for _, path in files if _SEGMENT.search(path)] if archive else []
    if named or (older and not counted):
        return tuple(named)
    return (*counted, *archive)


def _is_part(path: str, backup: PhysicalBackup) -> bool:
    """Tell whether the backup needs the file: one of its own, or a later segment."""
    if segment := _SEGMENT.search(path):
        return backup.wal is not None and segment[1] >= backup.wal.start
    return path.startswith(tuple(f"{each}/" for each in (backup.label, *backup.needs)))


def _find_backup(lines: list[str], label: str) -> list[str] | None:
    for number, line in enumerate(lines):
        hit = _BACKUP.match(line)
        if hit and hit[1] == label:
            after = lines[number + 1 : number + 2]
            counts = [text for text in after if not _BACKUP.match(text)]
            wrong = list(_list_counts(" ".join(counts)))
            return [] if hit[2] == "valid" else wrong or [f"it is {hit[2]}"]
    return None


def _find_archive(lines: list[str], archive_id: str) -> Iterator[str]:
    for number, line in enumerate(lines):
        hit = _ARCHIVE.match(line)
        if hit and hit[1] == archive_id and hit[3] and hit[3] != hit[2]:
            counts = list(_list_counts(" ".join(lines[number + 1 : number + 2])))
            yield f"of its WAL {int(hit[2]) - int(hit[3])} segments are damaged" + (
                f" ({', '.join(counts)})" if counts else ""
            )


def _list_counts(line: str) -> Iterator[str]:
    for what, count in _COUNT.findall(line):
        if count != "0":
            yield f"{what.strip()}: {count} {'file' if count == '1' else 'files'}"


def _find_files(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        hit = _FILE.search(line)
        if hit and "--" not in hit[1]:
            yield f'{hit[1].strip()} "{hit[2]}"{hit[3]}', hit[2]


def find_missing_segments(
    names: Iterable[str], backup: PhysicalBackup
) -> tuple[str, ...]:
    """Return the segments that the backup needs and the archive does not have.

    `names` are what `repo-ls --recurse` lists of the backup's archive.
    """
    if backup.wal is None:
        return ()
    there = _find_segments(names)
    return tuple(each for each in list_segments(backup.wal) if each not in there)


def _find_segments(names: Iterable[str]) -> frozenset[str]:
    return frozenset(hit[1] for each in names if (hit := _SEGMENT.search(each)))


def find_gap(names: Iterable[str], backup: PhysicalBackup) -> str | None:
    """Return the first segment that is missing after the backup, on its timeline.

    Nothing later than that can be restored from this backup.
    """
    if backup.wal is None:
        return None
    timeline = backup.wal.stop[:TIMELINE]
    there = {each for each in _find_segments(names) if each.startswith(timeline)}
    size = find_segment_size(backup.wal)
    expected = backup.wal.stop
    for each in sorted(name for name in there if name > backup.wal.stop):
        expected = _step(expected, size)
        if each != expected:
            return expected
    return None


def list_segments(wal: Wal) -> list[str]:
    """Return the names from start to stop, both included.

    >>> list_segments(
    ...     Wal(
    ...         start="0000000100000000000000FE",
    ...         stop="000000010000000100000001",
    ...         start_lsn="0/FE000028",
    ...         stop_lsn="1/1000100",
    ...     )
    ... )  # doctest: +NORMALIZE_WHITESPACE
    ['0000000100000000000000FE', '0000000100000000000000FF',
     '000000010000000100000000', '000000010000000100000001']
    """
    size = find_segment_size(wal)
    names = [wal.start]
    while names[-1] < wal.stop:
        names.append(_step(names[-1], size))
    return names


def find_segment_size(wal: Wal) -> int:
    """Return the bytes of a segment, as its names and positions have it.

    >>> find_segment_size(
    ...     Wal(
    ...         start="00000001000000000000000B",
    ...         stop="00000001000000000000000B",
    ...         start_lsn="0/B00028",
    ...         stop_lsn="0/B00100",
    ...     )
    ... )
    1048576
    """
    pairs = ((wal.start, wal.start_lsn), (wal.stop, wal.stop_lsn))
    fit = [size for size in SEGMENT_SIZES if _fits(pairs, size)]
    return USUAL_SEGMENT_SIZE if USUAL_SEGMENT_SIZE in fit or not fit else fit[0]


def _fits(pairs: Collection[tuple[str, str]], size: int) -> bool:
    return all(
        int(lsn.partition("/")[2], 16) // size == int(name[-8:], 16)
        for name, lsn in pairs
    )


def _step(name: str, size: int) -> str:
    """Return the segment that follows on this one."""
    a_log = (1 << 32) // size
    number = int(name[8:16], 16) * a_log + int(name[16:], 16) + 1
    return f"{name[:8]}{number // a_log:08X}{number % a_log:08X}"
