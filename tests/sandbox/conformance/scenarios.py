"""What is replayed, in an order in which one state serves many recordings; a reset lies between scenarios.

Recordings that are not here, and why, are in `LEFT_OUT`.
"""

from __future__ import annotations

from .compare import counts_left_out, everything, moved_part, tables_in_any_order
from .ground import (
    BAD_INPUTS,
    BLOCKER,
    BOOKS,
    FILES,
    KNOWN,
    MOVING,
    NO_ORPHANS,
    REDO,
    ROLLED_BACK,
    ROOM,
    SECOND_EXPANSION,
    STRANGERS,
    SYNCED,
    TRUST,
    foreign_server,
    kill_primary,
    let_in,
)
from .selections import (
    after_clean,
    by_hand,
    catalog_rows,
    described,
    expansion_tables,
    failing_part,
    failover_rows,
    figures_left_out,
    login_errors,
    measured,
    progress_words,
    records,
    refused_and_state,
    second_pair,
    settings,
    shared_policies,
    state_and_columns,
    without_causes,
    without_control_data,
    without_debug,
    without_tables,
)
from .steps import Interrupt, Prepare, Replay, Scenario, Step

TRUSTED = Prepare("SSH among all hosts", "gpssh-exkeys -e conf/hosts_all -x conf/new_hosts >/dev/null")
MISTAKE = "its last statement was a mistake"
IDLE_REPORTS = ("Q", "b", "c", "e", "f", "i", "m", "p", "plain", "q", "s", "x")
QUIET = "without -v, whose lines name commands inside the real utility"


def _strangers() -> tuple[Step, ...]:
    """New hosts that do not know the cluster yet."""
    return (
        FILES,
        Replay(
            "20_gpexpand_interview_tty",
            "gpexpand -f conf/new_hosts",
            "the command was typed",
            answers="y\ngrouped\n0\n",
            tty=True,
        ),
        Replay("74_gpssh_exkeys_no_trust", translate=STRANGERS),
        KNOWN,
        Prepare("sdw4 lets gpadmin in, sdw3 does not", act=lambda practice: let_in(practice, ("sdw4",))),
        Replay("74b_gpssh_no_trust", translate=STRANGERS),
        Replay("74c_gpcheckperf_no_trust", translate=STRANGERS),
        Replay("74e_gpexpand_i_no_trust", translate=STRANGERS, select=second_pair),
        Replay("74f_gpexpand_r_after_no_trust", translate=STRANGERS),
        Prepare("sdw3, too", act=lambda practice: let_in(practice, ("sdw3",))),
        *ROOM,
    )


def _idle() -> tuple[Step, ...]:
    """Nothing is being expanded: reports, interviews, bad options, bad input files."""
    return (
        Replay("00_gpssh-exkeys_initial"),
        *(Replay(f"04_gpstate_{o}", f"gpstate {'' if o == 'plain' else '-' + o}") for o in IDLE_REPORTS),
        Replay("05_catalog_before", select=shared_policies, stderr=False, because=MISTAKE),
        Replay("07_gp_stat_replication", select=records),
        Replay("11_gpssh-exkeys_ex"),
        Replay("12_gpssh_date"),
        Replay("12b_gpssh_nonverbose"),
        Replay("12c_gpssh_fail_host", select=login_errors, stderr=False, because="a traceback through pexpect"),
        Replay("12d_gpssh_cmd_fail"),
        Replay("13_gpcheckperf_ds", select=measured),
        Replay("13b_gpcheckperf_ds_v", "gpcheckperf -f conf/new_hosts -d /data/primary -d /data/mirror -r d -S 64MB -D",
               QUIET, select=measured),
        Replay("14_gpcheckperf_N", select=measured),
        Replay("14c_gpcheckperf_M", select=measured),
        *(Replay(name) for name in (
            "20b_interview_stdin_pipe", "20c_interview_defaults", "20d_interview_no", "20e_interview_stdin_null",
            "20f_interview_one_host", "20g_interview_two_more_segs", "20h_interview_spread",
            "20i_interview_no_hosts_existing", "20j_interview_existing_host", "20k_interview_unknown_host",
            "22_gpexpand_r_nothing", "22b_gpexpand_c_nothing", "22c_gpexpand_d_nothing", "22d_gpexpand_help",
            "22e_gpexpand_bad_opts",
        )),
        *(Replay(f"23_gpexpand_i_bad_{name}") for name in BAD_INPUTS),
        Replay("23_gpexpand_i_missing_file"),
        Replay("23_gpexpand_i_odd_dbid_gap"),
        Replay("50_gpcheckcat_before"),
        Replay("90_gpconfig", "gpconfig -s max_connections; gpconfig -s shared_buffers; gpconfig -s gp_max_slices",
               "the list of settings is PostgreSQL's", select=settings),
    )  # fmt: skip


