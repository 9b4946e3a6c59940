"""Reading an input file: what gpexpand refuses is refused here with the line, what would break it later as well."""

import pytest

from greenplum_expansion.cluster.input_file import NewInstance, parse, render

LINE = "sdw3|10.0.0.3|6000|/data/primary/gpseg4|11|4|p"


def test_comments_and_blank_lines_are_skipped():
    assert len(parse(f"# new hosts\n\n{LINE}\n   # end\n")) == 1


def test_ipv6_addresses_are_written_in_brackets_and_read_back():
    instance = NewInstance("sdw3", "fd00::3", 6000, "/data/gpseg4", 11, 4, "p")
    assert "|[fd00::3]|" in instance.to_line()
    assert parse(render([instance])) == (instance,)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sdw3:sdw3:6000:/data/primary/gpseg4:11:4:p", "line 1: expected 7 fields separated by '|', found 1"),
        ("sdw3|sdw3|6000|/data/primary/gpseg4|11|4", "found 6"),
        (LINE.replace("|p", "|x"), "preferred role is 'x'"),
        (LINE.replace("6000", "six"), "port is 'six', must be a number"),
        (LINE.replace("|11|", "|-1|"), "dbid is '-1'"),
        (LINE.replace("|11|", "|٣|"), "dbid is '٣'"),
        (LINE.replace("/data/primary", "/data/pri mary"), "contains ' '"),
        (LINE.replace("/data/primary", "/data/pri:mary"), "contains ':'"),
        (LINE.replace("/data/primary", "/data/$(reboot)"), "contains '$'"),
        (LINE.replace("/data/primary/gpseg4", "data/gpseg4"), "is not absolute"),
        (LINE.replace("/data/primary", "/data/../etc"), "contains '..'"),
        (LINE.replace("sdw3|", "sd w3|", 1), "is not a host name"),
        (LINE.replace("sdw3|", "-oProxyCommand=x|", 1), "is not a host name"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number_and_cause(line, said):
    with pytest.raises(ValueError, match="line 1: ") as raised:
        parse(line)
    assert said in str(raised.value)
