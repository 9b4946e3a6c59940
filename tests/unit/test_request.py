"""One model, three ways in: form, API, command line; the same words when something is wrong."""

import pytest

from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.request import ExpansionRequest, NewHost, RollbackRequest, parse_request


def test_hosts_may_be_typed_or_sent_as_objects():
    request = parse_request(
        ExpansionRequest,
        {
            "new_hosts": [
                "sdw3",
                " sdw4 = 10.0.0.4 ",
                {"hostname": "sdw5", "address": "10.0.0.5", "host_key": "ssh-ed25519 A"},
            ]
        },
    )
    assert request.new_hosts == (
        NewHost(hostname="sdw3", address="sdw3"),
        NewHost(hostname="sdw4", address="10.0.0.4"),
        NewHost(hostname="sdw5", address="10.0.0.5", host_key="ssh-ed25519 A"),
    )


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({}, "New hosts: none is named, and no more primaries are asked for"),
        ({"new_hosts": None}, "New hosts: none is named"),
        ({"new_hosts": ["sdw3"], "first_primary_port": 80}, "First port of primaries: Input should be greater than"),
        ({"new_hosts": ["sdw3"], "primary_directories": ["data"]}, "Directories of primaries: directory 'data' is not"),
        ({"new_hosts": ["sdw3"], "mirror_directories": ["/a b"]}, "contains ' ', which gpexpand cannot carry"),
        ({"new_hosts": ["sdw3"], "primary_directories": ["/a:b"]}, "contains ':', which gpexpand cannot carry"),
        ({"new_hosts": ["sdw3"], "primary_directories": ["/a|b"]}, "contains '|', which gpexpand cannot carry"),
        ({"new_hosts": ["sdw3"], "tablespace_locations": ["fast"]}, "'fast' is not of the form tablespace=/directory"),
        ({"new_hosts": ["sdw3"], "tablespace_locations": ["f=/$(id)"]}, "contains '$', which gpexpand cannot carry"),
        ({"new_hosts": ["sdw3"], "tablespace_locations": ["f=/a", "f=/b"]}, "tablespace f is given twice"),
        ({"new_hosts": ["sdw3", "sdw3=10.0.0.9"]}, "new host hostname sdw3 is given twice"),
        ({"new_hosts": ["sdw3=10.0.0.3", "sdw4=10.0.0.3"]}, "new host address 10.0.0.3 is given twice"),
        ({"new_hosts": ["sdw3; reboot"]}, "'sdw3; reboot' is not a host name"),
        ({"new_hosts": ["sdw3=10.0.0.300"]}, "'10.0.0.300' is not an IP address"),
        (
            {"new_hosts": ["sdw3"], "parallel_moves": 97},
            "Tables moved at a time: Input should be less than or equal to 96",
        ),
        ({"new_hosts": ["sdw3"], "important_tables": ["orders"]}, "names no schema"),
        ({"new_hosts": ["sdw3"], "paralel_moves": 4}, "paralel_moves: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_words_of_the_form(conf, said):
    with pytest.raises(InvalidRequest) as raised:
        parse_request(ExpansionRequest, conf)
    assert said in raised.value.cause


def test_only_existing_hosts_may_get_segments():
    request = parse_request(ExpansionRequest, {"more_primaries": 1})
    assert request.new_hosts == ()


def test_places_are_given_as_lines_and_empty_ones_mean_as_the_cluster():
    conf = {
        "new_hosts": ["sdw3"],
        "first_primary_port": "",
        "mirror_directories": None,
        "primary_directories": ["/data1/", "", "/data2"],
        "tablespace_locations": ["fast space=/nvme/ts", ""],
    }
    request = parse_request(ExpansionRequest, conf)
    assert request.first_primary_port is None
    assert request.mirror_directories == ()
    assert request.primary_directories == ("/data1", "/data2")
    assert request.tablespace_wishes == {"fast space": "/nvme/ts"}


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidRequest) as raised:
        parse_request(ExpansionRequest, {"new_hosts": ["a b"], "parallel_moves": 0})
    assert "a b" in raised.value.cause
    assert "Tables moved at a time" in raised.value.cause


def test_a_rollback_without_a_name_means_the_newest_expansion():
    assert parse_request(RollbackRequest, {"expansion_id": ""}).expansion_id is None


@pytest.mark.parametrize("name", ["../../etc", "..", ".", "-rf"])
def test_a_path_or_an_option_is_no_name_of_an_expansion(name):
    with pytest.raises(InvalidRequest):
        parse_request(RollbackRequest, {"expansion_id": name})


def test_a_webhook_s_address_in_place_of_its_connection_is_refused_and_not_repeated():
    with pytest.raises(InvalidRequest, match="no name of an Airflow connection") as refused:
        parse_request(ExpansionRequest, {"new_hosts": ["sdw3", "sdw4"], "webhook_conn_id": "https://chat/T0/s3cret"})
    assert "s3cret" not in str(refused.value)
