"""Grids of trials of one's own: described in TOML, run, kept, exported."""
