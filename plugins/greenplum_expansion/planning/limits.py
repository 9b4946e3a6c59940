"""How long each step is followed before its task fails: the operators' defaults, which the wizard tells beforehand.

What is over then is the waiting. What runs on the cluster's hosts as a detached job runs on, and a task that is tried
again or cleared finds it and follows it.
"""

from __future__ import annotations

from datetime import timedelta

RETRIES = 2
RETRY_DELAY = timedelta(seconds=20)
"""Of every task: unreachable hosts are worth another try; what a retry cannot mend fails at once."""

CATALOG_CHECK = timedelta(hours=24)
SOFTWARE = timedelta(hours=2)
"""Of one host: a gigabyte over a slow line."""
REBOOT = timedelta(minutes=45)
"""Of one host: large servers take a quarter of an hour."""
MEASURING = timedelta(minutes=30)
"""Beyond what gpcheckperf's own trials may take."""
BACKUP = timedelta(days=7)
ADD_SEGMENTS = timedelta(hours=12)
MIRRORS = timedelta(hours=6)
GPEXPAND_MOVES = timedelta(days=14)
"""Of one job of gpexpand, if that moves the tables."""
WATCHING = timedelta(days=90)
"""Of the redistribution; nothing but what the page shows depends on it."""
RESTART = timedelta(hours=2)
"""For the job, and again for the mirrors."""
MOVE_ATTEMPTS = 6
"""Tries of one table, the first included, before it is given up until the next run."""
