"""Helpers of tests in several folders: `from support.curves import curve`."""
