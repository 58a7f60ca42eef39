"""Times the start of a Jupyter kernel until it has run 1+1: jupyter_start.py ROUNDS. Prints JSON of microseconds."""
import json
import sys
import time

from jupyter_client import KernelManager

WARM_UP = 2
TIMEOUT_S = 60


def start_and_run():
    manager = KernelManager(kernel_name="python3")
    started = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT_S)
    reply = client.execute_interactive("1+1", timeout=TIMEOUT_S, output_hook=lambda message: None)
    taken = time.perf_counter() - started
    if reply["content"]["status"] != "ok":
        raise RuntimeError(reply["content"])
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return int(taken * 1e6)


def main():
    taken = [start_and_run() for _ in range(WARM_UP + int(sys.argv[1]))]
    print(json.dumps(taken[WARM_UP:]))


if __name__ == "__main__":
    main()
