from django.urls import path

from clinics.views import SwitchClinic

urlpatterns = [
    path("clinic/switch", SwitchClinic.as_view(), name="switch_clinic"),
]
