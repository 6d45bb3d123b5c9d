"""Hostile and odd files, built in code, each with the verdict it must get.

A verdict is what is kept (`jpeg`, `png`, `webp`, `pdf`) or why it is refused (a code of `disputes.evidence.rules`).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageCms, PngImagePlugin
from pypdf import PdfWriter
from pypdf.annotations import Link
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

SECRET: Final = b"S3CRET-TAIL-OR-METADATA"
MB: Final = 1024 * 1024
HTML: Final = b"<!doctype html><html><script>alert(document.cookie)</script></html>"
SVG: Final = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
PHP: Final = b"<?php system($_GET['c']); ?>"


@dataclass(frozen=True, slots=True)
class HostileFile:
    name: str
    build: Callable[[], bytes]
    verdict: str
    content_type: str = "image/jpeg"


# --- pictures -------------------------------------------------------------------------------------


def picture(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    sheet = io.BytesIO()
    Image.new(mode, size, 7 if mode in ("1", "L", "P", "I", "I;16") else None).save(sheet, kind, **options)
    return sheet.getvalue()


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """As large as a picture of its size can be."""
    sheet = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(
        sheet, kind, **({"quality": 100} if kind == "JPEG" else {})
    )
    return sheet.getvalue()


def with_exif(**tags: Any) -> bytes:
    """A photo with where it was taken, and turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (23.0, 1.0, 30.0), 3: "E", 4: (72.0, 34.0, 12.0)})
    return picture(exif=exif, **tags)


def camera_pair() -> bytes:
    """A camera's JPEG with a second picture in it (MPO)."""
    sheet = io.BytesIO()
    first, second = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")
    first.save(sheet, "MPO", save_all=True, append_images=[second])
    return sheet.getvalue()


def moving(kind: str) -> bytes:
    sheet = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    frames[0].save(sheet, kind, save_all=True, append_images=frames[1:], duration=100)
    return sheet.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, data: bytes | None = None, *chunks: bytes) -> bytes:
    """A PNG by hand: a header that says what it wants, over whatever data."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000) if data is None else data))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + png_chunk(b"IEND", b"")


def small_png(*chunks: bytes) -> bytes:
    return png_of(8, 8, bytes(9 * 8), *chunks)


def jpeg_that_says(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    content = picture()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def with_comment(text: bytes) -> bytes:
    content = picture()
    return content[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + content[2:]


def with_profile(profile: bytes) -> bytes:
    return picture(icc_profile=profile)


def honest_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_bomb() -> bytes:
    """A profile that unpacks to 200 MB."""
    return small_png(png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200 * MB), 9)))


def text_bomb() -> bytes:
    return small_png(*[png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(60 * MB), 9))] * 3)


def png_with_text() -> bytes:
    sheet, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    info.add_itxt("Comment", PHP.decode())
    Image.new("RGB", (10, 10)).save(sheet, "PNG", pnginfo=info)
    return sheet.getvalue()


def gif() -> bytes:
    return picture("GIF", "P")


def archive(text: bytes = SECRET) -> bytes:
    sheet = io.BytesIO()
    with zipfile.ZipFile(sheet, "w") as packed:
        packed.writestr("payload.txt", text)
    return sheet.getvalue()


# --- documents ------------------------------------------------------------------------------------


def pdf(prepare: Callable[[PdfWriter], object] | None = None, pages: int = 1) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if prepare is not None:
        prepare(writer)
    sheet = io.BytesIO()
    writer.write(sheet)
    return sheet.getvalue()


def named(**entries: Any) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): value for name, value in entries.items()})


def action(kind: str, **entries: Any) -> DictionaryObject:
    return named(S=NameObject(f"/{kind}"), **entries)


def in_root(**entries: Any) -> bytes:
    return pdf(lambda writer: writer.root_object.update(named(**entries)))


def on_page(**entries: Any) -> bytes:
    return pdf(lambda writer: writer.pages[0].update(named(**entries)))


def with_annotation(**entries: Any) -> bytes:
    box = ArrayObject([NumberObject(number) for number in (0, 0, 100, 100)])
    return on_page(Annots=ArrayObject([named(Type=NameObject("/Annot"), Rect=box, **entries)]))


def script_by_name() -> bytes:
    script = action("JavaScript", JS=TextStringObject("app.alert(1)"))
    return in_root(Names=named(JavaScript=named(Names=ArrayObject([TextStringObject("a"), script]))))


def script_packed(catalog: bytes = b"/OpenAction 4 0 R") -> bytes:
    """A PDF 1.5 with JavaScript in a compressed object stream, where no search for words finds it."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
        4: b"<</S/JavaScript/JS(app.alert\\(1\\))>>",
    }
    places, body = [], b""
    for number, text in objects.items():
        places.append(f"{number} {len(body)}")
        body += text + b" "
    head = (" ".join(places) + " ").encode()
    packed = zlib.compress(head + body)
    out = b"%PDF-1.5\n"
    stream_at = len(out)
    out += b"5 0 obj\n<</Type/ObjStm/N 4/First %d/Length %d/Filter/FlateDecode>>\nstream\n" % (
        len(head),
        len(packed),
    )
    out += packed + b"\nendstream\nendobj\n"
    table_at = len(out)
    rows = b"".join(
        [struct.pack(">BHB", 0, 0, 255)]
        + [struct.pack(">BHB", 2, 5, index) for index in range(4)]
        + [struct.pack(">BHB", 1, stream_at, 0), struct.pack(">BHB", 1, table_at, 0)]
    )
    table = zlib.compress(rows)
    out += b"6 0 obj\n<</Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Length %d/Filter/FlateDecode>>\nstream\n" % len(
        table
    )
    return out + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % table_at


