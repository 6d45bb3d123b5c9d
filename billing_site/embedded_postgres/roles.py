"""The two roles and the database: one text for the embedded server and for production.

The owner owns the tables and migrates; the web's role owns nothing. Rights on tables are no matter of this
module: `manage.py migrate` grants them where the tables are made.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

OWNER = "clinic_credits_owner"
WEB = "clinic_credits_web"
DATABASE = "clinic_credits"

# The same order of texts on every machine, whatever the system's C library says (PostgreSQL ≥ 17).
CREATE_DATABASE = sql.SQL(
    "CREATE DATABASE {name} OWNER {owner} TEMPLATE template0"
    " ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
)
CREATE_ROLE = sql.SQL("CREATE ROLE {name} LOGIN")
CREATE_ROLE_FOR_TESTS = sql.SQL("CREATE ROLE {name} LOGIN CREATEDB")


@dataclass(frozen=True)
class Step:
    """A statement without IF NOT EXISTS of its own, and the question whether it is needed."""

    missing: sql.Composed
    create: sql.Composed


def steps(owner: str, web: str, database: str, create_owner: sql.SQL = CREATE_ROLE) -> list[Step]:
    no_role = sql.SQL("NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name})")
    no_database = sql.SQL("NOT EXISTS (SELECT FROM pg_database WHERE datname = {name})")
    return [
        Step(no_role.format(name=sql.Literal(owner)), create_owner.format(name=sql.Identifier(owner))),
        Step(no_role.format(name=sql.Literal(web)), CREATE_ROLE.format(name=sql.Identifier(web))),
        Step(
            no_database.format(name=sql.Literal(database)),
            CREATE_DATABASE.format(name=sql.Identifier(database), owner=sql.Identifier(owner)),
        ),
    ]


def grants(owner: str, web: str, database: str) -> list[sql.Composed]:
    """Repeatable: who may connect. The owner may do all to the database by owning it."""
    names = {"owner": sql.Identifier(owner), "web": sql.Identifier(web), "database": sql.Identifier(database)}
    return [
        sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names),
        sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names),
        sql.SQL("GRANT CONNECT ON DATABASE {database} TO {owner}, {web}").format(**names),
    ]


def bootstrap(connection: psycopg.Connection[TupleRow]) -> None:
    """Makes what is missing of the embedded server's roles and database; the connection is the superuser's.

    The owner may create databases here, since the tests make theirs with it.
    """
    for step in steps(OWNER, WEB, DATABASE, create_owner=CREATE_ROLE_FOR_TESTS):
        needed = connection.execute(sql.SQL("SELECT ") + step.missing).fetchone()
        if needed and needed[0]:
            connection.execute(step.create)
    for statement in grants(OWNER, WEB, DATABASE):
        connection.execute(statement)


def as_psql(owner: str, web: str, database: str) -> str:
    """The script for production, to be run twice without harm; it sets no passwords."""
    lines = [
        "-- As a superuser: manage.py database roles | psql -X -v ON_ERROR_STOP=1 -d postgres",
        "-- Then give both roles a password:",
        *(f"--   \\password {sql.Identifier(name).as_string(None)}" for name in (owner, web)),
        "-- Rights on tables are granted by manage.py migrate.",
    ]
    for step in steps(owner, web, database):
        statement = sql.Literal(step.create.as_string(None)).as_string(None)
        lines.append(f"SELECT {statement} WHERE {step.missing.as_string(None)} \\gexec")
    lines += [f"{statement.as_string(None)};" for statement in grants(owner, web, database)]
    return "\n".join(lines) + "\n"
