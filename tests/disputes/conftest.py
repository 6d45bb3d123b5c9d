from collections.abc import Sequence
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from clinics.models import User
from disputes.evidence import storage
from tests import factories
from tests.site.back_office import sign_in

_judged: dict[tuple[bytes, ...], tuple[list[tuple[str, str]], dict[str, bytes]]] = {}


@pytest.fixture
def a_picture_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are about something else: the process that looks at files is started for the first of its
    content alone, and what it left is there again for the next. The rest of keeping a file happens each time."""
    judge = storage.judge

    def remembered(paths: Sequence[Path], out: Path) -> list[tuple[str, str]]:
        contents = tuple(path.read_bytes() for path in paths)
        if contents not in _judged:
            answers = judge(paths, out)
            left = {path.name: path.read_bytes() for path in out.iterdir() if path not in paths}
            _judged[contents] = answers, left
        answers, left = _judged[contents]
        for name, content in left.items():
            (out / name).write_bytes(content)
        return answers

    monkeypatch.setattr(storage, "judge", remembered)


@pytest.fixture
def resolver(db: None) -> User:
    user = factories.UserFactory.create(is_staff=True, password=None)
    user.groups.add(Group.objects.get(name="resolver"))
    return user


@pytest.fixture
def desk(resolver: User) -> Client:
    """The resolver's browser, just signed in."""
    client = Client()
    sign_in(client, resolver)
    return client
