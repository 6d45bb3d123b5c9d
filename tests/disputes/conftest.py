import pytest
from django.contrib.auth.models import Group
from django.test import Client

from clinics.models import User
from tests import factories
from tests.site.back_office import sign_in


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
