"""The gradebook: one SQLite file with a row a submission and a row a test of it.

A submission's rows change together or not at all, so a run that is cut off anywhere leaves a good book. What decides
about points (seed, data, tests, limits, isolation) is the book's *terms*: a book holds the grades of one set of terms.
The view `results` has one row a submission and test, with everything.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mp09.classroom.collect import Handin
from mp09.errors import ClassError
from mp09.grading.report import GradeReport, TestResult

VERSION = 1
GRADED, FAULT, UNREADABLE = "graded", "infrastructure fault", "unreadable"
LOCK_S = 5.0
PLAIN = ("score", "max_score", "source", "scored", "accuracy", "seconds", "seed", "memory_mib", "device")
SCHEMA = """
CREATE TABLE terms (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE submission (
    key TEXT PRIMARY KEY, name TEXT, email TEXT, sid TEXT, submitted_at TEXT, late INTEGER, digest TEXT,
    status TEXT, problem TEXT, score REAL, max_score REAL, accuracy REAL, near_step INTEGER, source TEXT,
    scored INTEGER, isolation TEXT, remarks TEXT, device TEXT, versions TEXT, seed INTEGER, seconds REAL,
    memory_mib INTEGER
);
CREATE TABLE test (
    key TEXT REFERENCES submission ON DELETE CASCADE, number TEXT, name TEXT, score REAL, max_score REAL, status TEXT,
    visibility TEXT, tags TEXT, diagnosis TEXT, output TEXT, advice TEXT, PRIMARY KEY (key, number)
);
CREATE VIEW results AS
    SELECT s.key, s.name AS student, t.number, t.name AS test, t.score, t.max_score, t.status, t.diagnosis, s.accuracy,
           s.versions, s.seed, s.source, s.isolation, s.device, s.digest
    FROM test t JOIN submission s USING (key) ORDER BY s.key, t.number;
"""


@dataclass(frozen=True)
class Entry:
    """A submission in the book. report: None when nothing could be graded; then `problem` says why."""

    key: str
    name: str
    email: str
    sid: str
    submitted_at: str
    late: bool
    digest: str
    status: str
    problem: str
    report: GradeReport | None


@dataclass(frozen=True)
class Known:
    """What decides whether a submission is graded again. digest: of what was handed in."""

    name: str
    digest: str
    status: str


class Gradebook:
    """Use as a context manager. One process at a time may write."""

    def __init__(self, path: Path, *, create: bool = False):
        """Raises ClassError when there is none, it is another version's, damaged, or being written by another run."""
        if not create and not path.is_file():
            raise ClassError(f"{path}: no gradebook here; python -m mp09 grade-all makes one.")
        self.path, self._lock = path, None
        with self._explained():
            self._db = sqlite3.connect(path, timeout=LOCK_S, isolation_level=None)
            self._db.execute("PRAGMA foreign_keys = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION) or (version == 0 and not create):
                raise ClassError(f"{path}: a gradebook of version {version}; this program reads version {VERSION}.")
        if create:
            self._only_writer()
            with self._explained():
                self._db.execute("PRAGMA journal_mode = WAL")  # readers are not in the way
            if version == 0:
                with self._change() as db:
                    for statement in (*SCHEMA.split(";"), f"PRAGMA user_version = {VERSION}"):
                        db.execute(statement)

    def __enter__(self) -> "Gradebook":
        return self

    def __exit__(self, *_) -> None:
        self._db.close()
        if self._lock:
            self._lock.close()

    def agree(self, terms: dict[str, str], *, replace: bool) -> None:
        """Take these terms.

        replace: grades there count as missing from now on; those on other terms go into a copy of the book beside it.
        Raises ClassError when the book has other terms and they are not to be replaced.
        """
        known = self.terms()
        if known and known != terms:
            if not replace:
                other = ", ".join(
                    f"{name}: {known.get(name)} there, {terms.get(name)} now"
                    for name in sorted({*known, *terms})
                    if known.get(name) != terms.get(name)
                )
                raise ClassError(
                    f"{self.path}: graded on other terms ({other}). Choose another --out, or --regrade everything."
                )
            with self._explained():
                self._db.execute(
                    "VACUUM INTO ?", [str(self.path.with_name(f"{self.path.stem}-{time.time_ns()}.sqlite"))]
                )
        with self._change() as db:
            if known != terms:
                db.execute("DELETE FROM submission")
            elif replace:
                db.execute("UPDATE submission SET digest = ''")
            db.execute("DELETE FROM terms")
            db.executemany("INSERT INTO terms VALUES (?, ?)", sorted(terms.items()))

    def terms(self) -> dict[str, str]:
        with self._explained():
            return dict(self._db.execute("SELECT name, value FROM terms ORDER BY name"))

    def known(self) -> dict[str, Known]:
        """All submissions in the book, by key."""
        with self._explained():
            rows = self._db.execute("SELECT key, name, digest, status FROM submission")
            return {key: Known(*about) for key, *about in rows}

    def write(self, handin: Handin, digest: str, status: str, problem: str, report: GradeReport | None) -> None:
        """Put a submission's rows in the place of older ones."""
        row = {"key": handin.key, "name": handin.name, "email": handin.email, "sid": handin.sid, "digest": digest}
        row |= {"submitted_at": handin.submitted_at, "late": handin.late, "status": status, "problem": problem}
        tests = []
        if report:
            row |= {name: getattr(report, name) for name in PLAIN}
            row |= {"near_step": report.near_step, "isolation": report.sandbox, "remarks": json.dumps(report.remarks)}
            row["versions"] = json.dumps(report.versions, sort_keys=True)
            tests = [
                {"key": handin.key} | asdict(test) | {"tags": json.dumps(test.tags), "advice": json.dumps(test.advice)}
                for test in report.tests
            ]
        with self._change() as db:
            db.execute("DELETE FROM submission WHERE key = ?", [handin.key])
            _insert(db, "submission", row)
            for test in tests:
                _insert(db, "test", test)

    def entries(self) -> list[Entry]:
        """All submissions with their tests, by key."""
        with self._explained():
            self._db.row_factory = sqlite3.Row
            tests: dict[str, list[TestResult]] = {}
            for row in self._db.execute("SELECT * FROM test ORDER BY key, number"):
                record = {name: row[name] for name in row.keys() if name != "key"}  # noqa: SIM118 (sqlite3.Row)
                record |= {name: tuple(json.loads(row[name])) for name in ("tags", "advice")}
                tests.setdefault(row["key"], []).append(TestResult(**record))
            rows = self._db.execute("SELECT * FROM submission ORDER BY key").fetchall()
            self._db.row_factory = None
        return [_entry(row, tuple(tests.get(row["key"], ()))) for row in rows]

    def _only_writer(self) -> None:
        """Held until the end of this process, however it ends."""
        try:
            self._lock = sqlite3.connect(self.path.with_suffix(".lock"), timeout=0, isolation_level=None)
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            words = "another run is grading into this book" if "locked" in str(error) else error
            raise ClassError(f"{self.path}: {words}.") from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ClassError(f"{self.path}: {error}.") from error


def _insert(db: sqlite3.Connection, table: str, row: dict) -> None:
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def _entry(row: sqlite3.Row, tests: tuple[TestResult, ...]) -> Entry:
    report = None
    if row["score"] is not None:
        report = GradeReport(
            tests=tests,
            status=row["status"],
            sandbox=row["isolation"],
            near_step=bool(row["near_step"]),
            remarks=tuple(json.loads(row["remarks"])),
            versions=json.loads(row["versions"]),
            **{name: row[name] for name in PLAIN},
        )
    names = ("key", "name", "email", "sid", "submitted_at", "digest", "status", "problem")
    return Entry(**{name: row[name] for name in names}, late=bool(row["late"]), report=report)
