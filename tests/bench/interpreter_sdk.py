"""Times the code interpreter's Python SDK as a user calls it: interpreter_sdk.py TEMPLATE ROUNDS WARM_UP PAUSE_S PREFIX.
Prints JSON of series in microseconds."""
import json
import sys
import time

from e2b_code_interpreter import Sandbox

RUNS = 4


def check(execution):
    if execution.error or execution.text != "2":
        raise RuntimeError(f"1+1: {execution}")


def main():
    template, rounds, warm_up, pause_s, prefix = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    series = {}
    for i in range(warm_up + rounds):
        time.sleep(pause_s)
        times = {f"{prefix}create_cell": [], f"{prefix}cell": []}
        started = time.perf_counter()
        sandbox = Sandbox.create(template)
        check(sandbox.run_code("1+1"))
        times[f"{prefix}create_cell"].append(time.perf_counter() - started)
        for _ in range(RUNS):
            started = time.perf_counter()
            check(sandbox.run_code("1+1"))
            times[f"{prefix}cell"].append(time.perf_counter() - started)
        sandbox.kill()
        if i >= warm_up:
            for name, values in times.items():
                series.setdefault(name, []).extend(int(value * 1e6) for value in values)
    print(json.dumps(series))


if __name__ == "__main__":
    main()
