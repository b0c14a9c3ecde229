"""``python -m tools.bench run | compile | counts | report | list``: see each command's ``--help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tools.bench import calls, compiling, counts, limits, plot, report, steps, summary
from tools.bench.measure import QUICK, Bench, Effort
from tools.bench.peers import FILES
from tools.bench.processes import installed
from tools.bench.workload import Workload
from tools.bench.workloads import by_name, chosen

QUICK_PEERS = ("tcc", "numpy", "torch", "onnxruntime", "openvino", "jax")
QUICK_SECONDS = 90.0


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="measure")
    run.add_argument("words", nargs="*", help="families, or parts of workloads' names (default: all)")
    run.add_argument("--threads", type=int, default=1)
    run.add_argument("--processors", help="processors to stay on, such as 1 or 0,1 (default: the last ones)")
    run.add_argument("--peers", help=f"of {', '.join(FILES)} (default: all that are installed)")
    run.add_argument("--quick", action="store_true", help="a few workloads, within two minutes")
    run.add_argument("--rounds", type=int, help="samples of each peer")
    run.add_argument("-o", "--output", type=Path, default=Path("build/bench/bench.json"))
    run.set_defaults(command=_run)
    page = commands.add_parser("report", help="write the page and the plot from reports of one and more threads")
    page.add_argument("reports", nargs="+", type=Path)
    page.add_argument(
        "-o", "--output", type=Path, required=True, help="the .md file, whose remarks are kept; the plot lies beside it"
    )
    page.set_defaults(command=_report)
    page.add_argument("--compiling", type=Path, help="a file of `compile`, if it exists: a section")
    page.add_argument("--counts", type=Path, help="a file of `counts`, if it exists: a table beside the remarks")
    count = commands.add_parser("counts", help="count instructions and cache misses")
    count.add_argument("words", nargs="*", help="as for run (default: the workloads behind in the report)")
    count.add_argument("--report", type=Path, default=Path("build/bench/threads1.json"), help="what was measured")
    count.add_argument("--peers", default=f"tcc,{counts.BEST}", help=f"with `{counts.BEST}` for the report's best peer")
    count.add_argument("--most", type=int, default=counts.MOST, help="stops after which a count is cut off")
    count.add_argument("--processor", type=int, help="the one to stay on")
    count.add_argument("--listings", type=Path, help="a folder for the instructions that were executed")
    count.add_argument("-o", "--output", type=Path, default=Path("build/bench/counts.json"))
    count.set_defaults(command=_counts)
    compiled = commands.add_parser("compile", help="measure how long tcc compiles")
    compiled.add_argument("words", nargs="*", help="as for run")
    compiled.add_argument("-o", "--output", type=Path, default=Path("build/bench/compiling.json"))
    compiled.set_defaults(command=_compile)
    listing = commands.add_parser("list", help="the workloads")
    listing.set_defaults(command=_list)
    options = parser.parse_args()
    options.command(options)


def _list(_: argparse.Namespace) -> None:
    for family, workload in chosen([], quick=False):
        print(f"{family:14} {workload.name}{'  (quick)' if workload.quick else ''}")


def _run(options: argparse.Namespace) -> None:
    end = time.monotonic() + QUICK_SECONDS if options.quick else float("inf")
    wanted: Sequence[str] = options.peers.split(",") if options.peers else QUICK_PEERS if options.quick else list(FILES)
    peers = installed([p for p in wanted if p in FILES])
    effort = QUICK if options.quick else Effort()
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    processors = _processors(options)
    print(f"peers: {', '.join(peers)}; {options.threads} thread(s) on {processors or 'any processor'}", flush=True)
    load = os.getloadavg()[0]
    found = limits.measured(processors, 0.1 if options.quick else 0.4)
    result: dict[str, Any] = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(),
        "threads": options.threads,
        "limits": found,
        "call_from_c": calls.from_c() if "tcc" in peers else {},
        "versions": {},
        "load": [load, load],
        "workloads": [],
    }
    bench = Bench(peers, options.threads, processors, effort)
    try:
        for family, workload in chosen(options.words, options.quick):
            if time.monotonic() > end:
                print("the time is up; the rest is left out")
                break
            entry = _measured(bench, family, workload)
            result["workloads"].append(entry)
            result["versions"] = {p: bench.versions[p] for p in peers if p in bench.versions}
            result["load"] = [load, os.getloadavg()[0]]
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps(result, indent=1))
            print(report.line(summary.row(entry, found, options.threads)), flush=True)
    finally:
        bench.close()
    table = summary.rows(result)
    options.output.with_suffix(".svg").write_text(plot.svg(table, _title(result)))
    print(report.text(result).split("\n\n", 1)[-1])
    print(f"\nwritten: {options.output}, {options.output.with_suffix('.svg')}")


def _measured(bench: Bench, family: str, workload: Workload) -> dict[str, Any]:
    results, moved = bench.run(workload)
    read, written = workload.moved or moved
    return {
        "family": family,
        "name": workload.name,
        "ranked": workload.ranked,
        "flops": workload.flops,
        "peak": workload.peak,
        "read": read,
        "written": written,
        "results": {p: r.as_json() for p, r in results.items()},
    }


def _counts(options: argparse.Namespace) -> None:
    measured: Any = json.loads(options.report.read_text()) if options.report.exists() else None
    best = counts.best_peers(measured) if measured else {}
    if options.words:
        workloads = [w for _, w in chosen(options.words, quick=False)]
    elif measured:
        workloads = [by_name(name) for name in counts.candidates(measured)]
    else:
        raise SystemExit(f"{options.report} is not there: run `make bench` or name workloads")
    wanted = [
        (w, [p for p in (best.get(w.name, "") if p == counts.BEST else p for p in options.peers.split(",")) if p])
        for w in workloads
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    try:
        for entry in counts.counts(wanted, options.most, options.processor, options.listings):
            entries.append(entry)
            options.output.write_text(counts.document(entries))
            lines = counts.table({"workloads": [entry]}, report.SHORT).splitlines()
            print("\n".join(lines if len(entries) == 1 else lines[2:]), flush=True)
    except steps.RefusedError as refused:
        raise SystemExit(str(refused)) from None
    print(f"\nwritten: {options.output}")


def _compile(options: argparse.Namespace) -> None:
    entries: list[dict[str, Any]] = []
    for entry in compiling.measured([w for _, w in chosen(options.words, quick=False)]):
        entries.append(entry)
        print(f"{entry['name']:48} {1e3 * entry['seconds']:6.0f} ms", flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(compiling.document(entries))
    print(f"\nwritten: {options.output}")


def _report(options: argparse.Namespace) -> None:
    reports = [json.loads(path.read_text()) for path in options.reports]
    picture = options.output.with_suffix(".svg")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(plot.svg(summary.rows(reports[0]), _title(reports[0])))
    kept = report.remarks(options.output.read_text()) if options.output.exists() else ""
    counted, compiled = map(_read, (options.counts, options.compiling))
    options.output.write_text(report.markdown(reports, picture.name, counted, compiled) + (f"\n{kept}" if kept else ""))
    print(f"written: {options.output}, {picture}")


def _read(path: Path | None) -> Any:
    return json.loads(path.read_text()) if path is not None and path.exists() else None


def _title(result: dict[str, Any]) -> str:
    return f"tcc beside its peers, {result['threads']} thread(s), {result['date']}"


def _processors(options: argparse.Namespace) -> list[int]:
    if options.processors:
        return [int(p) for p in options.processors.split(",")]
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return usable[-options.threads :]


def _machine() -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    compiler = subprocess.run([os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True, check=False)
    return {
        "processor": name,
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "compiler": (compiler.stdout.splitlines() or ["no C compiler"])[0],
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
