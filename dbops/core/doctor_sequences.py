"""How near its end a sequence is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbops.core.doctor_facts import Sequence
from dbops.core.finding import Finding, Level
from dbops.core.words import in_quotes

NEAR_END_SHARE = 0.80
AT_END_SHARE = 0.95


def find_end(sequence: Sequence) -> int:
    """Return the last value that both the sequence and its column can take."""
    upward = sequence.increment > 0
    end = sequence.greatest if upward else sequence.least
    if sequence.column_bits is None:
        return end
    limit = 1 << (sequence.column_bits - 1)
    return min(end, limit - 1) if upward else max(end, -limit)


def find_used_share(sequence: Sequence) -> float:
    """Return how much of the way to its end a sequence has gone, from 0 to 1.

    The way begins at 0, or at the limit that is beyond it: where others begin early,
    in negative numbers, the share of what is left is what counts.
    """
    if sequence.last_value is None:
        return 0.0
    sign = 1 if sequence.increment > 0 else -1
    end, last = sign * find_end(sequence), sign * sequence.last_value
    begin = sign * (sequence.least if sign > 0 else sequence.greatest)
    if begin < 0 < end:
        begin = 0
    if last >= end:
        return 1.0
    return max(0.0, (last - begin) / (end - begin))


def judge_sequences(sequences: Iterable[Sequence], *, role: str) -> Iterator[Finding]:
    """Yield the sequences that end soon, and those that `role` could not read."""
    for each in sequences:
        share = find_used_share(each)
        if not each.permitted or each.locked:
            yield _judge_unread(each, role)
        elif share >= NEAR_END_SHARE:
            yield Finding(
                id="dbops.D018",
                level=Level.ERROR if share >= AT_END_SHARE else Level.WARNING,
                object=each.name,
                message=f"sequence {in_quotes(each.name)} has used "
                f"{int(share * 100)} % of {_tell_range(each)}: {each.last_value:,} of "
                f"{find_end(each):,}",
                hint=_find_cure(each),
            )


def _judge_unread(sequence: Sequence, role: str) -> Finding:
    return Finding(
        id="dbops.D030",
        level=Level.INFO,
        object=sequence.name,
        message=f"sequence {in_quotes(sequence.name)} could not be looked at: "
        + ("it is locked" if sequence.permitted else "the role may not read it"),
        hint="manage.py dbops_doctor, when nobody has it locked"
        if sequence.permitted
        else f"GRANT SELECT ON SEQUENCE {sequence.name} TO {role}",
    )


def _is_narrowed(sequence: Sequence) -> bool:
    """Tell whether it is the column that ends first: a wider one would help."""
    if sequence.column_bits is None or sequence.column_bits >= 64:  # noqa: PLR2004
        return False
    limit = 1 << (sequence.column_bits - 1)
    if sequence.increment > 0:
        return sequence.greatest >= limit - 1
    return sequence.least <= -limit


def _tell_range(sequence: Sequence) -> str:
    if _is_narrowed(sequence):
        return f"the {sequence.column_type} in {sequence.column_table}"
    return "its range"


def _find_cure(sequence: Sequence) -> str:
    if _is_narrowed(sequence):
        column = (
            f"ALTER TABLE {sequence.column_table} ALTER COLUMN "
            f"{sequence.column_name} TYPE bigint (rewrites the table)"
        )
        # The sequence of an identity column changes with it.
        if sequence.column_identity:
            return column
        return f"{column}, and ALTER SEQUENCE {sequence.name} AS bigint"
    if abs(find_end(sequence)) >= (1 << 63) - 1:
        return f"ALTER SEQUENCE {sequence.name} RESTART, where the values are free"
    limit = "NO MAXVALUE" if sequence.increment > 0 else "NO MINVALUE"
    return f"ALTER SEQUENCE {sequence.name} AS bigint {limit}"
