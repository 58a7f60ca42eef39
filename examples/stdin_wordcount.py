"""Counts words of standard input: `warren run examples/stdin_wordcount.py < LICENSE`."""
import collections
import re
import sys

words = re.findall(r"[a-z]+", sys.stdin.read().lower())
counts = collections.Counter(words)
print(f"{len(words)} words, {len(counts)} different")
for word, count in counts.most_common(5):
    print(f"{count:6d} {word}")
