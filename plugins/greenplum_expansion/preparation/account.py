"""The cluster's user and group."""

from __future__ import annotations

import posixpath
import shlex

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.situation import Account, Situation
from greenplum_expansion.request import PreparationPart

SKELETON = "/etc/skel"
# What comes into the home by the expansion itself: keys from us and gpssh-exkeys, logs of the utilities that gpexpand
# runs there.
_OURS = (
    ".ssh",
    *(f".ssh/{name}" for name in ("authorized_keys", "known_hosts", "known_hosts.old", "id_rsa", "id_rsa.pub")),
    ".ssh/iddummy.pub",
    "gpAdminLogs",
    "gpAdminLogs/*",
)


@part(PreparationPart.ACCOUNT, "The cluster's user exists, with the coordinator's ids")
def plan_account(situation: Situation) -> PartPlan:
    """Group and user with the names, ids, home and shell they have on the coordinator. The user gets no password: it is
    reached by key only, first by that of the connection, which is entered in its `authorized_keys`.

    An account of that name with other ids, or another account with these ids, is for a person to decide: all its files
    would change hands.
    """
    draft = Draft()
    account = situation.account
    found = situation.new.pairs("account")
    group_ready = _plan_group(situation.name, account, found, draft)
    user_there = _plan_user(situation.name, account, found, draft) if group_ready else False
    if group_ready and situation.login_key and (user_there or draft.changes) and not draft.findings:
        _plan_key(situation, account, draft)
    return draft.plan()


def read_account(text: str) -> Account | None:
    """From what the probe `own_account` printed: ``getent passwd USER``, then ``getent group GID``."""
    lines = [line.split(":") for line in text.splitlines() if line.count(":") >= 3]
    if len(lines) < 2 or len(lines[0]) != 7:
        return None
    user, _, uid, gid, _, home, shell = lines[0]
    return Account(user, lines[1][0], int(uid), int(gid), home, shell)


def _plan_group(host: str, account: Account, found: dict[str, str], draft: Draft) -> bool:
    by_name = found.get("group_by_name", "").split(":")
    by_id = found.get("group_by_id", "").split(":")
    if len(by_name) > 2:
        if by_name[2] != str(account.gid):
            draft.refuse(
                f"{host}: group {account.group}",
                f"its id is {by_name[2]}, on the coordinator {account.gid}",
                f"change it there ('groupmod -g {account.gid} {account.group}') and give it its files again",
            )
            return False
        return True
    if len(by_id) > 2:
        draft.refuse(
            f"{host}: group id {account.gid}",
            f"it belongs to group {by_id[0]}, but {account.group} has it on the coordinator",
            f"give group {by_id[0]} another id there",
        )
        return False
    draft.state(
        StateChange(
            subject=f"group {account.group}",
            old="",
            new=str(account.gid),
            why="the id it has on the coordinator",
            probe=f"getent group {shlex.quote(account.group)} | cut -d: -f3",
            do=f"groupadd -g {account.gid} {shlex.quote(account.group)}",
            undo=f"groupdel {shlex.quote(account.group)}",
        )
    )
    return True


def _plan_user(host: str, account: Account, found: dict[str, str], draft: Draft) -> bool:
    """Whether the user is there already, as it should be."""
    by_name = found.get("user_by_name", "").split(":")
    by_id = found.get("user_by_id", "").split(":")
    if len(by_name) > 3:
        ids = f"{by_name[2]}:{by_name[3]}"
        if ids != f"{account.uid}:{account.gid}":
            draft.refuse(
                f"{host}: user {account.user}",
                f"its ids are {ids}, on the coordinator {account.uid}:{account.gid}",
                f"change them there ('usermod -u {account.uid} -g {account.gid} {account.user}') "
                "and give it its files again",
            )
            return False
        return True
    if len(by_id) > 3:
        draft.refuse(
            f"{host}: user id {account.uid}",
            f"it belongs to user {by_id[0]}, but {account.user} has it on the coordinator",
            f"give user {by_id[0]} another id there",
        )
        return False
    home = shlex.quote(account.home)
    user = shlex.quote(account.user)
    # '*' is no password at all; useradd's own '!' would lock the account, and some sshd refuse keys of locked ones.
    # --system would make no home; -K keeps a login.defs from refusing the id.
    do = (
        f"useradd -u {account.uid} -g {account.gid} -M -d {home} -s {shlex.quote(account.shell)} -p '*' {user} && "
        f"{_make_home(account)}"
    )
    was = "was" if found.get("home") == "there" else "none"
    undo, rest = f"userdel {user}", ""
    if was == "none":  # what was in a home before is not ours to remove
        undo = f"{_require_only_ours(account)} && {undo} && rm -rf --one-file-system -- {home}"
        rest = f"getent passwd {user} >/dev/null || [ ! -d {home} ] || echo home without user; "
    draft.state(
        StateChange(
            subject=f"user {account.user}",
            old="",
            new=f"{account.uid}:{account.gid} {account.home}",
            why="the ids, home and shell it has on the coordinator",
            probe=(
                f"getent passwd {user} | awk -F: '{{ print $3 \":\" $4, $6 }}'; "
                f"getent passwd {user} >/dev/null && [ ! -d {home} ] && echo without home; {rest}true"
            ),
            do=f"if getent passwd {user} >/dev/null; then {_make_home(account)}; else {do}; fi",
            undo=undo,
        )
    )
    return False


