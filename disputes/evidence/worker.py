"""The process that opens what strangers send: `python -m disputes.evidence.worker OUT FILE…`.

It has no Django, no database and no secret, a bound on memory, time and what it writes; a decoder that crashes or
never ends takes nothing else with it. For each file it prints one line of JSON, `{"kind": …}` with the clean file as
`OUT/<position>`, of a picture also a small one as `OUT/<position>.preview`, or `{"refused": …}`.
"""

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from disputes.evidence.images import clean_image
from disputes.evidence.pdfs import clean_pdf
from disputes.evidence.rules import MOST_BYTES, PREVIEW, Cleaned, Refused, kind_of

MEMORY_BYTES: Final = 1024 * 1024 * 1024
CPU_SECONDS: Final = 20


def clean(content: bytes) -> Cleaned:
    """What is kept of a file. Raises Refused."""
    if len(content) > MOST_BYTES:
        raise Refused("too_large")
    kind = kind_of(content)
    try:
        return clean_pdf(content) if kind == "pdf" else clean_image(content, kind)
    except RecursionError as error:
        raise Refused("too_complicated") from error


def limit_this_process() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, MOST_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(what, (most, most))


def main(folder: str, *paths: str) -> None:
    limit_this_process()
    for position, path in enumerate(paths):
        try:
            with Path(path).open("rb") as file:
                cleaned = clean(file.read(MOST_BYTES + 1))
            (Path(folder) / str(position)).write_bytes(cleaned.content)
            if cleaned.preview is not None:
                (Path(folder) / f"{position}{PREVIEW}").write_bytes(cleaned.preview)
            answer = {"kind": cleaned.kind}
        except Refused as refusal:
            answer = {"refused": refusal.code}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
