"""The store: what was trained once is never trained again.

One SQLite file; a row for each curve, under a key that holds every setting of its trial, the
engine's version and the data's own fingerprint. `Store` reads and writes it::

    place.py    where the file lies, and how it is opened
    parts.py    a curve as bytes, and back
    store.py    `Store`: get, put, timed runs
    tidy.py     curves as a table: CSV, Parquet, JSON, pandas
"""

from evenbatch.store.errors import StoreError
from evenbatch.store.place import default_path
from evenbatch.store.store import Store, record_of

__all__ = ["Store", "StoreError", "default_path", "record_of"]
