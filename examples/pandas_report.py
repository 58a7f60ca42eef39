"""Sales of a made-up shop, added up by region and month."""
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
sales = pd.DataFrame(
    {
        "month": pd.date_range("2026-01-01", periods=365, freq="D").strftime("%Y-%m"),
        "region": rng.choice(["north", "south", "west"], size=365),
        "units": rng.integers(1, 40, size=365),
        "price": rng.uniform(4, 12, size=365).round(2),
    }
)
sales["revenue"] = sales["units"] * sales["price"]

report = sales.pivot_table(index="month", columns="region", values="revenue", aggfunc="sum", fill_value=0)
report["total"] = report.sum(axis=1)
print(report.round(0).astype(int).to_string())
print(f"best month: {report['total'].idxmax()}, mean price {sales['price'].mean():.2f}")
