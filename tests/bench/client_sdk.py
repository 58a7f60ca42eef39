"""Times the Python SDK as a user calls it: client_sdk.py TEMPLATE ROUNDS WARM_UP RUNS. Prints JSON of series in microseconds."""
import json
import sys
import time

from e2b import Sandbox


def main():
    template, rounds, warm_up, runs = sys.argv[1], *map(int, sys.argv[2:])
    series = {"create": [], "create_true": [], "true": []}
    for i in range(warm_up + rounds):
        times = {"create": [], "create_true": [], "true": []}
        started = time.perf_counter()
        sandbox = Sandbox.create(template)
        times["create"].append(time.perf_counter() - started)
        sandbox.commands.run("true")
        times["create_true"].append(time.perf_counter() - started)
        for _ in range(runs):
            started = time.perf_counter()
            sandbox.commands.run("true")
            times["true"].append(time.perf_counter() - started)
        sandbox.kill()
        if i >= warm_up:
            for name, values in times.items():
                series[name] += [int(value * 1e6) for value in values]
    print(json.dumps(series))


if __name__ == "__main__":
    main()
