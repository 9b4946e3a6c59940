"""Command line of the demo: ``python -m demo run|up|down|status``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from demo.airflow_api import AirflowApiError
from demo.airflow_stack import StackError
from demo.practice_cluster import SandboxError
from demo.scenario import Demo, DemoFailed, Options


def main() -> int:
    """Run one command; 0 only if it did what it says."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Expand a practice Greenplum cluster from two to four hosts, in a real Airflow on this machine.",
    )
    parser.add_argument("command", choices=["run", "up", "down", "status"], help="run: up, expand, show the proof")
    parser.add_argument("--state-dir", type=Path, default=Path(".demo"), help="Airflow's directory (default: .demo)")
    parser.add_argument("--sandbox-dir", type=Path, help="the practice cluster's (default: $SANDBOX_HOME, or .sandbox)")
    parser.add_argument("--size", type=int, metavar="MB", help="practice data (default: what the sandbox makes, 200)")
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="give up on a run after this long")
    parser.add_argument("--plain", action="store_true", help="lines instead of a live picture, on a terminal too")
    arguments = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)  # a log has no width of its own; 80 would cut the report
    demo = Demo(
        Options(
            home=arguments.state_dir,
            sandbox_home=arguments.sandbox_dir,
            size=arguments.size,
            limit=arguments.limit,
            live=console.is_terminal and not arguments.plain,
        ),
        console,
    )
    try:
        if arguments.command == "status":
            return 0 if demo.status() else 1
        {"run": demo.run, "up": demo.up, "down": demo.down}[arguments.command]()
    except (DemoFailed, StackError, SandboxError, AirflowApiError) as error:
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. Everything goes on; `make demo-down` ends it.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
