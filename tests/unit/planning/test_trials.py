"""What gpcheckperf is given: no disk is filled, nothing is measured twice, every new host is measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.trials import (
    GIB,
    MIB,
    Group,
    HostRoom,
    Place,
    Trial,
    directories_to_measure,
    plan_trials,
)


def room(name: str, free: int = 500 * GIB, memory: int = 64 * GIB, disks: str = "ab") -> HostRoom:
    """A host with /data1 and /data2, on one filesystem each, or as `disks` names them."""
    places = (Place(f"/data{number}/primary", disk, free) for number, disk in enumerate(disks, 1))
    return HostRoom(name, memory, tuple(places))


def disk_trial(trials: list[Trial], group: Group) -> Trial:
    return next(trial for trial in trials if trial.group is group and not trial.is_network)


def test_new_and_existing_hosts_are_measured_the_same_way() -> None:
    trials, omissions = plan_trials([room("sdw3"), room("sdw4")], [room("sdw1"), room("sdw2")])

    assert omissions == []
    assert [(trial.group, trial.tests, trial.hosts) for trial in trials] == [
        ("new", "ds", ("sdw3", "sdw4")),
        ("existing", "ds", ("sdw1", "sdw2")),
        ("new", "N", ("sdw3", "sdw4")),
        ("existing", "N", ("sdw1", "sdw2")),
        ("between", "N", ("sdw3", "sdw1", "sdw4", "sdw2")),
    ]
    assert {trial.file_bytes for trial in trials[:2]} == {2 * GIB}


def test_an_odd_number_of_new_hosts_is_measured_pair_after_pair_everywhere() -> None:
    trials, _ = plan_trials([room(f"n{i}") for i in range(3)], [room(f"o{i}") for i in range(5)])

    network = [trial for trial in trials if trial.is_network]
    assert {trial.tests for trial in network} == {"n"}
    assert [len(trial.hosts) for trial in network] == [3, 4, 6]


def test_a_single_new_host_is_measured_with_an_existing_one() -> None:
    trials, omissions = plan_trials([room("sdw3")], [room("sdw1"), room("sdw2")])

    assert [trial.hosts for trial in trials if trial.group is Group.BETWEEN] == [("sdw3", "sdw1")]
    assert omissions == []


def test_a_single_new_host_alone_has_no_network_and_that_is_said() -> None:
    trials, omissions = plan_trials([room("sdw3")], [])

    assert [trial.tests for trial in trials] == ["ds"]
    assert [omission.what for omission in omissions] == ["network"]


def test_two_directories_on_one_filesystem_are_one() -> None:
    assert directories_to_measure([room("sdw3", disks="aa"), room("sdw4", disks="aa")]) == ("/data1/primary",)
    # On one of the hosts they are two disks: both are written everywhere.
    both = ("/data1/primary", "/data2/primary")
    assert directories_to_measure([room("sdw3", disks="aa"), room("sdw4", disks="ab")]) == both


def test_a_directory_that_one_host_lacks_is_not_used() -> None:
    assert directories_to_measure([room("sdw3", disks="ab"), room("sdw4", disks="a")]) == ("/data1/primary",)


def test_a_host_without_any_directory_is_told() -> None:
    trials, omissions = plan_trials([room("sdw3"), HostRoom("sdw4", GIB, ())], [])

    assert not [trial for trial in trials if not trial.is_network]
    assert "all of sdw3, sdw4" in omissions[0].why


def test_full_disks_of_existing_hosts_are_left_alone_and_new_ones_measured() -> None:
    trials, omissions = plan_trials([room("sdw3"), room("sdw4")], [room("sdw1", free=GIB), room("sdw2")])

    assert disk_trial(trials, Group.NEW).tests == "ds"
    assert disk_trial(trials, Group.EXISTING).tests == "s"
    assert omissions[0].group is Group.EXISTING
    assert "sdw1:/data1/primary has 1,024 MB free" in omissions[0].why


def test_scarce_room_on_existing_hosts_makes_the_file_smaller_on_all() -> None:
    trials, _ = plan_trials([room("sdw3"), room("sdw4")], [room("sdw1", free=10 * GIB), room("sdw2")])

    sizes = {disk_trial(trials, group).file_bytes for group in (Group.NEW, Group.EXISTING)}
    assert len(sizes) == 1
    assert sizes.pop() <= 2 * 0.02 * 10 * GIB


def test_more_than_a_fifth_of_the_free_space_is_not_written_even_if_asked_for() -> None:
    trials, omissions = plan_trials([room("sdw3", free=10 * GIB), room("sdw4")], [], file_mb=1024 * 1024)

    assert disk_trial(trials, Group.NEW).file_bytes <= 2 * 2 * GIB
    assert "not the 1,048,576 MB asked for" in omissions[0].why


def test_reading_back_from_memory_is_known() -> None:
    trials, _ = plan_trials([room("sdw3", memory=GIB // 4), room("sdw4", memory=GIB // 4)], [])
    assert not disk_trial(trials, Group.NEW).cached
    trials, _ = plan_trials([room("sdw3"), room("sdw4")], [])
    assert disk_trial(trials, Group.NEW).cached


def test_a_trial_survives_the_log() -> None:
    trials, _ = plan_trials([room("sdw3"), room("sdw4")], [room("sdw1")])
    assert {trial.group for trial in trials} == set(Group)
    assert [Trial.from_dict(trial.to_dict()) for trial in trials] == list(trials)


ROOMS = st.builds(
    lambda name, free, memory, disks: room(name, free, memory, disks),
    st.from_regex(r"h[a-z0-9]{1,8}", fullmatch=True),
    st.integers(0, 10_000 * GIB),
    st.integers(64 * MIB, 2048 * GIB),
    st.sampled_from(["a", "aa", "ab"]),
)


@given(
    st.lists(ROOMS, min_size=1, max_size=6, unique_by=lambda r: r.hostname),
    st.lists(ROOMS, max_size=8),
    st.integers(0, 20_000_000),
)
def test_no_disk_is_ever_filled(new: list[HostRoom], existing: list[HostRoom], file_mb: int) -> None:
    trials, _ = plan_trials(new, existing, file_mb=file_mb)

    rooms = {Group.NEW: new, Group.EXISTING: existing}
    for trial in trials:
        if not trial.file_bytes:
            continue
        share = trial.file_bytes // len(trial.directories)
        assert share % (32 * 1024) == 0
        for host in rooms[trial.group]:
            written: dict[str, int] = {}
            for directory in trial.directories:
                place = host.place(directory)
                assert place is not None
                written[place.filesystem] = written.get(place.filesystem, 0) + share
            for place in host.places:
                assert written.get(place.filesystem, 0) <= place.free_bytes // 5
                if not file_mb:
                    assert written.get(place.filesystem, 0) <= place.free_bytes // 50
        assert trial.patience < 301 + 3 * len(trial.hosts) + trial.file_bytes / MIB
