"""The entry of scripts/bench, which sees to everything that this needs."""

import os
import signal
import sys

import machine
import options as command_line
import place
import report
import servers
import text
import workloads
from results import Results
from rounds import Rounds, note
from tools import Tools


def publish(results):
    """Writes what people read."""
    directory = os.path.dirname(results.path)
    results.save()
    for name, content in (("results.md", text.markdown), ("report.html", report.page)):
        with open(os.path.join(directory, name), "w") as file:
            file.write(content(results))
    note(f"results.json, results.md and report.html are in {directory}")


def run(options, where, crew, results):
    chosen = [w for w in workloads.ALL if not options.only or options.only.search(w.name)]
    if not chosen:
        raise SystemExit("scripts/bench: no workload has such a name; --list prints them")
    where.make_source()
    facts = machine.describe(where.work, crew)
    results.begin(facts, crew, chosen, "fuse4fs", workloads.MEMORY_FLOOR)
    try:
        Rounds(where, chosen, results).run(crew, options.rounds)
    finally:
        print(text.table(results))
        publish(results)
    wrong = [server for server, _ in results.complaints()]
    wrong += [failure["server"] for failure in results.data["failures"]]
    return 1 if "fuse4fs" in wrong else 0


def scale(options, where, crew, results):
    import scale as curves

    results.data["machine"] = machine.describe(where.work, crew)
    try:
        curves.run(options, where, crew, results)
    finally:
        for curve in results.data.get("curves", []):
            print(f"\n{curve['title']} ({curve['y']})")
            print("\n".join(text.curve_table(curve)))
        publish(results)
    return 0


def main(words):
    options = command_line.parse(words)
    if options.list:
        import scale as curves

        print("\n".join(["workloads:", *(f"  {w.name}" for w in workloads.ALL)]))
        print("\n".join(["curves:", *(f"  {title}" for title in curves.titles())]))
        return 0
    os.makedirs(options.output, exist_ok=True)
    results = Results(options.output)
    if options.command == "report":
        if "samples" in results.data:
            print(text.table(results))
        publish(results)
        return 0
    if options.device:
        place.confirm(options.device, options.sizes.image, options.yes_destroy)
    if os.getloadavg()[0] > 0.5:
        note("The machine is busy: figures are worth little.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tools = Tools(os.environ["BENCH_DRIVER"], options.patience)
    with place.Place(options, tools) as where:
        if machine.is_in_memory(where.work) and not options.device:
            note("The image is in memory: what is called cold is not. --work names another place.")
        log = os.path.join(options.output, "daemons.log")
        crew = servers.make(options.servers, os.environ["BENCH_FUSE4FS"], where.work, log)
        action = run if options.command == "run" else scale
        return action(options, where, crew, results)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
