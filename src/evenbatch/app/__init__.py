"""Carrying claims out under the user's eyes: what is asked, yesterday's answer, progress, verdicts.

parts      claims on data sets, and what came of them
opening    the store, the runner and the data that were asked for
job        trains, shows each part as it ends, writes what was asked for
answered   the report of the very same request, where it lies already
api        `prove` for Python
"""