def _failing() -> tuple[Step, ...]:
    """Preparations that fail before the point of no return, and their rollback."""
    # The moment when data directories exist and no server runs is short, so each new host looks for itself.
    made = "until [ -d /data/primary/gpseg{} ] && [ -d /data/primary/gpseg{} ]; do sleep 0.02; done"
    waiting = " & ".join(f"ssh -q {host} '{made.format(*places)}'" for host, places in (("sdw3", "45"), ("sdw4", "67")))
    building = Interrupt("INT", f"{{ {waiting} & wait; }}")
    return (
        Replay("23_gpexpand_i_bad_unreach"), ROLLED_BACK,
        Replay("23_gpexpand_i_bad_space"), ROLLED_BACK, *NO_ORPHANS,
        Prepare("no directory that a name with a space has left", "rm -rf '/data/primary/gpseg4 x'", "sdw3"),
        *(Prepare("a place for a tablespace", "mkdir -p /data/ts1", host) for host in ("mdw", "smdw", "sdw1", "sdw2")),
        Prepare("a tablespace of a user", "psql -qd demo -c \"create tablespace fastts location '/data/ts1'\""),
        Replay("78_interview_with_tablespace", select=figures_left_out),
        Replay("78b_gpexpand_i_tablespace_no_ts_file"), Replay("78c_r"),
        Prepare("no longer", "psql -qd demo -c 'drop tablespace fastts'"),
        Replay("71z_gpexpand_i_SIGINT_before_start_nothing_left",
               interrupt=Interrupt("INT", "grep -qs 'Querying gpexpand' <(tail -n 3 gpAdminLogs/gpexpand_*.log)")),
        Prepare("as recorded", "chmod 555 /data/primary", "sdw4"),
        Replay("60_gpexpand_i_datadir_not_writable"),
        Replay("60b_gpexpand_r"),
        Prepare("no longer", "chmod 755 /data/primary", "sdw4"),
        Replay("60c_state_after_r", select=everything),
        Prepare("as recorded", "mkdir /data/primary/gpseg4; echo precious > /data/primary/gpseg4/precious.txt", "sdw3"),
        Replay("61_gpexpand_i_datadir_not_empty"),
        Replay("61b_gpexpand_r_and_preexisting_dir"),
        Replay("51_gpexpand_i_interrupted_SIGINT_building", "gpexpand -i conf/expand_4seg",
               QUIET, interrupt=building, select=without_debug),
        Replay("51b_after_interrupt"),
        Prepare("the recorded host had been worked on", "touch .bash_history; chmod 600 .bash_history", "sdw3"),
        Replay("51c_new_host_after_interrupt"),
        Replay("51d_gpexpand_i_again_after_interrupt"), Replay("51e_gpexpand_plain_after_interrupt"),
        Replay("51f_gpexpand_r_after_interrupt"), Replay("51g_after_rollback"), *NO_ORPHANS,
        Replay("52_gpexpand_i_SIGKILL_during_segment_start", interrupt=Interrupt("KILL", building.when)),
        Replay("52b_after_SIGKILL"), Replay("52c_gpexpand_r_after_SIGKILL"), *NO_ORPHANS,
        Replay("52d_after_rollback"),
    )  # fmt: skip


