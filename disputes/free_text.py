"""What a clinic writes stays free of the patient's data: it is kept for years, and its readers need none of it."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from django.utils.translation import gettext as _

FEWEST_DIGITS: Final = 8
DATE: Final = re.compile(
    r"(?<!\d)(?:(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|1[0-2])[-/.](?:20)?\d\d"
    r"|20\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01]))(?!\d)"
)
TIME: Final = re.compile(r"(?<![\d.:])(?:[01]?\d|2[0-3])[:.][0-5]\d(?::[0-5]\d)?(?![.:]?\d)")
# 1,00,000 and 100,000, below a crore; with more digits it may be a phone.
MONEY: Final = re.compile(
    r"(?<![\d,])(?:\d{1,2},\d\d,\d{3}|\d,\d{3},\d{3}|\d{1,3},\d{3})(?:\.\d\d)?(?![,.]?\d)"
)
# Digits with at most two signs between them, as people write numbers of phones.
PHONE_LIKE: Final = re.compile(rf"(?:\d[\s()+./_\-‐-―−]{{0,2}}){{{FEWEST_DIGITS},}}")
# An Indian number, mobile or with its area code, however its digits are kept apart; overlapping ones are found too.
APART: Final = r"[\s()+./_\-‐-―−,:;*|x×]{0,5}"
INDIAN_PHONE: Final = re.compile(
    rf"(?<!\d)(?=((?:(?:(?:0{APART}){{0,2}}9{APART}1|0){APART})?[6-9](?:{APART}\d){{9}}|0(?:{APART}\d){{10}})(?!\d))",
    re.IGNORECASE,
)
EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]{2,}")
YEAR: Final = re.compile(r"199\d|20[0-4]\d")
# Names that people type into enquiry forms and that clinics need for describing it.
NO_NAMES: Final = frozenset({
    "abc", "and", "call", "clinic", "doctor", "dummy", "enquiry", "fake", "fraud", "lead", "missus", "mister", "mrs",
    "name", "none", "not", "number", "patient", "phone", "sir", "spam", "test", "testing", "the", "unknown", "user",
    "wrong", "xyz", "श्री", "श्रीमती", "मरीज",
})  # fmt: skip
# Names that are words of every day too: one of them alone says nothing, with the rest of the name it does.
WORDS_TOO: Final = frozenset({
    "angel", "april", "art", "august", "baby", "bill", "faith", "grace", "happy", "honey", "hope", "joy", "june",
    "king", "long", "lucky", "man", "mark", "may", "one", "out", "page", "price", "prince", "queen", "rich", "rose",
    "star", "sunny", "two", "will", "young",
})  # fmt: skip


def plain(text: str) -> str:
    """Without control and direction characters, which mislead the eye; lines and tabs stay."""
    return "".join(
        one for one in text if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf")
    ).strip()


def patient_data_in(text: str, names: Iterable[str]) -> str | None:
    """What a person reads where the text holds a number, an address or one of the patient's `names`; None if not."""
    plain_text = plain(unicodedata.normalize("NFKC", text))
    if EMAIL.search(plain_text):
        return _("Please leave the e-mail address out: we see on the lead whom it is about.")
    if holds_phone(plain_text):
        return _("Please leave phone numbers out: we see on the lead whom it is about.")
    if any(stands_in(name, plain_text) for name in names):
        return _("Please leave the patient's name out: write «the patient».")
    return None


def holds_phone(text: str) -> bool:
    """Digits that may be somebody's number, and are no dates, times, years or amounts."""
    digits = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)
    rest = MONEY.sub("M", TIME.sub("T", DATE.sub("D", digits)))
    return any(
        not _is_years_or_amounts(found) for found in (match[0] for match in PHONE_LIKE.finditer(rest))
    ) or any(
        not _is_years_or_amounts(found) and not _is_list(found)
        for found in (match[1] for match in INDIAN_PHONE.finditer(rest))
    )


def _is_years_or_amounts(found: str) -> bool:
    """«2024-2025», «2025, 3», «1500-2000»."""
    numbers = re.findall(r"\d+", found)
    others = [number for number in numbers if not YEAR.fullmatch(number)]
    are_round = len(numbers) > 1 and all(number.endswith("00") for number in numbers)
    return are_round or sum(map(len, others)) <= 2


def _is_list(found: str) -> bool:
    """«750, 1000, 250»: numbers with commas and spaces between them, unlike digits or the halves of a phone."""
    pairs = re.findall(r"(\d+)(?=\D*[,;:]\s\D*(\d+))", found)
    return any(min(len(one), len(other)) < 5 and not len(one) == len(other) == 1 for one, other in pairs)


def stands_in(name: str, text: str) -> bool:
    """The whole name, or a word of it that can be nothing else."""
    called, said = words_of(name), words_of(text)
    telling = {word for word in called if len(word) > 2} - NO_NAMES - WORDS_TOO
    if telling & set(said):
        return True
    is_whole = len(called) > 1 and NO_NAMES.isdisjoint(called)
    return is_whole and f" {' '.join(called)} " in f" {' '.join(said)} "


def words_of(text: str) -> list[str]:
    """In small letters, and Latin ones without accents; vowel signs and the like belong to their word."""
    whole = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain(text)).casefold())
    bare = re.sub(r"([a-z])[\u0300-\u036f]+", r"\1", unicodedata.normalize("NFD", whole))
    letters = (
        one if unicodedata.category(one)[0] in "LM" else " " for one in unicodedata.normalize("NFC", bare)
    )
    return "".join(letters).split()
