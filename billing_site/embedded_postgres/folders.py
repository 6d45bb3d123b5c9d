"""Where the embedded server keeps its things, and the Unix account it runs as.

PostgreSQL refuses to run as root; then it runs as an unprivileged account, and everything that account needs
lies where it can read. No permission outside our own folders is ever changed.
"""

import hashlib
import os
import pwd
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from billing_site.embedded_postgres.errors import EmbeddedPostgresError

# macOS allows 103 bytes for the path of a socket, Linux 107.
LONGEST_SOCKET_PATH = 103
SOCKET_NAME = ".s.PGSQL.5432"
# Characters that neither a shell, nor PostgreSQL's list of socket folders, nor a conninfo string interprets.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+@=:~-]+")
SHORT_PARENT = Path("/tmp").resolve()  # noqa: S108 (what is made there is checked)
OURS = re.compile(
    r"data|data\.new.*|start\.lock|alive\.lock|server\.log.*|\.s\.PGSQL\..*|programs.*|mails|\.?razorpay_sandbox\.json.*"
)


@dataclass(frozen=True)
class Account:
    """An unprivileged Unix account that the server runs as when we are root."""

    name: str
    uid: int
    gid: int

    @property
    def ids(self) -> tuple[int, int]:
        return self.uid, self.gid


def account_for(home: Path) -> Account | None:
    """None when we are not root: the server runs as ourselves.

    For root: who owns the data, else the folder, else the checkout around it; else `postgres` or `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for path in (home / "data", home, home.parent):
        account = _owner(path)
        if account:
            return account
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedPostgresError(
        "PostgreSQL doesn't run as root, and there is no account «postgres» or «nobody» to run it as. "
        "Run as an ordinary user, or set DATABASE_URL."
    )


def _owner(path: Path) -> Account | None:
    try:
        uid = path.stat().st_uid
        return _account(pwd.getpwuid(uid)) if uid else None
    except (OSError, KeyError):
        return None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_enter(path: Path, account: Account) -> bool:
    """Whether the account may walk from the root down to this folder (which need not exist yet)."""
    existing = [folder for folder in (path, *path.parents) if folder.exists()]
    return all(allows(folder, account, stat.S_IXOTH) for folder in existing)


def allows(path: Path, account: Account, right: int) -> bool:
    """`right` as the bit for others (S_IROTH, S_IXOTH); looked up in the class the account falls in."""
    info = path.stat()
    if info.st_uid == account.uid:
        right <<= 6
    elif info.st_gid == account.gid:
        right <<= 3
    return bool(info.st_mode & right)


def working_folder(home: Path, elsewhere: Path, account: Account | None) -> Path:
    """`home` itself, unless the server's account can't get there: then a folder of its own in `elsewhere`.

    Data that exists decides first, so that a later chmod of a parent doesn't make a database disappear.
    """
    if account is None:
        return home
    other = elsewhere / f"clinic-credits-{digest(home)}"
    if (home / "data").is_dir():
        return home
    if (other / "data").is_dir() or not can_enter(home.parent, account):
        return other
    return home


def digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def prepare(folder: Path, account: Account | None) -> None:
    """Makes the folder 0700 for the server's account; refuses one that holds something else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The folder of the embedded PostgreSQL can't be used: {error}"
        ) from error
    try:
        info = os.fstat(descriptor)
        if account is None and info.st_uid != os.geteuid():
            raise EmbeddedPostgresError(
                f"{folder} belongs to another user (uid {info.st_uid}): run as that user, "
                "or set EMBEDDED_POSTGRES_DIR to a folder of your own."
            )
        strangers = sorted(name for name in os.listdir(descriptor) if not OURS.fullmatch(name))  # noqa: PTH208 (of what is open)
        if strangers:
            raise EmbeddedPostgresError(
                f"{folder} holds other things ({strangers[0]}): set EMBEDDED_POSTGRES_DIR to a folder "
                "that is empty or doesn't exist yet."
            )
        if account and info.st_uid != account.uid:
            os.fchown(descriptor, *account.ids)
        if stat.S_IMODE(info.st_mode) != 0o700:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def socket_folder(folder: Path, account: Account | None) -> Path:
    """The folder for the socket: ours when its path is short and plain, else a private temporary one.

    Where a running server really listens stands in `postmaster.pid`; this is only the choice for a new start.
    """
    inside = os.fsencode(folder / SOCKET_NAME)
    if len(inside) <= LONGEST_SOCKET_PATH and PLAIN_PATH.fullmatch(str(folder)):
        return folder
    return private_folder(f"pg-{digest(folder)}", account)


def private_folder(name: str, account: Account | None) -> Path:
    """A 0700 folder of the server's account under the temporary directory.

    The name may be guessed and taken by a stranger: then one with a random name is made instead.
    """
    uid = account.uid if account else os.geteuid()
    parent = Path(tempfile.gettempdir()).resolve()
    if len(os.fsencode(parent)) > 60 or not PLAIN_PATH.fullmatch(str(parent)):
        parent = SHORT_PARENT
    if account and not can_enter(parent, account):
        parent = SHORT_PARENT
    path = parent / f"{name}-{uid}"
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if is_private(path, uid):
            return path
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    if account:
        os.chown(path, *account.ids, follow_symlinks=False)
    return path


def is_private(path: Path, uid: int) -> bool:
    """A real folder, not a link to one, that belongs to `uid` and nobody else may enter."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == uid and not info.st_mode & 0o077


def hand_over(root: Path, account: Account) -> None:
    """Gives a data folder that was restored as root to the server's account; follows no link."""
    for folder, _, files in os.walk(root):
        os.lchown(folder, *account.ids)
        for name in files:
            os.lchown(Path(folder) / name, *account.ids)
