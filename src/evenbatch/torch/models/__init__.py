"""A user's model: what it is called with, copies of it, running it and leaving it as it was.

Shared by the audit, the rewrites and the comparison; nothing here knows a norm layer.

    inputs    a batch as the arguments of a forward
    copying   a deep copy, also of a model that holds locks, handles and closures
    keeping   undoing what forward passes change in a model that cannot be copied
    running   modes, outputs, and how far two outputs are apart
    words     numbers, counts and errors in few words
"""
