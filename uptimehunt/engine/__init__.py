"""The engine: makes checks happen on time and their findings kept.

    timetable (when) → runner (where: a thread) → check → recorder (one transaction for many)
           └──────────────── prober ties them ◀── verdict: try again soon ──┘

`scheduler` gives the pulse, and runs every other recurring job. The API is not known here; it
tells the prober of changes through the functions that `server` hands it.
"""
