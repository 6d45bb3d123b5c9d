"""How people sign in: allauth's e-mail and password, by invitation only."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from clinics.surfaces import caller_address


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: an account is made when somebody is invited."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom the rate limits count: the same caller as everywhere else."""
        return caller_address(request)
