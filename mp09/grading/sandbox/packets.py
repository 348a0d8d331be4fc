"""Define what the grader asks the warm process, and what that answers: records, each sent as one packet of JSON.

A packet is an object with one entry, whose name is that of the record and whose value holds the record's fields. Both
processes run the grader's own code only, so a packet is read without checks of its types.
"""

import json
from dataclasses import asdict, dataclass

from mp09.grading.sandbox.conversation import WorkerSettings
from mp09.grading.sandbox.held import UNSEEN, Held
from mp09.grading.sandbox.isolation import Policy

PACKET = 1 << 20  # bytes


@dataclass(frozen=True)
class Fork:
    """Asks for a new worker. It comes with three descriptors: requests and replies, log, status.

    Attributes:
        folder: The worker's working folder.
        settings: What the worker is told.
        environment: Its environment variables.
        policy: What it may do. The warm process chooses the user.
        group: The folder of its memory control group; None where there is none.
    """

    folder: str
    settings: WorkerSettings
    environment: dict[str, str]
    policy: Policy
    group: str | None


@dataclass(frozen=True)
class Look:
    """Asks what a worker, whose id comes first, and its processes hold of removed files."""

    pids: list[int]


@dataclass(frozen=True)
class End:
    """Asks to kill the worker of this id, and to remove what it left behind."""

    pid: int


@dataclass(frozen=True)
class WarmAnswer:
    """Answers a request, or says without one that the process is ready.

    Attributes:
        pid: After `Fork`, the id of the new worker.
        held: After `Look`, what was found.
        left: After `End`, the number of processes that could not be ended.
        error: Why the request failed; None when it did not.
    """

    pid: int = 0
    held: Held = UNSEEN
    left: int = 0
    error: str | None = None


Request = Fork | Look | End


def packed(record: Request | WarmAnswer) -> bytes:
    return json.dumps({type(record).__name__: asdict(record)}).encode()


def request_in(packet: bytes) -> Request:
    ((name, fields),) = json.loads(packet).items()
    if name == "Fork":
        fields["settings"], fields["policy"] = WorkerSettings(**fields["settings"]), Policy(**fields["policy"])
        return Fork(**fields)
    return Look(**fields) if name == "Look" else End(**fields)


def answer_in(packet: bytes) -> WarmAnswer:
    fields = json.loads(packet)["WarmAnswer"]
    return WarmAnswer(**fields | {"held": Held(*fields["held"])})
