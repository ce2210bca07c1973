"""A disk with little room left."""

from __future__ import annotations

from evenbatch.store import Store


def leave_room(store: Store, pages: int) -> None:
    """Let a store grow by so many pages, as if the disk were full then."""
    [(now,)] = store._connection.execute("PRAGMA page_count").fetchall()
    store._connection.execute(f"PRAGMA max_page_count={now + pages}")
