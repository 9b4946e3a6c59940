"""A connection is judged before anything is contacted, in words that name the field."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.hooks.settings import OWN_EXTRAS, SshSettings, load_private_key
from greenplum_expansion.provider_info import get_provider_info
from tests.unit.hooks.sshd import make_key


def settings(**extra: Any) -> SshSettings:
    return SshSettings.from_connection("dwh", "mdw", "gpadmin", {"ssh_key_file": "/k", **extra})


def test_empty_fields_of_the_form_take_their_defaults() -> None:
    found = settings(ssh_port=None, ssh_user="", ssh_host=" ", ssh_host_key=None, ssh_no_host_key_check=None)
    assert (found.host, found.port, found.user, found.no_host_key_check) == ("mdw", 22, "gpadmin", False)


def test_every_field_of_the_form_is_read_and_none_else() -> None:
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert set(fields) == OWN_EXTRAS


@pytest.mark.parametrize(
    ("extra", "cause"),
    [
        ({"ssh_key_file": ""}, "ssh_key_file and ssh_private_key are both empty"),
        ({"ssh_private_key": "x"}, "both given"),
        ({"ssh_port": "0"}, "ssh_port is '0'"),
        ({"ssh_port": "ssh"}, "ssh_port is 'ssh'"),
        ({"ssh_host_key": "AAAA"}, "ssh_host_key cannot be read: it is not of the form"),
        ({"ssh_host_key": "ssh-ed25519 AAAA"}, "damaged or of an unsupported type"),
        ({"ssh_host_key": "ssh-dss AAAAB3NzaC1kc3M="}, "damaged or of an unsupported type"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(extra: dict[str, Any], cause: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        settings(**extra)
    assert cause in caught.value.cause
    assert caught.value.subject == "Connection dwh"


def test_a_host_key_and_no_check_contradict_each_other(tmp_path: Path) -> None:
    key = make_key(tmp_path / "k")
    with pytest.raises(InvalidRequest, match="ssh_host_key is given and ssh_no_host_key_check is true"):
        settings(ssh_host_key=key, ssh_no_host_key_check="true")


def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="neither host nor ssh_host"):
        SshSettings.from_connection("dwh", "", "gpadmin", {"ssh_key_file": "/k"})


def test_nothing_secret_is_in_the_repr() -> None:
    shown = repr(settings(ssh_key_file=None, ssh_private_key="the-key", ssh_private_key_passphrase="the-phrase"))
    assert "the-key" not in shown
    assert "the-phrase" not in shown


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("spoiled", [lambda t: t, lambda t: t.replace("\n", " "), lambda t: t.replace("\n", "\\n")])
def test_a_pasted_key_is_read_also_when_the_form_took_its_lines(tmp_path: Path, kind: str, spoiled: Any) -> None:
    public = make_key(tmp_path / "k", kind)
    text = (tmp_path / "k").read_text()
    key = load_private_key(settings(ssh_key_file=None, ssh_private_key=spoiled(text)))
    assert key.get_base64() == public.split()[1]


def test_a_key_with_passphrase_is_read(tmp_path: Path) -> None:
    public = make_key(tmp_path / "k", passphrase="open sesame")
    found = settings(ssh_key_file=str(tmp_path / "k"), ssh_private_key_passphrase="open sesame")
    assert load_private_key(found).get_base64() == public.split()[1]


@pytest.mark.parametrize(
    ("made_with", "given", "cause"),
    [
        ("open sesame", "xyzzy", "cannot be read with the passphrase given"),
        ("open sesame", None, "is encrypted and ssh_private_key_passphrase is empty"),
    ],
)
def test_a_wrong_passphrase_is_said(tmp_path: Path, made_with: str, given: str | None, cause: str) -> None:
    make_key(tmp_path / "k", passphrase=made_with)
    with pytest.raises(RemoteError) as caught:
        load_private_key(settings(ssh_key_file=str(tmp_path / "k"), ssh_private_key_passphrase=given))
    assert cause in caught.value.cause
    assert "xyzzy" not in str(caught.value)


def test_the_public_half_is_told_from_the_private(tmp_path: Path) -> None:
    make_key(tmp_path / "k")
    with pytest.raises(RemoteError, match="holds a public key"):
        load_private_key(settings(ssh_key_file=str(tmp_path / "k.pub")))


def test_a_missing_key_file_is_named_with_who_looked_for_it(tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as caught:
        load_private_key(settings(ssh_key_file=str(tmp_path / "none")))
    assert str(tmp_path / "none") in caught.value.subject
    assert f"read as {getpass.getuser()}" in caught.value.cause
