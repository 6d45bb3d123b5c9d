"""The worker's process: takes the turns of the schedules until it is told to stop, whatever the database does."""

import asyncio
import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import psycopg
from django.db import Error as DatabaseProblem
from django.db import connections
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector

from billing_site.jobs.abandoned import put_back_again_and_again
from billing_site.jobs.schedules import SCHEDULES
from billing_site.jobs.tasks import under_way

logger = logging.getLogger(__name__)

# Each schedule runs once at a time, so this many threads are enough for none to wait for another.
AT_ONCE: Final = len(SCHEDULES) + 2
RETRY_SECONDS: Final = 2.0
POOL_SECONDS: Final = 3.0  # a restart of the database within them goes unnoticed
SAME_COMPLAINT_AFTER: Final = 60.0
LOST: Final = (DatabaseProblem, ConnectorException, psycopg.Error, OSError)


class NotMigrated(Exception):
    """The tables of the queue are not there."""


def run_worker(*, grace: float) -> None:
    """Returns when SIGTERM or SIGINT came and what was under way is done, or `grace` seconds later.

    A database that can't be used at the start is raised; one that goes away later is waited for.
    """
    connections.close_all()
    asyncio.run(live(grace=grace))


async def live(*, grace: float) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(note)
    loop.set_default_executor(ThreadPoolExecutor(AT_ONCE + 4))
    await asyncio.to_thread(usable_database)
    logger.info("The worker takes the turns of %s schedules.", len(SCHEDULES))
    complained_at: float | None = None
    while not stop.is_set():
        try:
            await one_life(stop, grace=grace, is_back=complained_at is not None)
            complained_at = None
        except LOST as problem:
            if complained_at is None or time.monotonic() - complained_at > SAME_COMPLAINT_AFTER:
                complained_at = time.monotonic()
                kind = type(problem.__cause__ or problem).__name__
                logger.error("The database can't be used (%s): the worker waits for it.", kind)
        await sleep_unless(stop, RETRY_SECONDS)


async def one_life(stop: asyncio.Event, *, grace: float, is_back: bool) -> None:
    """From a database that can be used to one that can't, or to the end."""
    parameters = await asyncio.to_thread(usable_database)
    connector = PsycopgConnector(kwargs=parameters, min_size=1, max_size=4, timeout=POOL_SECONDS)
    with app.replace_connector(connector):
        async with app.open_async():
            if is_back:
                logger.warning("The database is back: the worker goes on.")
            await until_any_ends(stop, grace=grace)


def usable_database() -> dict[str, Any]:
    """How to reach it, once it was reached. Raises what stands in the way."""
    connection = connections["default"].copy()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('scheduled_runs'), to_regclass('procrastinate_jobs')")
            if None in cursor.fetchone():
                raise NotMigrated
    finally:
        connection.close()
    return connector_params("default")


def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Of what procrastinate lets fall: a turn's end that could not be stored. It is found again, see `abandoned`."""
    problem = context.get("exception")
    if isinstance(problem, LOST):
        logger.warning("The queue could not be told how a turn ended (%s).", type(problem).__name__)
    else:
        loop.default_exception_handler(context)


async def until_any_ends(stop: asyncio.Event, *, grace: float) -> None:
    worker = asyncio.create_task(
        app.run_worker_async(
            concurrency=AT_ONCE,
            fetch_job_polling_interval=1.0,
            # Turns come by the clock of this very process: nothing to be notified of, one connection less.
            listen_notify=False,
            delete_jobs="always",  # `scheduled_runs` says how a turn ended
            install_signal_handlers=False,
        )
    )
    rescue = asyncio.create_task(put_back_again_and_again(app))
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({worker, rescue, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        rescue.cancel()
        worker.cancel()
    await end_of(worker, stop, grace=grace)
    for task in (worker, rescue):
        if task.done() and not task.cancelled() and not stop.is_set():
            task.result()  # raises what ended it
            logger.error("The queue ended by itself, for the reason above: it is begun again.")


async def end_of(worker: "asyncio.Task[None]", stop: asyncio.Event, *, grace: float) -> None:
    """Waits for what is under way. Told to stop, no longer than `grace` seconds; otherwise until it is told."""
    if not stop.is_set():
        told = asyncio.create_task(stop.wait())
        await asyncio.wait({worker, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
    if worker.done():
        return
    if under_way:
        logger.info("The worker stops when these are done: %s.", ", ".join(sorted(set(under_way))))
    await asyncio.wait({worker}, timeout=grace)
    if not worker.done():
        logger.warning(
            "Still under way after %s seconds, so cut off: %s. The next worker takes the turn again.",
            f"{grace:g}",
            ", ".join(sorted(set(under_way))),
        )
        logging.shutdown()
        os._exit(0)  # threads can't be ended; every schedule may be cut off anywhere


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
