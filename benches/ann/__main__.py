"""The command line of the harness; `cargo xtask bench` calls it with a server ready."""

import argparse
import dataclasses
import os
import time
from pathlib import Path

from . import datasets, engines, measure, report, server


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask bench --", description=__doc__)
    parser.add_argument("--profile", choices=measure.PROFILES, default="standard")
    parser.add_argument("--dataset", action="append", default=[])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--engine", action="append", default=[], choices=engines.ALL)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--readme", type=Path, help="the README whose summary is to be written anew")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--clients", type=int, default=os.cpu_count(), help="clients at once [default: as many as cores]")
    for name, kind in [("rounds", int), ("builds", int), ("queries", int), ("inserts", int)]:
        parser.add_argument(f"--{name}", type=kind, help=f"{name} instead of the profile's")
    parser.add_argument("--no-churn", action="store_true", help="do not delete, vacuum and rebuild")
    return parser.parse_args()


def main():
    told = arguments()
    if not told.report_only:
        race(told)
    for path in report.write(told.out, told.readme):
        print(path)


def race(told):
    changes = {name: getattr(told, name) for name in ("rounds", "builds", "queries", "inserts") if getattr(told, name)}
    if told.no_churn:
        changes["churn"] = False
    profile = dataclasses.replace(measure.PROFILES[told.profile], **changes)
    start = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - start:7.1f} s  {text}", flush=True)

    observer = server.Connection("postgres")
    chosen = [engines.ALL[name]() for name in told.engine or profile.engines or engines.ALL]
    present = [engine for engine in chosen if not engine.in_server or engine.is_there(observer)]
    for engine in chosen:
        if engine not in present:
            say(f"{engine.name} is not installed on this server: left out")
    records = measure.Records(told.out / f"benchmarks-{told.profile}.jsonl")
    records.write(
        "run",
        profile=told.profile,
        server=observer.value("SHOW server_version"),
        commit=os.environ.get("QUARTZDB_BENCH_COMMIT"),
        date=time.strftime("%Y-%m-%d"),
        shared_buffers=observer.value("SHOW shared_buffers"),
        **server.machine(),
    )
    for spec in (told.dataset or list(profile.datasets)) + told.data:
        dataset = datasets.load(spec)
        say(f"{dataset.name}: {dataset.rows:,} x {dataset.dimensions}, {dataset.metric}")
        measure.Race(dataset, present, profile, records, observer, told.cache, say, told.clients).run()
    measure.sizes(present, profile, records, observer, say)
    say("done")


if __name__ == "__main__":
    main()
