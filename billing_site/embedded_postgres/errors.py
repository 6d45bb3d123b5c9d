"""What the embedded server can fail with; each message says what to do."""


class EmbeddedPostgresError(Exception):
    """The embedded server can't be made, started or stopped."""


class RefusedOutsideDebugError(EmbeddedPostgresError):
    """The embedded server was asked for where DEBUG is off in the environment."""


def will_serve_soon(error: Exception) -> bool:
    """Whether a failed connection met a server that is starting, recovering, restarting or shutting down.

    libpq gives no SQLSTATE for a failed connection; the text is English: the server runs under LC_ALL=C.
    """
    return any(text in str(error) for text in ("the database system is", "server closed the connection"))
