# %% [markdown]
# Primes below a limit, in cells: an editor runs them one by one, `warren run --cells` all of them.

# %% Sieve
limit = 50
sieve = [True] * limit
for n in range(2, limit):
    for multiple in range(n * n, limit, n):
        sieve[multiple] = False

# %% Primes
primes = [n for n in range(2, limit) if sieve[n]]
print(*primes)

# %% Their number
len(primes)
