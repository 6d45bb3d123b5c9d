from django.apps import AppConfig


class BillingSiteConfig(AppConfig):
    name = "billing_site"
    label = "billing_site"

    def ready(self) -> None:
        from billing_site import checks  # noqa: F401  (registers them)
        from billing_site.log_lines import log_what_nobody_caught

        log_what_nobody_caught()
