"""A directory's list as the tests write it, and what `import_clinics` says to it."""

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

from django.core.management import call_command
from django.db import connection

HOURS: Final = json.dumps({"Monday": "10\u202fAM to 7\u202fPM", "Sunday": "Closed"})
DERMA: Final = {
    "name": "Derma  Point",
    "slug": "derma-point",
    "address": "M-1, Madalpur,\nEllisbridge",
    "city": "Ahmedabad",
    "state": "Gujarat",
    "country": "India",
    "pincode": "380006",
    "latitude": "23.0200398",
    "longitude": "72.5694714",
    "contact_number": "079 2657 5696",
    "email": "",
    "website_url": "http://derma.example/",
    "specialties": "Dermatologist, Skin care clinic, Dermatologist",
    "operating_hours": HOURS,
    "google_rating": "4.9",
    "google_review_count": "12",
}


class Lists:
    """Writes lists into one folder: each row is DERMA with these cells changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *rows: dict[str, str]) -> Path:
        path = self.folder / "list.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, DERMA)
            writer.writeheader()
            writer.writerows({**DERMA, **row} for row in rows)
        return path


def say(*files: Path, **options: Any) -> list[str]:
    """What the command prints, line by line."""
    output = io.StringIO()
    call_command("import_clinics", *map(str, files), stdout=output, **options)
    return output.getvalue().splitlines()


def stored() -> list[tuple[Any, ...]]:
    """All rows with the transaction that last wrote each, so that a write of the same values shows too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text, * FROM clinics ORDER BY id")
        return list(cursor.fetchall())
