"""Mutation testing of one package: change a little, run its tests, and see whether one of them notices.

Usage: python -m tools.mutants --package src/chipwise/rules --sample 400 --seed 0 --minutes 30

The sample is drawn over all mutants of the code and of the dated data of the package, each with the same chance; the
order depends on the seed and the mutant alone, so that a change in one file leaves the rest of the sample as it is.
Results go to out/mutants/PACKAGE.jsonl, a line each; a second run goes on where the first stopped. `--again` tries the
survivors once more, after tests were added.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from tools.mutant_data import data_mutants
from tools.mutant_runs import baseline, try_mutant, warm_up
from tools.mutant_sites import Mutant, code_mutants, words_of

ROOT = Path(__file__).parents[1]
ORDER = ("situations", "unit", "golden", "reference", "property")
"""Kinds of test, those that notice most for their time first."""
LATE = ("dates", "files", "cli")
"""Unit tests that load overlays or the command line: after the others of their kind."""


def tests_of(package: str) -> list[str]:
    """Test files named after the package, and its own doctests, fastest first."""
    name = Path(package).name

    def place(file: str) -> tuple[bool, int, bool, str]:
        kind = ORDER.index(file.split("/")[1])
        late = file.removesuffix(".py").endswith(LATE)
        return kind > 2 or late, kind, late, file

    found = (ROOT / "tests").rglob(f"test_{name}*.py")
    files = [path.relative_to(ROOT).as_posix() for path in found]
    ordered = sorted((file for file in files if file.split("/")[1] in ORDER), key=place)
    fast = [file for file in ordered if not place(file)[0]]
    return [*fast, package, *(file for file in ordered if place(file)[0])]


def all_mutants(package: str) -> Iterator[Mutant]:
    """Every mutant of the code and of the data of a package."""
    folder, data = ROOT / package, ROOT / "src/chipwise/data" / Path(package).name
    tables = sorted(data.rglob("*.yaml")) if data.is_dir() else []
    words = words_of(folder / "vocabulary.py", list(_row_names(tables)))
    for path in sorted(folder.rglob("*.py")):
        yield from code_mutants(path, path.relative_to(ROOT).as_posix(), words)
    for path in tables:
        yield from data_mutants(path, path.relative_to(ROOT).as_posix(), words)


def _row_names(tables: Sequence[Path]) -> Iterator[list[str]]:
    """Names of the rows of each table that is keyed by name: parameters, tests, open questions."""
    import yaml

    for path in tables:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for table in found.values() if isinstance(found, dict) else ():
            if isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()):
                yield [str(name) for name in table]


def sampled(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """The mutants with the lowest hash of seed and id."""

    def rank(mutant: Mutant) -> str:
        place = f"{seed}\0{mutant.file}\0{mutant.kind}\0{mutant.before}\0{mutant.after}\0{mutant.id}"
        return hashlib.sha256(place.encode()).hexdigest()

    return sorted(mutants, key=rank)[:size]


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Latest result of each mutant in a file; a line cut short is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["id"]] = row
    return found


def run(todo: Sequence[Mutant], options: argparse.Namespace, out: Path) -> None:
    """Try every mutant that is left, in two workers, until done or out of time."""
    end = time.monotonic() + 60.0 * options.minutes
    scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
    start = (ROOT, scratch, options.package, tests_of(options.package), options.limit, options.examples)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(options.workers, mp_context=context, initializer=warm_up, initargs=start)
    try:
        result, killer, seconds = pool.submit(baseline).result()
        if result != "survived":
            sys.exit(f"the tests fail on the unchanged code: {killer}")
        print(f"unchanged: all tests pass in {seconds:.1f} s; {len(todo)} mutants to try", flush=True)
        _feed(pool, todo, out, end, options.workers + 1)
    except KeyboardInterrupt:
        print("stopped; run again to go on", flush=True)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _feed(pool: ProcessPoolExecutor, todo: Sequence[Mutant], out: Path, end: float, ahead: int) -> None:
    """Keep the workers busy, and write each result as it comes."""
    waiting = iter(todo)
    running: set[Future[dict[str, Any]]] = {
        pool.submit(try_mutant, mutant) for mutant in itertools.islice(waiting, ahead)
    }
    tally: Counter[str] = Counter()
    with out.open("a", encoding="utf-8") as stream:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                row = future.result()
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                stream.flush()
                tally[row["result"]] += 1
                _tell(row, tally, len(todo))
                if time.monotonic() < end and (mutant := next(waiting, None)) is not None:
                    running.add(pool.submit(try_mutant, mutant))


def _tell(row: dict[str, Any], tally: Counter[str], size: int) -> None:
    n = tally.total()
    if row["result"] == "survived":
        print(f"survived {row['file']}:{row['line']} [{row['kind']}] {row['before']} -> {row['after']}", flush=True)
    if n % 20 == 0 or n == size:
        killed = n - tally["survived"]
        print(f"{n} of {size}: {killed} killed ({killed / n:.1%}), {tally['time-out']} by time-out", flush=True)


def main() -> None:
    """Sample, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", default="src/chipwise/rules")
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which a mutant counts as killed")
    parser.add_argument("--examples", type=int, default=20, help="most examples of a property test; 0 for all of them")
    parser.add_argument("--again", action="store_true", help="try the survivors of an earlier run once more")
    parser.add_argument("--list", action="store_true", help="print the sample and stop")
    options = parser.parse_args()
    mutants = list(all_mutants(options.package))
    sample = sampled(mutants, options.sample, options.seed)
    if options.list:
        for mutant in sample:
            print(f"{mutant.file}:{mutant.line} [{mutant.kind}] {mutant.before} -> {mutant.after}")
        return
    out = ROOT / "out" / "mutants" / f"{Path(options.package).name}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    known = read_results(out)
    settled = {key for key, row in known.items() if not (options.again and row["result"] == "survived")}
    run([mutant for mutant in sample if mutant.id not in settled], options, out)
    _report(mutants, sample, read_results(out))


def _report(mutants: Sequence[Mutant], sample: Sequence[Mutant], results: dict[str, dict[str, Any]]) -> None:
    rows = [results[mutant.id] for mutant in sample if mutant.id in results]
    tally = Counter(row["result"] for row in rows)
    killed = tally["killed"] + tally["time-out"]
    print(f"{len(mutants)} mutants in all, {len(sample)} sampled, {len(rows)} tried")
    print(f"killed {killed} ({killed / max(len(rows), 1):.1%}), of them {tally['time-out']} by time-out")
    for row in rows:
        if row["result"] == "survived":
            print(f"  {row['file']}:{row['line']} [{row['kind']}] {row['before']} -> {row['after']}")


if __name__ == "__main__":
    main()
