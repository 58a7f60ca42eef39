"""Started by `warren run`, paused, and resumed under another Warren: it goes on where it stood."""
import pathlib
import time

begun = time.monotonic()
primes = [n for n in range(2, 2000) if all(n % d for d in range(2, int(n ** 0.5) + 1))]
home = pathlib.Path.home()
(home / "ready").write_text("the program has its variables\n")

while not (home / "go-on").exists():
    time.sleep(0.05)

(home / "answer").write_text(f"{len(primes)} primes, the last is {primes[-1]}\n")
