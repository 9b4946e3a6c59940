"""A detached job: started once whatever dies, found again, and never guessed about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.hooks import job_shell
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState, JobStatus, RemoteJob
from greenplum_expansion.hooks.remote import RemoteHost, Script
from tests.unit.hooks.sshd import Sshd, wait_until

ENDED = {JobState.FINISHED, JobState.LOST}


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    return tmp_path / "expansions" / "2026-11-20" / "jobs" / "prepare"


def end_of(job: RemoteJob) -> JobStatus:
    return wait_until(lambda: (s := job.probe()).state in ENDED and s, "the job ends")


def pid_in(file: Path) -> int:
    return int(wait_until(lambda: file.exists() and file.read_text(), f"{file} is written").split()[0])


def counting(tmp_path: Path, then: str = "") -> Script:
    """A command that leaves a line for each of its starts."""
    return Script(f"echo started >>{tmp_path}/starts; {then}")


def starts(tmp_path: Path) -> int:
    return len((tmp_path / "starts").read_text().splitlines())


def test_a_job_that_was_never_started_is_absent(shared_host: RemoteHost, job_dir: Path) -> None:
    assert RemoteJob(shared_host, str(job_dir)).probe() == JobStatus(JobState.ABSENT)
    assert not job_dir.exists(), "looking changes nothing"


def test_exit_code_log_and_times_are_kept(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", 'echo "$0 $PWD $A $B $LC_ALL"; echo err >&2; exit 3', "it's"]
    job = RemoteJob(shared_host, str(job_dir), command, str(tmp_path), env={"A": "$x"}, setup="export B='2 3'")
    job.ensure_started()
    status = end_of(job)
    assert (status.state, status.exit_code, status.same_command) == (JobState.FINISHED, 3, True)
    assert job.read_log().text == f"it's {tmp_path} $x 2 3 C\nerr\n"
    assert job.read_log_tail(4) == "err\n"
    assert status.log_size == (job_dir / "log").stat().st_size
    assert status.seconds is not None
    assert {oct(p.stat().st_mode & 0o077) for p in [job_dir, *job_dir.iterdir()]} == {"0o0"}, "nothing for others"


def test_starting_again_finds_the_finished_job(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), counting(tmp_path))
    job.ensure_started()
    end_of(job)
    assert RemoteJob(shared_host, str(job_dir), counting(tmp_path)).ensure_started().state is JobState.FINISHED
    assert starts(tmp_path) == 1


def test_of_many_at_once_one_starts_it(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    found: list[JobStatus] = []

    def start() -> None:
        job = RemoteJob(
            shared_host, str(job_dir), counting(tmp_path, f"until [ -e {tmp_path}/go ]; do sleep 0.05; done")
        )
        found.append(job.ensure_started())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status.state for status in found] == [JobState.RUNNING] * 6
    assert len({status.pid for status in found}) == 1
    (tmp_path / "go").touch()
    end_of(RemoteJob(shared_host, str(job_dir)))
    assert starts(tmp_path) == 1


def test_a_worker_killed_before_it_recorded_the_start_finds_the_job(
    shared_host: RemoteHost, job_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RemoteHost.run_raw

    def die_after(self: RemoteHost, script: Script, **rest: object) -> None:
        whole(self, script, **rest)  # type: ignore[arg-type]
        raise KeyboardInterrupt  # the worker hears nothing of it

    command = counting(tmp_path, "sleep 300")
    job = RemoteJob(shared_host, str(job_dir), command)
    with monkeypatch.context() as patch:
        patch.setattr(RemoteHost, "run_raw", die_after)
        with pytest.raises(KeyboardInterrupt):
            job.ensure_started()
    job = RemoteJob(shared_host, str(job_dir), command)
    assert job.ensure_started().state is JobState.RUNNING
    wait_until((tmp_path / "starts").exists, "the command has begun")
    assert starts(tmp_path) == 1
    job.signal("KILL")


def test_a_submission_cut_before_the_start_is_made_good(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    job_dir.mkdir(parents=True)
    (job_dir / "command.sh").write_text("half a command")
    (job_dir / "supervisor.4711").write_text("4711 1 left by a supervisor that died before it linked its name\n")
    job = RemoteJob(shared_host, str(job_dir), counting(tmp_path))
    assert job.probe().state is JobState.ABSENT
    job.ensure_started()
    assert end_of(job).exit_code == 0
    assert starts(tmp_path) == 1


def test_the_job_outlives_the_ssh_connection(hook: GreenplumHook, sshd: Sshd, job_dir: Path, tmp_path: Path) -> None:
    text = f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo done"
    job = RemoteJob(hook.coordinator(), str(job_dir), Script(text))
    job.ensure_started()
    sshd.cut()
    wait_until(lambda: not hook.coordinator().session.is_alive(), "the connection is seen to be cut")
    assert job.probe().state is JobState.RUNNING
    (tmp_path / "go").touch()
    assert end_of(job).exit_code == 0
    assert job.read_log().text == "done\n"


def test_a_killed_command_is_finished_with_its_signal(shared_host: RemoteHost, job_dir: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), ["sleep", "300"])
    job.ensure_started()
    os.kill(pid_in(job_dir / "command"), signal.SIGKILL)
    assert (end_of(job).state, job.probe().exit_code) == (JobState.FINISHED, 128 + 9)


def test_a_command_that_outlives_its_supervisor_is_running_then_lost(shared_host: RemoteHost, job_dir: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), ["sleep", "300"])
    job.ensure_started()
    command = pid_in(job_dir / "command")
    os.kill(pid_in(job_dir / "supervisor"), signal.SIGKILL)
    status = wait_until(lambda: (s := job.probe()).why and s, "the supervisor is seen to be gone")
    assert (status.state, status.why) == (JobState.RUNNING, "its supervisor is gone")
    os.kill(command, signal.SIGKILL)
    status = end_of(job)
    assert (status.state, status.exit_code) == (JobState.LOST, None)
    assert status.why == "its process is gone and left no exit code"


def test_a_lost_job_is_not_started_again(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), counting(tmp_path, "sleep 300"))
    job.ensure_started()
    wait_until((tmp_path / "starts").exists, "the command has begun")
    job.signal("KILL")
    assert end_of(job).state is JobState.LOST
    assert job.ensure_started().state is JobState.LOST
    assert starts(tmp_path) == 1


def started_by_hand(job_dir: Path, pid: int, start: int | None = None, boot: str | None = None) -> None:
    """A job directory as a job leaves it whose identity is the one given (default: that of the living pid)."""
    job_dir.mkdir(parents=True)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (job_dir / "supervisor").write_text(f"{pid} {start or fields[19]} {boot}\n")
    (job_dir / "log").write_text("")


def test_a_living_process_is_recognised(shared_host: RemoteHost, job_dir: Path) -> None:
    started_by_hand(job_dir, os.getpid())
    assert RemoteJob(shared_host, str(job_dir)).probe().state is JobState.RUNNING


def test_a_reused_pid_is_not_taken_for_the_job_nor_signalled(shared_host: RemoteHost, job_dir: Path) -> None:
    started_by_hand(job_dir, os.getpid(), start=12345)
    status = RemoteJob(shared_host, str(job_dir)).signal("KILL")  # this very process would be hit
    assert (status.state, status.why) == (JobState.LOST, "its process is gone and left no exit code")


def test_after_a_reboot_the_job_is_lost_whoever_has_its_pid(shared_host: RemoteHost, job_dir: Path) -> None:
    started_by_hand(job_dir, os.getpid(), boot="00000000-0000-0000-0000-000000000000")
    status = RemoteJob(shared_host, str(job_dir)).probe()
    assert (status.state, status.why) == (JobState.LOST, "the host was restarted meanwhile")


def test_an_empty_exit_code_after_a_power_cut_is_not_zero(shared_host: RemoteHost, job_dir: Path) -> None:
    started_by_hand(job_dir, os.getpid(), boot="00000000-0000-0000-0000-000000000000")
    (job_dir / "exit_code").write_text("")
    assert RemoteJob(shared_host, str(job_dir)).probe().state is JobState.LOST


def test_sigint_reaches_a_python_program_as_ctrl_c_would(shared_host: RemoteHost, job_dir: Path) -> None:
    # After '&' in a shell SIGINT is ignored, and gpexpand, a Python program, could not be interrupted in order.
    program = (
        "import time\n"
        "try:\n"
        "    print('ready', flush=True); time.sleep(300)\n"
        "except KeyboardInterrupt:\n"
        "    print('rolled back'); raise SystemExit(1)"
    )
    job = RemoteJob(shared_host, str(job_dir), [sys.executable, "-c", program])
    job.ensure_started()
    wait_until(lambda: "ready" in job.read_log().text, "the program is ready")
    assert job.signal("SIGINT").state is JobState.RUNNING
    status = end_of(job)
    assert (status.state, status.exit_code) == (JobState.FINISHED, 1)
    assert job.read_log().text == "ready\nrolled back\n"


def test_a_signal_reaches_the_children_too(shared_host: RemoteHost, job_dir: Path, tmp_path: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), Script(f"sh -c 'echo $$ >{tmp_path}/child; sleep 300; true'; true"))
    job.ensure_started()
    child = pid_in(tmp_path / "child")
    job.signal("TERM")
    assert end_of(job).state is JobState.FINISHED
    wait_until(lambda: not _runs(child), "the child is gone")


def test_a_finished_job_is_not_signalled(shared_host: RemoteHost, job_dir: Path) -> None:
    # What the command left behind (a coordinator that gpstart started) is still in its process group.
    job = RemoteJob(shared_host, str(job_dir), Script("sleep 300 & echo $!"))
    job.ensure_started()
    assert end_of(job).exit_code == 0
    left = int(job.read_log().text)
    assert job.signal("KILL").state is JobState.FINISHED
    assert _runs(left)
    os.kill(left, signal.SIGKILL)


def test_a_log_larger_than_a_chunk_is_read_without_gaps(shared_host: RemoteHost, job_dir: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), ["seq", "60000"])
    job.ensure_started()
    end_of(job)
    text, offset = b"", 0
    while (chunk := job.read_log(offset, 65536)).data:
        assert len(chunk.data) <= 65536
        text, offset = text + chunk.data, chunk.next_offset
    assert text.decode().split() == [str(n) for n in range(1, 60001)]
    assert offset == chunk.status.log_size > 5 * 65536


def test_another_command_for_the_same_directory_is_told(
    shared_host: RemoteHost, job_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    RemoteJob(shared_host, str(job_dir), ["echo", "first"]).ensure_started()
    other = RemoteJob(shared_host, str(job_dir), ["echo", "second"])
    assert other.ensure_started().same_command is False
    assert "exists with another command" in caplog.text
    end_of(other)
    assert other.read_log().text == "first\n"


def test_a_command_that_does_not_exist_ends_with_127(shared_host: RemoteHost, job_dir: Path) -> None:
    job = RemoteJob(shared_host, str(job_dir), ["no-such-gpexpand"])
    job.ensure_started()
    assert end_of(job).exit_code == 127
    assert "not found" in job.read_log().text


@pytest.mark.parametrize(
    "path", ["/home/x/2026-11-20T10:00/j", "relative/j", "/a/../b", "/a//b", "/a/b/", "/a", "/a/b\n"]
)
def test_a_path_that_gpexpand_or_a_shell_could_misread_is_refused(shared_host: RemoteHost, path: str) -> None:
    with pytest.raises(InvalidRequest, match="Job directory"):
        RemoteJob(shared_host, path)


def test_strange_but_honest_paths_work(shared_host: RemoteHost, tmp_path: Path) -> None:
    job = RemoteJob(shared_host, str(tmp_path / "it's $HOME (ü) *"), ["echo", "ok"])
    job.ensure_started()
    assert end_of(job).exit_code == 0


def test_a_directory_that_cannot_be_made_is_an_error(shared_host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RemoteError, match=r"Start job .*mkdir"):
        RemoteJob(shared_host, str(tmp_path / "file" / "job"), ["true"]).ensure_started()


def test_the_scripts_are_posix(tmp_path: Path) -> None:
    """run.sh runs under /bin/sh, whatever that is; dash is the strictest one at hand."""
    (tmp_path / "run.sh").write_text(job_shell.supervisor("/tmp/x y"))
    shell = "/bin/dash" if Path("/bin/dash").exists() else "/bin/sh"
    subprocess.run([shell, "-n", str(tmp_path / "run.sh")], check=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False
