"""The schedules as the queue knows them. Imported by procrastinate when a worker starts."""

import logging
from typing import Final

from django.db import connections
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from billing_site.jobs import runs
from billing_site.jobs.schedules import BY_NAME, SCHEDULES

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 5  # of one turn, cut-off ones included
under_way: list[str] = []  # what this process is at; a name twice where a turn comes too early


class TurnFailed(Exception):
    """The log and `scheduled_runs` have it already; the queue asks only whether to try again."""


class BeforeTheNextTurn(BaseRetryStrategy):
    """Ten minutes later, where the next turn is hours away: a database that restarts at 03:00 must not cost the day's
    mails. What has a turn every few minutes waits for that."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        return RetryDecision(retry_in={"minutes": 10}) if is_tried_again(job) else None


def is_tried_again(job: Job) -> bool:
    schedule = BY_NAME.get(str(job.task_kwargs["name"]))
    return schedule is not None and schedule.is_rare and job.attempts + 1 < MOST_TRIES


@app.task(name="run_scheduled", retry=BeforeTheNextTurn(), pass_context=True)
def run_scheduled(context: JobContext, timestamp: int, *, name: str) -> None:
    """Takes the turn of a schedule that was due at `timestamp` (seconds since 1970)."""
    schedule = BY_NAME.get(name)
    if schedule is None:
        logger.warning("Schedule %s is no longer on the list: its turn is dropped.", name)
        return
    under_way.append(name)
    try:
        if runs.run(schedule) is runs.Outcome.FAILED and is_tried_again(context.job):
            raise TurnFailed(name)
    finally:
        under_way.remove(name)
        connections.close_all()  # threads wait long between turns, and a connection is dear


for each in SCHEDULES:
    # One turn of each may wait; that no two run at once is the lock's business (`runs.only_here`). Not procrastinate's
    # `lock`: a job whose worker was killed would hold it for ever.
    app.periodic(
        cron=each.cron, periodic_id=each.name, task_kwargs={"name": each.name}, queueing_lock=each.name
    )(run_scheduled)