def _make_home(account: Account) -> str:
    home = shlex.quote(account.home)
    parent = shlex.quote(posixpath.dirname(account.home.rstrip("/")) or "/")
    return (
        f"[ -d {home} ] || {{ mkdir -p -- {parent} && cp -rT {SKELETON} {home}.new && "
        f"chown -R {account.uid}:{account.gid} {home}.new && chmod 700 {home}.new && mv -T {home}.new {home}; }}"
    )


def _require_only_ours(account: Account) -> str:
    """Shell that fails, and names them, if there are files in the home that others have put there or changed."""
    ours = "|".join(f"./{name}" for name in _OURS)
    return f"""{{ home={shlex.quote(account.home)} skeleton={SKELETON}
others=$(
    [ ! -L "$home" ] || {{ echo "it is a link now"; exit; }}
    cd -- "$home" 2>/dev/null || exit
    device=$(stat -c %d .)
    find . -mindepth 1 -print0 | while IFS= read -r -d '' file; do
        model=$skeleton/$file
        if [ -L "$file" ]; then
            [ ! -L "$model" ] || [ "$(readlink -- "$file")" != "$(readlink -- "$model")" ] || continue
        elif [ "$(stat -c %d -- "$file")" = "$device" ]; then
            case $file in {ours}) continue ;; esac
            if [ -d "$file" ]; then [ ! -d "$model" ] || continue
            elif [ -f "$file" ]; then ! cmp -s -- "$file" "$model" || continue; fi
        fi
        printf '%s ' "${{file#./}}"
    done)
[ -z "$others" ] || {{ printf '%s holds what others have put there: %s\n' "$home" "$others" | cut -c 1-500 >&2
    echo 'Take it away, or remove user and home by hand.' >&2; exit 1; }}; }}"""


def _plan_key(situation: Situation, account: Account, draft: Draft) -> None:
    key = shlex.quote(situation.login_key)
    ssh = f"{shlex.quote(account.home)}/.ssh"
    file = f"{ssh}/authorized_keys"
    body = situation.login_key.split()[1]
    there = any(body in line.split() for line in situation.new.lines("authorized_keys"))
    draft.state(
        StateChange(
            subject=f"key of the connection in {account.home}/.ssh/authorized_keys",
            old="yes" if there else "no",
            new="yes",
            why=f"the expansion logs in as {account.user}",
            probe=f"grep -qsF -- {shlex.quote(body)} {file} && echo yes || echo no",
            do=(
                f"umask 077; mkdir -p -- {ssh} && touch -- {file} && "
                # A last line without its end would swallow the key.
                f'{{ [ -z "$(tail -c 1 -- {file})" ] || echo >> {file}; }} && '
                f"{{ grep -qF -- {shlex.quote(body)} {file} || printf '%s\\n' {key} >> {file}; }} && "
                f"chown {account.uid}:{account.gid} {ssh} {file}"
            ),
            undo=(
                f"t=$(mktemp -- {file}.XXXXXX) && {{ grep -vF -- {shlex.quote(body)} {file} > $t; "
                f"chown --reference={file} -- $t && chmod --reference={file} -- $t && mv -f -- $t {file}; }}"
            ),
        )
    )
