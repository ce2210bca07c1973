"""What the reader of docs/data.md has: a table in this folder."""

from pathlib import Path

ROWS = [f"{i},{i % 7},{i * 37 % 11},P{i % 3},{'good' if i % 3 else 'bad'}" for i in range(60)]
Path("wine.csv").write_text("\n".join(["id,acid,sugar,postcode,quality", *ROWS]) + "\n")
