"""Keeps the gradebook: one SQLite file with a row for each submission and a row for each of its tests.

The rows of a submission change together or not at all, so a run that is cut off at any moment leaves a good book.
Everything that decides about points (seed, data, tests, limits, isolation and so on) is called the book's *terms*; a
book holds grades on one set of terms. The view `results` joins all this into one row for each submission and test.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mp09.classroom.book_entry import Columns, Entry, Known, columns_of, entry_in
from mp09.classroom.student_submission import StudentSubmission
from mp09.errors import ClassError
from mp09.grading.report import GradeReport, TestResult

VERSION = 2  # a book of version 1 has no remarks on files
LOCK_S = 5.0
SCHEMA = """
CREATE TABLE terms (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE submission (
    key TEXT PRIMARY KEY, name TEXT, email TEXT, sid TEXT, submitted_at TEXT, late INTEGER, digest TEXT,
    status TEXT, problem TEXT, score REAL, max_score REAL, accuracy REAL, near_step INTEGER, source TEXT,
    scored INTEGER, isolation TEXT, remarks TEXT, file_remark TEXT, device TEXT, versions TEXT, seed INTEGER,
    seconds REAL, memory_mib INTEGER
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


class Gradebook:
    """Reads and writes a gradebook. Use it as a context manager. Only one process at a time may write."""

    def __init__(self, path: Path, *, create: bool = False):
        """Open a gradebook.

        Args:
            path: the SQLite file.
            create: open it for writing, and make it if it does not exist. Otherwise it is only read.

        Raises:
            ClassError: there is no gradebook, another version wrote it, it is damaged, or another run is writing it.
        """
        if not create and not path.is_file():
            raise ClassError(f"{path}: no gradebook here; python -m mp09 grade-all makes one.")
        self.path = path
        self._lock: sqlite3.Connection | None = None
        with self._explained():
            self._db = sqlite3.connect(path, timeout=LOCK_S, isolation_level=None)
            self._db.execute("PRAGMA foreign_keys = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, 1, VERSION) or (version == 0 and not create):
                raise ClassError(f"{path}: a gradebook of version {version}; this program reads version {VERSION}.")
        if create:
            self._only_writer()
            with self._explained():
                self._db.execute("PRAGMA journal_mode = WAL")  # then readers don't block the writer
            if version == 1:
                with self._change() as db:
                    db.execute("ALTER TABLE submission ADD COLUMN file_remark TEXT")
                    db.execute(f"PRAGMA user_version = {VERSION}")
            if version == 0:
                with self._change() as db:
                    for statement in (*SCHEMA.split(";"), f"PRAGMA user_version = {VERSION}"):
                        db.execute(statement)

    def __enter__(self) -> "Gradebook":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        if self._lock:
            self._lock.close()

    def agree(self, terms: dict[str, str], *, replace: bool) -> None:
        """Set the book's terms.

        Args:
            terms: everything that decides about points, by name.
            replace: count all grades in the book as outdated. If they are on other terms, a copy of the book is saved
                beside it, and they are removed.

        Raises:
            ClassError: the book has other terms, and `replace` is False.
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
        """Return what is known of all submissions in the book, by key."""
        with self._explained():
            rows = self._db.execute("SELECT key, name, digest, status FROM submission")
            return {key: Known(*about) for key, *about in rows}

    def write(
        self, submission: StudentSubmission, digest: str, status: str, problem: str, report: GradeReport | None
    ) -> None:
        """Write the rows of a submission, in one step; older ones are replaced.

        Args:
            submission: whose rows they are.
            digest: of what was submitted.
            status: GRADED, FAULT or UNREADABLE.
            problem: why it could not be read or graded, or its copy could not be kept; "" otherwise.
            report: the result, or None.
        """
        about: Columns = {
            "key": submission.key,
            "name": submission.name,
            "email": submission.email,
            "sid": submission.sid,
            "submitted_at": submission.submitted_at,
            "late": submission.late,
            "digest": digest,
            "status": status,
            "problem": problem,
        }
        with self._change() as db:
            db.execute("DELETE FROM submission WHERE key = ?", [submission.key])
            _insert(db, "submission", about | columns_of(report) if report else about)
            for test in report.tests if report else ():
                lists = {"tags": json.dumps(test.tags), "advice": json.dumps(test.advice)}
                _insert(db, "test", {"key": submission.key} | asdict(test) | lists)

    def entries(self) -> list[Entry]:
        """Return all submissions with their tests, sorted by key."""
        with self._explained():
            self._db.row_factory = sqlite3.Row
            tests: dict[str, list[TestResult]] = {}
            for row in self._db.execute("SELECT * FROM test ORDER BY key, number"):
                record = {name: row[name] for name in row.keys() if name != "key"}  # noqa: SIM118 (sqlite3.Row)
                record |= {name: tuple(json.loads(row[name])) for name in ("tags", "advice")}
                tests.setdefault(row["key"], []).append(TestResult(**record))
            rows = self._db.execute("SELECT * FROM submission ORDER BY key").fetchall()
            self._db.row_factory = None
        return [entry_in(row, tuple(tests.get(row["key"], ()))) for row in rows]

    def _only_writer(self) -> None:
        """Take a lock, which the system releases when this process ends, however it ends."""
        try:
            self._lock = sqlite3.connect(self.path.with_suffix(".lock"), timeout=0, isolation_level=None)
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            words = "another run is grading into this book" if "locked" in str(error) else error
            raise ClassError(f"{self.path}: {words}.") from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Make a transaction of what happens inside: all of it is written, or nothing."""
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


def _insert(db: sqlite3.Connection, table: str, row: Columns) -> None:
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
