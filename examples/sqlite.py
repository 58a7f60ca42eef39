"""A small database in a file: tables, a transaction that is rolled back, and a window function."""
import os
import sqlite3
import tempfile

path = os.path.join(tempfile.mkdtemp(), "shop.db")
db = sqlite3.connect(path)
db.execute("CREATE TABLE sale (day TEXT, item TEXT, amount INTEGER) STRICT")
db.executemany(
    "INSERT INTO sale VALUES (?, ?, ?)",
    [("mon", "tea", 4), ("mon", "cake", 7), ("tue", "tea", 6), ("wed", "cake", 9), ("wed", "tea", 2)],
)
db.commit()

try:
    with db:
        db.execute("DELETE FROM sale")
        db.execute("INSERT INTO sale VALUES ('thu', 'tea', 'not a number')")
except sqlite3.IntegrityError as error:
    print("rolled back:", error)

query = "SELECT item, amount, sum(amount) OVER (PARTITION BY item ORDER BY rowid) FROM sale ORDER BY item, rowid"
for item, amount, running in db.execute(query):
    print(f"{item:5} {amount:3} {running:4}")
db.close()
print("database of", os.path.getsize(path), "bytes")
