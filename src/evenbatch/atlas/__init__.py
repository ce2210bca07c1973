"""The atlas: in which settings normalization helps, measured over a designed sample of them.

design     setting number i is always the same setting
measure    a setting's races: which runs it wants, and the rows that follow from them
carry_out  many settings at once, in a run that can be interrupted
table      rows in one Parquet file
findings   what the rows show: shares, medians, conditions
model      an expected ratio with an 80 % interval, for a setting that was not measured
pictures   figures of it, as data
conditions claims of the lesson as conditions
like       a network and its training described in TOML, found in the atlas
page       all of it as one page, pictures first
"""
