"""Turns whose worker is gone. procrastinate leaves their jobs at «doing» for ever; here they are found and put back.

A turn that is under way holds its schedule's lock (`runs.only_here`), which ends with the process that runs it. So a
job that began a while ago and whose lock nobody holds was cut off. It is looked at twice, since between letting go of
the lock and the job's end there is a moment. If it was not cut off after all, it runs twice, one after the other.
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from procrastinate import App
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status

from billing_site.jobs.runs import LOCKS
from billing_site.jobs.schedules import SCHEDULES
from billing_site.jobs.tasks import MOST_TRIES

logger = logging.getLogger(__name__)

PAUSE: Final = 10.0  # seconds between looks
SHORT_PAUSE: Final = 1.0  # before the second look; and at the start, which is often one that follows an end
AT_DOING_WITHOUT_A_LOCK: Final = """
SELECT job.id, job.attempts, job.args ->> 'name' AS name
  FROM procrastinate_jobs job
 WHERE job.status = 'doing'
   AND NOT EXISTS (
       SELECT FROM procrastinate_events event
        WHERE event.job_id = job.id AND event.type = 'started' AND event.at > now() - interval '10 seconds')
   AND NOT EXISTS (
       SELECT FROM unnest(%(names)s::text[], %(locks)s::bigint[]) AS known (name, lock)
         JOIN pg_locks held ON held.locktype = 'advisory' AND held.objsubid = 2
              AND held.classid = %(list)s::bigint::oid AND held.objid = known.lock::oid
              AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        WHERE known.name = job.args ->> 'name')
"""


@dataclass(frozen=True, slots=True)
class CutOff:
    job: int
    name: str
    attempts: int


async def put_back_again_and_again(app: App) -> None:
    """Runs beside the worker. Raises what the database raises."""
    seen: set[int] = set()
    begun = time.monotonic()
    while True:
        found = await cut_off(app)
        for one in found:
            if one.job in seen:
                await put_back(app, one)
        seen = {one.job for one in found}
        is_early = time.monotonic() - begun < 2 * PAUSE
        await asyncio.sleep(SHORT_PAUSE if seen or is_early else PAUSE)


async def cut_off(app: App) -> list[CutOff]:
    rows = await app.connector.execute_query_all_async(
        AT_DOING_WITHOUT_A_LOCK,
        names=[schedule.name for schedule in SCHEDULES],
        locks=[schedule.lock for schedule in SCHEDULES],
        list=LOCKS,
    )
    return [CutOff(row["id"], row["name"], row["attempts"]) for row in rows]


async def put_back(app: App, one: CutOff) -> None:
    """Its turn is taken once more, unless the next one waits already or it was cut off too often: then it brings the
    worker down, and all others wait for it."""
    if one.attempts + 1 < MOST_TRIES:
        with suppress(UniqueViolation):
            await app.job_manager.retry_job_by_id_async(one.job, retry_at=datetime.now(UTC))
            logger.warning("Schedule %s was cut off: its turn is taken again.", one.name)
            return
    else:
        logger.error("Schedule %s was cut off %s times: it waits for its next turn.", one.name, MOST_TRIES)
    with suppress(ConnectorException):  # another worker was quicker
        await app.job_manager.finish_job_by_id_async(one.job, status=Status.FAILED, delete_job=True)
