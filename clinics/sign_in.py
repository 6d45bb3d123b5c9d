"""How people sign in: allauth's e-mail and password, by invitation only."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: an account is made when somebody is invited."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
