"""The database engine for a machine without PostgreSQL: the first query starts a server of our own.

For development and tests alone. Why and how: docs/decisions/0002-embedded-postgres.md
"""
