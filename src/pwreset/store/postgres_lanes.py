"""How jobs are run where other nodes write at the same time."""

from __future__ import annotations

from pwreset.store.connection import Connection
from pwreset.store.deliveries import Outcomes
from pwreset.store.lane import Jobs, Share, note, roll_back, write_together
from pwreset.store.postgres_statements import BEGIN_STILL, LOCK_CHAIN, LOCK_PEOPLE
from pwreset.store.requests import NewRequest
from pwreset.store.rows import as_json


def lock_people(connection: Connection, jobs: Jobs) -> None:
    """Let no other node change links of the people whose links these jobs change, until the commit.

    Two that do not see each other's rows would both do what only one may: let two links of one person live, or claim
    both. Who has waited sees, with the next statement, what the other one has committed.
    """
    people: set[str] = set()
    requests: list[str] = []
    deliveries: list[str] = []
    for job in jobs:
        share = job.share if isinstance(job, Share) else None
        if isinstance(share, NewRequest):
            people.add(f"{share.request['domain']}:{share.request['user_id']}")
        elif isinstance(share, Outcomes):
            deliveries += [settlement.delivery_id for settlement in share.settlements]
        elif job.link:
            requests.append(job.link)
    if people or requests or deliveries:
        connection.execute(
            LOCK_PEOPLE,
            {"people": as_json(list(people)), "requests": as_json(requests), "deliveries": as_json(deliveries)},
        )


def _lock_chain(connection: Connection, _jobs: Jobs) -> None:
    connection.execute(LOCK_CHAIN)


def care(connection: Connection, jobs: Jobs) -> None:
    """Chain and purge, each job in a transaction of its own, while no other node does.

    Among the jobs that people wait for it would hold two locks at once, and all nodes up.
    """
    for job in jobs:
        write_together(connection, [job], _lock_chain)


def read_still(connection: Connection, jobs: Jobs) -> None:
    """Run reading jobs, each on the store as it was at one moment: a purge must not come between two statements."""
    for job in jobs:
        try:
            connection.execute(BEGIN_STILL)
            job.run(connection)
            connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - it belongs to the job's caller, and the thread must live
            roll_back(connection)
            note(error)
            job.fail(error)