def encrypted(password: str) -> bytes:
    return pdf(lambda writer: writer.encrypt(password))


def by_hand(*objects: bytes, root: int = 1, prev: int | None = None) -> bytes:
    """A PDF from the texts of its objects, numbered from 1."""
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    more = b"/Prev %d" % (at if prev is None else prev) if prev is not None else b""
    out += b"trailer\n<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        root,
        more,
        at,
    )
    return out


CATALOG: Final = b"<</Type/Catalog/Pages 2 0 R>>"
PAGE: Final = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"


def table_that_loops() -> bytes:
    """Its cross-reference table names itself as the one before it."""
    content = by_hand(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, prev=0)
    at = content.index(b"xref\n")
    return content.replace(b"/Prev 0", b"/Prev %d" % at)


def attach(writer: PdfWriter) -> None:
    writer.add_attachment("payload.exe", b"MZ" + SECRET)


def link_to_web(writer: PdfWriter) -> None:
    writer.add_annotation(0, Link(rect=(0, 0, 50, 50), url="https://example.com"))


def stream_of(data: bytes, more: bytes = b"") -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(data), more, data)


def unpacking(size: int) -> bytes:
    """A page whose contents unpack to `size` bytes: never unpacked here, since nobody draws it."""
    packed = zlib.compress(bytes(size), 9)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>"
    kids = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return by_hand(CATALOG, kids, page, stream_of(packed, b"/Filter/FlateDecode"))


def object_stream_bomb() -> bytes:
    """An object stream that unpacks to 120 MB."""
    packed = zlib.compress(bytes(120 * MB), 9)
    out = b"%PDF-1.5\n"
    at = len(out)
    out += b"5 0 obj\n<</Type/ObjStm/N 4/First 20/Length %d/Filter/FlateDecode>>\nstream\n" % len(packed)
    out += packed + b"\nendstream\nendobj\n"
    table_at = len(out)
    rows = struct.pack(">BIB", 0, 0, 255)
    rows += b"".join(struct.pack(">BIB", 2, 5, index) for index in range(4))
    rows += struct.pack(">BIB", 1, at, 0) + struct.pack(">BIB", 1, table_at, 0)
    table = zlib.compress(rows)
    out += b"6 0 obj\n<</Type/XRef/Size 7/W[1 4 1]/Root 1 0 R/Length %d/Filter/FlateDecode>>\nstream\n" % len(
        table
    )
    return out + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % table_at


def deep_arrays(depth: int) -> bytes:
    nested = b"[" * depth + b"]" * depth
    return by_hand(CATALOG + b"", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE, nested)


def orphan_script() -> bytes:
    """JavaScript in an object that nothing points at."""
    kids = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return by_hand(CATALOG, kids, PAGE, b"<</S/JavaScript/JS(app.alert\\(1\\))>>")


def escaped_script() -> bytes:
    """Names may be written in hexadecimal."""
    kids = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    catalog = b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/#4a#61vaScript/J#53(app.alert\\(1\\))>>>>"
    return by_hand(catalog, kids, PAGE)


