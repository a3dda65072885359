"""The rules that need the migrations played: one scratch database for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.finding import Finding
from dbops.core.hazards.judge import Step
from dbops.core.hazards.sizes import Sizes
from dbops.core.migration import MigrationId
from dbops.errors import ServerFailed
from dbops.operations.check.files import build_failure, compare_file, list_files
from dbops.operations.check.lock_recording import LockRecorder
from dbops.operations.check.locks import Silenced, judge_migration
from dbops.operations.context import Context
from dbops.operations.history import get_id
from dbops.operations.replay import open_replay
from dbops.operations.sql_files.recording import record_forward


@dataclass(slots=True)
class Played:
    """What was found, by rule."""

    files: list[Finding] = field(default_factory=list)
    locks: list[Finding] = field(default_factory=list)
    silenced: list[Silenced] = field(default_factory=list)
    steps: dict[MigrationId, list[Step]] = field(default_factory=dict)
    """What the judged migrations run."""

    @property
    def statements(self) -> int:
        """How many were judged."""
        return sum(map(len, self.steps.values()))


def play_plan(
    context: Context,
    plan: Sequence[Migration],
    held: Iterable[Migration],
    judged: Collection[Migration],
    sizes: Sizes,
) -> Played:
    """Play the migrations; compare the files of `held`, judge the locks of `judged`.

    Each is played at the state that it finds, as far as there is one to look at.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: the server cannot be reached.
    """
    played = Played()
    wanted = list_files(held)
    looked_at = {get_id(each) for each in judged} | wanted.keys()
    last = max((i for i, each in enumerate(plan, 1) if get_id(each) in looked_at),
               default=0)  # fmt: skip
    if not last:
        return played
    context.progress("playing the migrations on a scratch database")
    with open_replay(context) as replay:
        # Else the first migration would seem to make this table.
        MigrationRecorder(replay.connection).ensure_schema()
        recorder = LockRecorder(replay)
        for migration in plan[:last]:
            key = get_id(migration)
            try:
                if key not in looked_at:
                    replay.apply([migration])
                    continue
                body = record_forward(replay, migration, recorder).body
            except ServerFailed as error:
                played.files.append(build_failure(migration, error))
                return played
            steps = recorder.take_steps()
            if migration in judged:
                played.steps[key] = steps
                found, silenced = judge_migration(
                    migration, steps, sizes, context.settings
                )
                played.locks += found
                played.silenced += silenced
            if key in wanted:
                played.files += compare_file(migration, wanted[key], body)
    return played
