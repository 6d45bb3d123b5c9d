"""The process that sets documents: `python -I documents_compiler.py < JSON > PDFs`.

It has no Django, no database and no secret, a bound on memory and time, and reads one folder of templates and one of
fonts. In: {"folder", "fonts", "documents": [{"template", "data"}]}. Out: for each document its length in bytes on a
line of its own, then the PDF. What a document says reaches typst as data, never as markup.
"""

import contextlib
import json
import resource
import sys
from typing import Any, Final

import typst

MEMORY_BYTES: Final = 1024 * 1024 * 1024
CPU_SECONDS: Final = 20


def limit_this_process() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(what, (most, most))


def main(order: dict[str, Any]) -> None:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[order["fonts"]])
    for document in order["documents"]:
        compiler = typst.Compiler(
            f"{order['folder']}/{document['template']}",
            root=order["folder"],
            font_paths=fonts,
            sys_inputs={"data": json.dumps(document["data"])},
        )
        # A fixed time, so that the same facts make the same file to the byte.
        pdf = compiler.compile(format="pdf", timestamp=document["data"]["timestamp"])
        assert isinstance(pdf, bytes)
        sys.stdout.buffer.write(b"%d\n" % len(pdf) + pdf)


if __name__ == "__main__":
    limit_this_process()
    main(json.load(sys.stdin))