def many_pages_in_one() -> bytes:
    """60 times the same page: /Count says 1."""
    return by_hand(CATALOG, b"<</Type/Pages/Kids[" + b"<</Type/Page>>" * 60 + b"]/Count 1>>", PAGE)


FILES: Final[list[HostileFile]] = [
    # What honest people send.
    HostileFile("photo.jpg", picture, "jpeg"),
    HostileFile("screen.png", lambda: picture("PNG"), "png", "image/png"),
    HostileFile("picture.webp", lambda: picture("WEBP"), "webp", "image/webp"),
    HostileFile("letter.pdf", pdf, "pdf", "application/pdf"),
    HostileFile("web-link.pdf", lambda: pdf(link_to_web), "pdf", "application/pdf"),
    HostileFile("opens-at-page.pdf", lambda: in_root(OpenAction=ArrayObject([NumberObject(0), NameObject("/Fit")])),
                "pdf", "application/pdf"),
    HostileFile("fifty-pages.pdf", lambda: pdf(pages=50), "pdf", "application/pdf"),
    HostileFile("camera-pair.jpg", camera_pair, "jpeg"),
    HostileFile("one-pixel.png", lambda: picture("PNG", size=(1, 1)), "png"),
    HostileFile("progressive.jpg", lambda: picture(progressive=True), "jpeg"),
    # Colours and depths of all kinds.
    HostileFile("cmyk.jpg", lambda: picture(mode="CMYK"), "jpeg"),
    HostileFile("grey.jpg", lambda: picture(mode="L"), "jpeg"),
    HostileFile("sixteen-bit.png", lambda: picture("PNG", "I;16"), "png"),
    HostileFile("palette.png", lambda: picture("PNG", "P"), "png"),
    HostileFile("palette-see-through.png", lambda: picture("PNG", "P", transparency=7), "png"),
    HostileFile("black-and-white.png", lambda: picture("PNG", "1"), "png"),
    HostileFile("grey-alpha.png", lambda: picture("PNG", "LA"), "png"),
    HostileFile("alpha.webp", lambda: picture("WEBP", "RGBA"), "webp"),
    # What must be gone afterwards.
    HostileFile("gps.jpg", with_exif, "jpeg"),
    HostileFile("gps.png", lambda: with_exif(kind="PNG"), "png"),
    HostileFile("gps.webp", lambda: with_exif(kind="WEBP"), "webp"),
    HostileFile("broken-exif.jpg", lambda: picture(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + SECRET), "jpeg"),
    HostileFile("comment-php.jpg", lambda: with_comment(PHP + SECRET), "jpeg"),
    HostileFile("comment-js.jpg", lambda: with_comment(b"*/=alert(1)/*" + SECRET), "jpeg"),
    HostileFile("text-php.png", png_with_text, "png"),
    HostileFile("xmp.webp", lambda: picture("WEBP", xmp=SECRET), "webp"),
    HostileFile("profile.jpg", lambda: with_profile(honest_profile()), "jpeg"),
    HostileFile("nonsense-profile.jpg", lambda: with_profile(SECRET * 1000), "jpeg"),
    HostileFile("tail-php.jpg", lambda: picture() + PHP + SECRET, "jpeg"),
    HostileFile("tail-html.png", lambda: picture("PNG") + HTML + SECRET, "png"),
    HostileFile("tail-zip.jpg", lambda: picture() + archive(), "jpeg"),
    HostileFile("tail-zip.png", lambda: picture("PNG") + archive(), "png"),
    HostileFile("tail-pdf.jpg", lambda: picture() + pdf(), "jpeg"),
    HostileFile("tail.webp", lambda: picture("WEBP") + SECRET, "webp"),
    # Names and headers that lie: the content decides.
    HostileFile("really-a-jpeg.pdf", picture, "jpeg", "application/pdf"),
    HostileFile("really-a-png.jpg", lambda: picture("PNG"), "png"),
    HostileFile("really-a-pdf.jpg", pdf, "pdf"),
    HostileFile("no-name-of-its-own", picture, "jpeg", "application/octet-stream"),
    HostileFile("html.jpg", lambda: HTML, "unknown_type"),
    HostileFile("svg.png", lambda: SVG, "unknown_type"),
    HostileFile("script.php", lambda: PHP, "unknown_type", "image/png"),
    HostileFile("gif-js.jpg", lambda: b"GIF89a/*" + bytes(8) + b"*/=1;alert(1)", "unknown_type"),
    HostileFile("honest.gif", gif, "unknown_type", "image/gif"),
    HostileFile("bitmap.bmp", lambda: picture("BMP"), "unknown_type"),
    HostileFile("scan.tiff", lambda: picture("TIFF"), "unknown_type"),
    HostileFile("icon.ico", lambda: picture("ICO"), "unknown_type"),
    HostileFile("postscript.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unknown_type"),
    HostileFile("program.jpg", lambda: b"MZ" + bytes(200), "unknown_type"),
    HostileFile("archive.pdf", archive, "unknown_type", "application/pdf"),
    HostileFile("zip-before.pdf", lambda: archive() + pdf(), "unknown_type", "application/pdf"),
    HostileFile("blank-before.pdf", lambda: b"\n\n" + pdf(), "unknown_type", "application/pdf"),
    HostileFile("heif.jpg", lambda: b"\0\0\0\x18ftypheic" + bytes(100), "unknown_type"),
    HostileFile("utf16.html", lambda: HTML.decode().encode("utf-16"), "unknown_type"),
    # Broken ones.
    HostileFile("empty.jpg", lambda: b"", "empty"),
    HostileFile("one-byte.jpg", lambda: b"\xff", "unknown_type"),
    HostileFile("only-a-start.jpg", lambda: b"\xff\xd8\xff\xe0", "broken"),
    HostileFile("only-a-start.png", lambda: b"\x89PNG\r\n\x1a\n", "broken"),
    HostileFile("only-a-start.webp", lambda: b"RIFF\x10\0\0\0WEBPVP8 ", "broken"),
    HostileFile("only-a-start.pdf", lambda: b"%PDF-1.7\n", "broken"),
    HostileFile("truncated.jpg", lambda: noise("JPEG", (200, 200))[:-4000], "broken"),
    HostileFile("truncated.png", lambda: noise("PNG", (200, 200))[:-4000], "broken"),
    HostileFile("truncated.webp", lambda: noise("WEBP", (200, 200))[:-4000], "broken"),
    HostileFile("truncated.pdf", lambda: pdf()[:-100], "broken"),
    HostileFile("html-after-magic.jpg", lambda: b"\xff\xd8\xff" + HTML, "broken"),
    HostileFile("no-pixels.png", lambda: png_of(0, 0), "broken"),
    HostileFile("wrong-checksum.png", lambda: small_png()[:-20] + bytes(8) + small_png()[-12:], "broken"),
    # Too much of something.
    HostileFile("five-mb-and-one.jpg", lambda: picture() + bytes(5 * MB + 1 - len(picture())), "too_large"),
    HostileFile("five-mb.jpg", lambda: picture() + bytes(5 * MB - len(picture())), "jpeg"),
    HostileFile("five-mb-and-one.pdf", lambda: pdf() + bytes(5 * MB + 1 - len(pdf())), "too_large"),
    HostileFile("says-65500-squared.jpg", lambda: jpeg_that_says(65_500, 65_500), "too_many_pixels"),
    HostileFile("says-100000-squared.png", lambda: png_of(100_000, 100_000), "too_many_pixels"),
    HostileFile("says-2-to-31.png", lambda: png_of(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    HostileFile("long-and-thin.png", lambda: png_of(40_000, 2), "too_many_pixels"),
    HostileFile("says-a-bit-more.jpg", lambda: jpeg_that_says(1000, 1000), "jpeg"),
    HostileFile("square-of-zeros.png", lambda: png_of(9000, 9000, bytes(9001 * 9000)), "too_many_pixels"),
    HostileFile("below-the-limit.png", lambda: png_of(7000, 7000, bytes(7001 * 7000)), "png"),
    HostileFile("noise.png", lambda: noise("PNG", (1200, 1100)), "png"),
    HostileFile("text-bomb.png", text_bomb, "broken"),
    HostileFile("profile-bomb.png", profile_bomb, "broken"),
    HostileFile("moving.png", lambda: moving("PNG"), "animated"),
    HostileFile("moving.webp", lambda: moving("WEBP"), "animated"),
    # PDFs that act, hide or never end.
    HostileFile("script.pdf", script_by_name, "active_content"),
    HostileFile("script-at-opening.pdf",
                lambda: in_root(OpenAction=action("JavaScript", JS=TextStringObject("app.alert(1)"))),
                "active_content"),
    HostileFile("script-packed.pdf", script_packed, "active_content"),
    HostileFile("script-packed-orphan.pdf", lambda: script_packed(b""), "active_content"),
    HostileFile("script-escaped.pdf", escaped_script, "active_content"),
    HostileFile("script-orphan.pdf", orphan_script, "active_content"),
    HostileFile("launch.pdf", lambda: in_root(OpenAction=action("Launch", F=TextStringObject("cmd.exe"))),
                "active_content"),
    HostileFile("launch-on-click.pdf",
                lambda: with_annotation(Subtype=NameObject("/Link"), A=action("Launch", F=TextStringObject("a.exe"))),
                "active_content"),
    HostileFile("page-action.pdf",
                lambda: on_page(AA=named(O=action("Named", N=NameObject("/Print")))), "active_content"),
    HostileFile("other-file.pdf", lambda: in_root(OpenAction=action("GoToR", F=TextStringObject("\\\\evil\\x.pdf"))),
                "active_content"),
    HostileFile("sends-forms.pdf",
                lambda: with_annotation(Subtype=NameObject("/Widget"), A=action("SubmitForm")), "active_content"),
    HostileFile("attachment.pdf", lambda: pdf(attach), "active_content"),
    HostileFile("file-annotation.pdf", lambda: with_annotation(Subtype=NameObject("/FileAttachment")),
                "active_content"),
    HostileFile("rich-media.pdf", lambda: with_annotation(Subtype=NameObject("/RichMedia")), "active_content"),
    HostileFile("xfa.pdf", lambda: in_root(AcroForm=named(XFA=TextStringObject("<xdp/>"))), "active_content"),
    HostileFile("locked.pdf", lambda: encrypted("secret"), "encrypted"),
    HostileFile("locked-without-password.pdf", lambda: encrypted(""), "encrypted"),
    HostileFile("zip-behind.pdf", lambda: pdf() + archive(), "hidden_data"),
    HostileFile("html-behind.pdf", lambda: pdf() + HTML, "hidden_data"),
    HostileFile("zip-inside.pdf", lambda: pdf()[:-6] + archive() + b"\n%%EOF\n", "hidden_data"),
    HostileFile("51-pages.pdf", lambda: pdf(pages=51), "too_many_pages"),
    HostileFile("says-one-page.pdf", many_pages_in_one, "too_many_pages"),
    HostileFile("says-a-million-pages.pdf",
                lambda: by_hand(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1000000>>", PAGE), "pdf"),
    HostileFile("no-pages.pdf", lambda: by_hand(CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"), "broken"),
    HostileFile("page-tree-loop.pdf", lambda: by_hand(CATALOG, b"<</Type/Pages/Kids[2 0 R]/Count 1>>"), "broken"),
    HostileFile("root-missing.pdf", lambda: by_hand(CATALOG, PAGE, root=9), "broken"),
    HostileFile("table-loop.pdf", table_that_loops, "pdf"),
    HostileFile("unpacks-to-100-mb.pdf", lambda: unpacking(100 * MB), "pdf"),
    HostileFile("object-stream-bomb.pdf", object_stream_bomb, "broken"),
    HostileFile("deep.pdf", lambda: deep_arrays(200_000), "broken"),
    HostileFile("nothing-in-it.pdf", lambda: b"%PDF-1.4\n%%EOF\n", "broken"),
]  # fmt: skip

# Names as they are sent, none of which is kept; the content is a JPEG each time.
NAMES: Final[list[str]] = [
    "photo.jpg",
    "photo.JPEG",
    "photo",
    "letter.pdf",
    "../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/etc/cron.d/x.jpg",
    "C:\\fakepath\\photo.jpg",
    "nul\x00.php.jpg",
    "two\r\nSet-Cookie: a=b.jpg",
    "gpj.\u202egnp.exe",
    "zero\u200bwidth.jpg",
    '"; filename="evil.html',
    "<script>alert(1)</script>.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "a" * 300 + ".jpg",
    ".htaccess",
    "....",
    "",
    ".jpg",
    "   .jpg",
    "स्क्रीनशॉट.jpg",
    "रिपोर्ट",
    "Screenshot_20261122-101530.png",
    "IMG-20261122-WA0001.jpg",
    "call 98765 43210.jpg",
    "+919876543210.jpg",
    "asha@example.com.jpg",
    "=cmd|' /C calc'!A0.jpg",
    "Kavita Deshmukh.jpg",
    "कविता देशमुख.jpg",
]  # fmt: skip
