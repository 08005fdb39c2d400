"""One step, one function, one artefact: read the inputs, compute, write whole.

Every step computes everything before it writes anything, and writes each file
under a temporary name first, so that an error leaves nothing half-written. The
commands and the study call the same functions. Nothing is imported here, so that
a command loads only what its own step needs.
"""
