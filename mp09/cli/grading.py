"""Define the command of the grading package: doctor."""

import argparse
from pathlib import Path

from mp09.cli.common import Commands, add_batches


def add(commands: Commands) -> None:
    about = (
        "check Python, packages, data, checkpoint, threads, GPU and sandbox, and say what to do where one is not right"
    )
    parser = commands.add_parser("doctor", help=about, description=about)
    add_batches(parser)
    parser.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from mp09.grading.doctor import examine

    findings = examine(Path.cwd(), args.data)
    for finding in findings:
        print(f"{'ok' if finding.ok else 'FAIL':4}  {finding.subject:12} {finding.text}")
        if finding.remedy:
            print(f"{'':18} {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1
