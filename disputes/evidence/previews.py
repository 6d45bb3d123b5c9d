"""A small picture of a picture, for a page that shows several: drawn once, when the file comes, and kept beside it."""

from io import BytesIO
from typing import Final

from PIL import Image

PREVIEW_SIDE: Final = 240  # pixels: 96 on the page, for screens with up to 2.5 of them per pixel


def preview_of(picture: Image.Image) -> bytes:
    """A JPEG, no side longer than PREVIEW_SIDE."""
    small = picture.copy()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    sheet = BytesIO()
    on_white(small).save(sheet, "JPEG", quality=80)
    return sheet.getvalue()


def on_white(picture: Image.Image) -> Image.Image:
    """JPEG knows no transparency: a screenshot's would turn black."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    sheet = Image.new("RGB", picture.size, "white")
    sheet.paste(picture, mask=picture.getchannel("A"))
    return sheet
