"""Images are decoded and drawn anew, so that pixels are all that is kept: no EXIF, comment, tail or profile."""

import warnings
from io import BytesIO
from typing import Final

from PIL import Image, ImageFile, ImageOps

from disputes.evidence.previews import preview_of
from disputes.evidence.rules import KEPT_PIXELS, LONGEST_SIDE, MOST_BYTES, MOST_PIXELS, Cleaned, Refused

ROUNDS: Final = 5  # each aims at what fits; the second one as a rule is the last
FORMATS: Final = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
# What each format can hold; anything else becomes colour, with transparency where there was some.
MODES: Final = {"jpeg": ("L", "RGB"), "png": ("L", "RGB", "RGBA"), "webp": ("RGB", "RGBA")}
SIXTEEN_BITS: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I")

warnings.simplefilter("ignore")  # oddities of metadata that isn't kept; what matters raises
Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is asked before anything is decoded
ImageFile.LOAD_TRUNCATED_IMAGES = False


def clean_image(content: bytes, kind: str) -> Cleaned:
    """The picture alone, upright, at most 12 million pixels and 5 MB. Raises Refused."""
    try:
        with Image.open(BytesIO(content), formats=[FORMATS[kind]]) as image:
            check_size(image)
            picture = drawn_anew(image, kind)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("too_many_pixels") from error
    except Exception as error:  # a hostile file may break any part of a decoder
        raise Refused("broken") from error
    return Cleaned(kind, encoded(picture, kind), preview_of(picture))


def check_size(image: Image.Image) -> None:
    """By what the header says, before a pixel is decoded."""
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise Refused("too_many_pixels")
    # A camera's JPEG may carry a second picture (depth, preview): its first one is the photo. What moves isn't one.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise Refused("animated")


def drawn_anew(image: Image.Image, kind: str) -> Image.Image:
    """The pixels on a new sheet that knows nothing of the file they came from."""
    if kind == "jpeg":  # decodes no more than is kept
        factor = min(1, (KEPT_PIXELS / (image.width * image.height)) ** 0.5)
        image.draft(None, (int(image.width * factor), int(image.height * factor)))
    image.load()
    if image.mode in SIXTEEN_BITS:
        image = image.point(lambda value: value / 256).convert("L")
    elif image.mode not in MODES[kind]:
        image = image.convert("RGBA" if kind != "jpeg" and image.has_transparency_data else "RGB")
    image = upright(scaled(image, KEPT_PIXELS))
    sheet = Image.new(image.mode, image.size)
    sheet.paste(image)
    return sheet


def upright(image: Image.Image) -> Image.Image:
    """Turned as the camera says. Broken EXIF turns nothing: it is not kept anyway."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of a parser of hostile bytes
        return image


def scaled(image: Image.Image, most_pixels: float) -> Image.Image:
    factor = (most_pixels / (image.width * image.height)) ** 0.5
    if factor >= 1:
        return image
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR)


def encoded(picture: Image.Image, kind: str) -> bytes:
    """As the format it came in, made smaller until it fits. Raises Refused."""
    for _ in range(ROUNDS):
        sheet = BytesIO()
        picture.save(sheet, FORMATS[kind], **({} if kind == "png" else {"quality": 85}))
        if sheet.tell() <= MOST_BYTES:
            return sheet.getvalue()
        fits = picture.width * picture.height * MOST_BYTES / sheet.tell()
        picture = scaled(picture, fits * 0.8)
    raise Refused("too_large")
