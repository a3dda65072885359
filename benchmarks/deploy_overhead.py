"""Time dbops_deploy beside migrate, and dbops_status beside showmigrations.

    python benchmarks/deploy_overhead.py [--migrations 200] [--rounds 5]

`dbops_deploy --no-backup` (and `--no-rehearse`, where it has that) with 0, 1 and 200
trivial migrations pending: whole processes in turns, as ratios of medians. Runs against
the server of the settings, in databases of its own that it drops again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

from benchmarks.places import Place, list_options  # noqa: E402
from dbops.core.target import Target  # noqa: E402
from dbops.operations.context import build_context  # noqa: E402

APP = "shop"
FIRST = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Thing", [
            ("id", models.BigAutoField(primary_key=True)),
        ]),
    ]
"""
NEXT = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("shop", "{before}")]
    operations = [
        migrations.AddField("thing", "field{number}", models.IntegerField(null=True)),
    ]
"""


def list_migrations(number: int) -> dict[str, str]:
    """Return a first migration, and so many trivial ones after it."""
    found = {"0001_initial": FIRST}
    for each in range(2, number + 2):
        text = NEXT.format(before=list(found)[-1], number=each)
        found[f"{each:04}_add_field{each}"] = text
    return found


class Bench:
    """A project whose database is some migrations behind."""

    def __init__(self, place: Place, migrations: int, rounds: int) -> None:
        self.place = place
        self.rounds = rounds
        self.texts = list_migrations(migrations)
        place.write_settings([APP])
        place.write_app(APP, self.texts)
        place.options = list_options(place)
        self.template = place.create()
        # As in a project that runs: dbops is deployed, and knows its schema.
        place.manage(self.template, "dbops_deploy", "--no-backup", *place.options)

    def build_behind(self, pending: int) -> Target:
        """Return a template on which so many migrations are pending."""
        target = self.place.create()
        names = list(self.texts)
        last = names[-1 - pending]
        self.place.manage(target, "migrate", "--verbosity", "0", "dbops")
        self.place.manage(target, "migrate", "--verbosity", "0", APP, last)
        for app in ("auth", "contenttypes"):
            self.place.manage(target, "migrate", "--verbosity", "0", app)
        return target

    def compare(
        self, title: str, template: Target, ways: dict[str, tuple[str, ...]]
    ) -> None:
        """Print the medians of some commands, each on a copy of the template."""
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(self.rounds):
            for way, arguments in ways.items():
                target = self.place.create(template)
                times[way].append(measure(lambda: self.run(target, arguments)))  # noqa: B023
                self.place.drop(target)
        medians = {way: statistics.median(each) for way, each in times.items()}
        first = next(iter(medians.values()))
        print(f"\n{title} (median of {self.rounds}, ratio and difference to the first)")
        for way, median in medians.items():
            print(
                f"  {way:42}{median:8.2f} s{median / first:7.2f}"
                f"{median - first:+8.2f} s"
            )

    def run(self, target: Target, arguments: tuple[str, ...]) -> None:
        """Run a command."""
        self.place.manage(target, *arguments)


def measure(run: Callable[[], None]) -> float:
    """Return the seconds that it takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print a table for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--migrations", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Place(build_context("default").target, Path(directory))
        try:
            bench = Bench(place, options.migrations, options.rounds)
            migrate = ("migrate", "--verbosity", "0")
            deploy = ("dbops_deploy", "--no-backup", *place.options)
            for pending in (0, 1, options.migrations):
                template = bench.build_behind(pending) if pending else bench.template
                bench.compare(
                    f"{pending} migrations pending",
                    template,
                    {"migrate": migrate, " ".join(deploy): deploy},
                )
            bench.compare(
                "What is applied",
                bench.template,
                {
                    "showmigrations": ("showmigrations",),
                    "dbops_status": ("dbops_status",),
                },
            )
        finally:
            place.drop()


if __name__ == "__main__":
    main()
