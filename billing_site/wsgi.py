"""What gunicorn serves. Refuses to start where real money would not be safe (`billing_site.checks`)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
application = get_wsgi_application()

from billing_site.checks import refuse_unsafe_start  # noqa: E402  (needs the settings)

refuse_unsafe_start()
