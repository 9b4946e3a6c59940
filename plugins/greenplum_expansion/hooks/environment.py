"""Where Greenplum lives on the coordinator: found by looking, believed when it is there."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import asdict, dataclass

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.remote import RemoteHost, Script

# Tried in this order after what the connection says, the running server and the login environment.
_USUAL_PLACES = (
    "/usr/local/greenplum-db /usr/local/cloudberry-db /usr/local/cbdb /usr/local/greengage-db /opt/ymatrix/matrixdb"
)
_PATH_SCRIPTS = "greenplum_path.sh cloudberry-env.sh greengage_path.sh"


@dataclass(frozen=True)
class CoordinatorEnvironment:
    """What the gp utilities need to be told.

    :param gphome: installation directory; ``path_script`` and bin/gpexpand exist in it
    :param coordinator_data_directory: exists, belongs to a coordinator (it has postgresql.conf and can be entered)
    :param port: of the coordinator as in the catalog; through a relay it differs from the connection's
    :param user: operating system user the utilities run as
    :param home: that user's home directory
    :param hostname: the coordinator's name as the cluster knows it
    :param path_script: file to source, absolute
    """

    gphome: str
    coordinator_data_directory: str
    port: int
    user: str
    home: str
    hostname: str
    path_script: str

    @property
    def expansions_directory(self) -> str:
        """Where the files of all expansions are kept."""
        return posixpath.join(self.home, "greenplum-expansions")

    @property
    def setup(self) -> str:
        """Shell lines that make a gp utility find everything; trusted, quoted, for RemoteHost.run and RemoteJob."""
        directory = shlex.quote(self.coordinator_data_directory)
        return "\n".join(
            (
                # What ~/.bashrc set for another installation must not survive.
                "unset PYTHONHOME PYTHONPATH",
                f". {shlex.quote(self.path_script)} || exit 127",
                f"export MASTER_DATA_DIRECTORY={directory} COORDINATOR_DATA_DIRECTORY={directory} PGPORT={self.port}",
                'export USER="${USER:-$(id -un)}" LOGNAME="${LOGNAME:-$(id -un)}"',
                "unset PGHOST PGUSER PGDATABASE PGOPTIONS PGPASSWORD",
            )
        )

    def as_dict(self) -> dict[str, str | int]:
        """For XCom and the report."""
        return asdict(self)


def discover(
    host: RemoteHost,
    *,
    data_directory: str,
    port: int,
    hostname: str,
    backend_pid: int | None,
    gphome: str | None = None,
) -> CoordinatorEnvironment:
    """Look on the coordinator for the installation and verify the data directory.

    :param data_directory: as the server says (``coordinator_settings.sql``) or as the connection says
    :param port: as in the catalog
    :param hostname: as in the catalog
    :param backend_pid: of an SQL session that is open now; its parent here must be the server of that directory.
        The standby has the same paths, and utilities run there would be a disaster. None: the server is down, and the
        caller has made sure that it is the coordinator's directory
    :param gphome: as the connection says; None: look at the running server, the login environment and the usual places
    :raises RemoteError: no gpexpand, no such data directory, or the server that answers SQL is not on that host
    """
    values = _look(host, data_directory, gphome, backend_pid)
    if values.get("data") != "yes":
        cause = f"{data_directory} {values.get('data') or 'was not looked at'}"
        action = (
            "check that ssh_host is the coordinator and ssh_user the owner of its files, "
            "or correct coordinator_data_directory in the connection"
        )
        raise RemoteError(f"Coordinator data directory on {host.hostname} as {host.user}", cause, action)
    if backend_pid is not None and values.get("server") != "yes":
        cause = (
            f"{data_directory} there is not the one of the server that answers SQL: "
            f"process {backend_pid}, our session, is no child of the server there"
        )
        action = f"correct ssh_host in the connection: it must be the coordinator {hostname}, not its standby"
        raise RemoteError(f"SSH host {host.hostname}", cause, action)
    if not values.get("gphome"):
        where = gphome or values.get("tried", "")
        scripts = _PATH_SCRIPTS.replace(" ", ", ")
        cause = f"no directory with bin/gpexpand and one of {scripts} among: {where}"
        raise RemoteError(f"GPHOME on {host.hostname}", cause, "enter it as gphome in the connection")
    return CoordinatorEnvironment(
        gphome=values["gphome"],
        coordinator_data_directory=data_directory,
        port=port,
        user=values["user"],
        home=values["home"],
        hostname=hostname,
        path_script=values["path_script"],
    )


def _look(host: RemoteHost, data_directory: str, gphome: str | None, backend_pid: int | None) -> dict[str, str]:
    data = shlex.quote(data_directory)
    given = shlex.quote(gphome or "")
    # What a login shell prints around the variable is cut off at the marks.
    text = f"""
given={given}; data={data}
printf 'user=%s\\n' "$(id -un)"
home=$HOME; [ -d "$home" ] || home=$(getent passwd "$(id -u)" | cut -d: -f6)
printf 'home=%s\\n' "$home"
if ! [ -d "$data" ]; then why='does not exist'
    [ -e "$data" ] && why='is no directory'
elif ! [ -x "$data" ] || ! [ -r "$data" ]; then why='cannot be entered'
elif ! [ -e "$data/postgresql.conf" ]; then why='holds no database (no postgresql.conf)'
else why=yes
fi
printf 'data=%s\\n' "$why"
if read -r stat 2>/dev/null </proc/{int(backend_pid or 0)}/stat &&
        read -r server 2>/dev/null <"$data/postmaster.pid"; then
    set -- ${{stat##*) }}
    [ "$2" = "$server" ] && printf 'server=yes\\n'
fi
tried=
consider() {{
    [ -n "$1" ] && [ -d "$1" ] || return 1
    case " $tried " in *" $1 "*) return 1;; esac
    tried="$tried $1"
    [ -x "$1/bin/gpexpand" ] || return 1
    for script in {_PATH_SCRIPTS}; do
        if [ -r "$1/$script" ]; then printf 'gphome=%s\\npath_script=%s\\n' "$1" "$1/$script"; return 0; fi
    done
    return 1
}}
search() {{
    if [ -n "$given" ]; then consider "$given"; return; fi
    if [ -r "$data/postmaster.pid" ] && read -r pid <"$data/postmaster.pid"; then
        exe=$(readlink "/proc/$pid/exe") && consider "${{exe%/bin/*}}" && return
    fi
    consider "$GPHOME" && return
    for flags in -lc -ic; do
        said=$(timeout 10 bash $flags 'printf "<gphome>%s</gphome>" "$GPHOME"' 2>/dev/null </dev/null)
        said=${{said##*<gphome>}}
        consider "${{said%%</gphome>*}}" && return
    done
    for place in {_USUAL_PLACES} /usr/local/greenplum-db-* /usr/local/cloudberry-db-*; do
        consider "$place" && return
    done
}}
search
printf 'tried=%s\\n' "${{tried# }}"
exit 0"""
    result = host.run(Script(text, "look for Greenplum"), timeout=60)
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
