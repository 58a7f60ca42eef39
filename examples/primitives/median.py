"""Median of the numbers on standard input."""

import sys

numbers = sorted(float(word) for word in sys.stdin.read().split())
half = len(numbers) // 2
print(numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2)