def _expansion() -> tuple[Step, ...]:
    """A whole expansion with everything that can be looked at, interrupted, killed and resumed."""
    expanded = ("stage.small_02", "sales.clicks")
    return (
        Replay("30_gpexpand_i_plain"),
        Replay("31_gpexpand_schema_describe", select=described),
        Replay("32_gpexpand_tables_after_init", select=expansion_tables),
        Replay("33_catalog_after_init", select=shared_policies, stderr=False, because=MISTAKE),
        Replay("34_gpstate_x_after_init", select=counts_left_out),
        Replay("34b_gpstate_after_init"),
        Replay("35_history_after_init", select=catalog_rows),
        Replay("53_gpexpand_r_after_setup_done"),
        Replay("63b_state"),
        Replay("40_gpexpand_d_5s", "gpexpand -d 00:00:04", "the practice database is smaller", select=moved_part,
               faults={"slow-moves": "2"}),
        Replay("40c_gpexpand_tables_after_d5", select=progress_words),
        Prepare("tables that are expanded, but not in gpexpand's books",
                "; ".join(f'psql -qc "ALTER TABLE ONLY {name} EXPAND TABLE" 2>&-' for name in expanded) + "; true"),
        # Moving them again fails, and when recorded none of them was reached before the runs were interrupted.
        Prepare("they are the last to be moved",
                "psql -d postgres -qc \"UPDATE gpexpand.status_detail SET rank = 9 WHERE fq_name IN ("
                + ", ".join(f"'{name}'" for name in expanded) + ')"'),
        Replay("55_gpexpand_redistribution_SIGINT", select=moved_part, faults={"slow-moves": "0.1"},
               interrupt=Interrupt("INT", MOVING)),
        Replay(
            "55b_state_after_SIGINT",
            'psql -d postgres -c "select * from gpexpand.status order by updated"; psql -d postgres -c '
            '"select status, count(*) from gpexpand.status_detail group by 1"; gpstate -x',
            "the recorded command was cut", select=progress_words,
        ),
        Replay("56_gpexpand_redistribution_SIGKILL", select=moved_part, faults={"slow-moves": "0.1"},
               interrupt=Interrupt("KILL", MOVING)),
        Replay("56b_state_right_after_SIGKILL", select=progress_words),
        Replay("57_gpexpand_resume_after_SIGKILL", select=moved_part),
        Replay("57b_state", select=progress_words),
        Replay("58a_gpexpand_c_incomplete_answer_n", select=without_tables),
        Prepare(
            "tables that are expanded, but not in gpexpand's books, fail for ever: they are dropped, as when recorded",
            "psql -d postgres -Atc \"select 'drop table ' || fq_name || ' cascade;' from gpexpand.status_detail"
            " where status = 'NOT STARTED'\" | psql -q -d demo -v ON_ERROR_STOP=1",
        ),
        Replay("42_gpexpand_final_run_completes", select=moved_part),
        Replay("42b_tables_after_complete", select=progress_words),
        Replay("42d_gpexpand_again_after_complete"),
        Replay("42e_gpstate_x_after_complete"),
        Replay("44_gpcheckcat_after"),
        Replay("45_gpexpand_c_after_complete_tty", "gpexpand -c", "the command was typed", answers="y\n", tty=True),
        Replay("45b_after_clean", select=after_clean),
    )  # fmt: skip


def _down() -> tuple[Step, ...]:
    """A primary dies; the expansion goes on, mirrors come back, roles are switched back."""
    names = ["Q", "b", "c", "e", "f", "i", "m", "plain", "s"]
    return (
        FILES, TRUST, KNOWN, *ROOM,
        TRUSTED,
        Replay("65_kill_primary_content0",
               "ssh sdw1 'kill -9 $(head -1 /data/primary/gpseg0/postmaster.pid)'; "
               "until psql -Atc \"select 1 from gp_segment_configuration where status='d'\" 2>&- | grep -q 1; "
               "do sleep 0.2; done; psql -d demo -c 'select * from gp_segment_configuration where content=0'; "
               "psql -d demo -c 'select * from gp_configuration_history order by time desc limit 3'",
               "the recorded loop printed the time of each try", select=failover_rows),
        *(Replay(f"65_gpstate_down_{o}", f"gpstate {'' if o == 'plain' else '-' + o}") for o in names),
        Replay("66_gpexpand_i_with_down_segment"),
        Replay("66b_after"),
        Replay("67_gprecoverseg_r_rebalance"),
        Replay("23y_gpexpand_i_second_time_after_SETUP_DONE_starts_redistribution", select=tables_in_any_order),
        Replay("23z_gpexpand_i_after_EXPANSION_COMPLETE"),
        Replay("42c_catalog_after_redistribution", select=shared_policies, stderr=False, because=MISTAKE),
    )  # fmt: skip


