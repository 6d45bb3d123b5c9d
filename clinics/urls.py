from django.urls import path

from clinics.language import ChooseLanguage

urlpatterns = [
    path("language", ChooseLanguage.as_view(), name="choose_language"),
]
