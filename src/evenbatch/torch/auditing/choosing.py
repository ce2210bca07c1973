"""Which rules run: codes and their beginnings, as in ``--select EB1,EB205 --ignore EB101``."""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch.torch.auditing.findings import AuditError


def chosen(
    codes: Iterable[str], select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> frozenset[str]:
    """The codes that are selected and not ignored; the longer beginning wins.

    Raises:
        AuditError: a beginning that no code has.

    >>> sorted(chosen(["EB101", "EB102", "EB201"], select=["EB1"], ignore=["EB102"]))
    ['EB101']
    >>> sorted(chosen(["EB101", "EB102"], select=["EB102"], ignore=["EB1"]))
    ['EB102']
    """
    codes = list(codes)
    wanted, unwanted = _clean(select), _clean(ignore)
    for prefix in (*wanted, *unwanted):
        if not any(code.startswith(prefix) for code in codes):
            raise AuditError(
                f"no rule's code begins with {prefix!r}; they run from {codes[0]} to {codes[-1]}, "
                "see docs/rules.md"
            )
    return frozenset(
        code for code in codes if _longest(code, wanted or ("EB",)) > _longest(code, unwanted)
    )


def _clean(prefixes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(prefixes, str):
        prefixes = prefixes.split(",")
    prefixes = tuple(prefixes) if isinstance(prefixes, Iterable) else (prefixes,)
    for prefix in prefixes:
        if not isinstance(prefix, str):
            raise AuditError(f"{prefix!r} is no rule's code; write it like 'EB205' or 'EB2'")
    parts = (part.strip().upper() for prefix in prefixes for part in prefix.split(","))
    return tuple(part for part in parts if part)


def _longest(code: str, prefixes: Iterable[str]) -> int:
    return max((len(p) for p in prefixes if code.startswith(p)), default=0)