def _past_return() -> tuple[Step, ...]:
    """Failures after the point of no return; a primary dies while tables move."""
    return (
        FILES, TRUST, KNOWN, *ROOM,
        TRUSTED,
        Prepare("shells of the recorded host set it themselves",
                "echo export GPHOME=/usr/local/greenplum-db >> .bashrc", "sdw4"),
        Prepare("no software", "mkdir -p /tmp/empty; mount --bind /tmp/empty /usr/local/greenplum-db", "sdw4", "root"),
        Replay("75b_gpexpand_i_no_software_on_new_host", "gpexpand -i conf/expand_4seg </dev/null",
               "the recorded name of the file belongs to the third pair of hosts", translate=SECOND_EXPANSION,
               select=second_pair),
        Replay("75c_gpexpand_r", translate=SECOND_EXPANSION),
        Prepare("the software is there again", "umount /usr/local/greenplum-db", "sdw4", "root"),
        *NO_ORPHANS,
        Replay("70_gpexpand_i_fails_after_catalog_lock_released", select=without_control_data),
        Replay("70b_state", select=state_and_columns),
        Replay("70c_gpexpand_i_again_retries", select=counts_left_out),
        Prepare("the primary of content 1 will die", act=kill_primary),
        Replay("77_gpexpand_primary_killed_during_redistribution", select=without_causes, faults={"slow-moves": "1"}),
        Replay("77b_state", select=counts_left_out),
        Replay("77c_resume_with_down_segment", select=moved_part),
        Replay("77d_state", select=counts_left_out),
        Replay("77e_gprecoverseg", select=everything),
    )  # fmt: skip


def _interrupted_mirrors() -> tuple[Step, ...]:
    """Stopping and starting; interrupted while mirrors are copied; failing, blocked, two at once; not finished."""
    syncing = "tail -n 3 gpAdminLogs/gpexpand_*.log | grep -q 'Starting new mirror segment synchronization'"
    return (
        FILES, TRUST, KNOWN, *ROOM,
        TRUSTED,
        Replay("08a_gpstop_af"), Replay("08b_gpstart_am_masteronly"), Replay("08c_gpstop_amf"),
        Replay("08d_gpstart_aR", select=figures_left_out), Replay("08e_gpstop_amf_when_all_up"),
        Replay("08f_after_master_only_stop"),
        Prepare("started again", "gpstart -a >/dev/null"), SYNCED,
        Prepare("a server of something else", foreign_server(), "sdw3"),
        Replay("62c_gpexpand_i_port_in_use_dualstack", "gpexpand -i conf/expand_4seg", "it ends by itself here"),
        Replay("62d_gpexpand_r"),
        Prepare("the other server ends", "kill $(cat /tmp/listener.pid)", "sdw3"), *NO_ORPHANS,
        Replay("71_gpexpand_i_SIGINT_during_mirror_sync", interrupt=Interrupt("INT", syncing)),
        Replay("71b_state", select=counts_left_out),
        Prepare("gprecoverseg goes on by itself",
                "while pgrep -f '[g]precoverseg -a -F' >/dev/null; do sleep 0.1; done"),
        SYNCED,
        Replay("71d_gprecoverseg"),
        Replay("54_alter_table_expand_by_hand", select=by_hand, stderr=False,
               because="its inheritance tables do not exist here; test_database*.py looks at the errors"),
        Replay("41_gpexpand_n4_with_failing_tables", select=failing_part),
        Replay("41c_after_n4_with_failures", select=progress_words),
        BOOKS, REDO, BLOCKER,
        Replay("68_gpexpand_blocked_by_open_transaction", select=moved_part,
               beside=(Replay("68b_while_blocked", select=refused_and_state),)),
        REDO,
        Replay("73c_gpexpand_both_d_and_e", select=moved_part),
        REDO,
        Replay("58b_gpexpand_c_incomplete_answer_y_n", select=without_tables),
        Replay("58c_after", select=figures_left_out),
    )  # fmt: skip


SCENARIOS = (
    Scenario("a whole expansion", (*_strangers(), *_idle(), *_failing(), *_expansion())),
    Scenario("a segment down", _down()),
    Scenario("past the point of no return", _past_return()),
    Scenario("stopped, started, interrupted", _interrupted_mirrors()),
)

LEFT_OUT = {
    "01": "gpinitsystem is `sandbox up` here", "01a": "the same", "02": "loading is `sandbox up` here",
    "30b": "a probe beside 30; what it shows is tested by its DDL error in tests/sandbox/test_database*.py",
}  # fmt: skip
