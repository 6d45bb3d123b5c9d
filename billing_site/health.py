"""Liveness and readiness, for the machine that restarts us and the one that sends us traffic."""

from functools import cache

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache


@method_decorator(never_cache, name="dispatch")
class Healthz(View):
    """GET /healthz: the web process answers. Asks nobody else, so that a database restart restarts no web server."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "ok"})


@method_decorator(never_cache, name="dispatch")
class Readyz(View):
    """GET /readyz: the database answers and has every migration this code needs; 503 otherwise."""

    def get(self, request: HttpRequest) -> JsonResponse:
        try:
            missing = newest_migrations() - set(MigrationRecorder(connection).applied_migrations())
        except DatabaseError:
            return JsonResponse({"status": "error", "code": "database_unreachable"}, status=503)
        if missing:
            return JsonResponse({"status": "error", "code": "migrations_missing"}, status=503)
        return JsonResponse({"status": "ok"})


@cache
def newest_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of each app, as this code has them on disk."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
