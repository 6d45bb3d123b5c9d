"""What every page of the back office shares: nothing is deleted, nothing is counted, only known look-ups work."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, Q, QuerySet, TextChoices
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clinics.admin.history import KeepsHistory
from clinics.admin.reasons import AsksWhy
from clinics.models import Clinic

M = TypeVar("M", bound=Model)

ROWS_WITHIN_REACH: Final = 10_000  # further back one searches: an OFFSET reads every row it skips
LONGEST_SEARCH: Final = 120
# The endings Django's own filters put behind a field's name.
FILTER_ENDINGS: Final = ("", "__exact", "__isnull", "__id__exact")


def badge(text: object, tone: str = "plain") -> SafeString:
    """A label for a state. Tones: good, wait, bad, plain (see theme.css); the text says it without the colour."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def is_number(text: str) -> bool:
    """Digits, few enough for an id: nothing a query could fail on."""
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


class UncountedPaginator(Paginator[Any]):
    """Pages without COUNT(*): it looks one row past the page asked for, and no further than `ROWS_WITHIN_REACH`.

    `count` is the number of rows known to be there; `has_more` says that there are others behind them.
    """

    def __init__(self, object_list: QuerySet[Any], per_page: int, *, asked_page: int) -> None:
        super().__init__(object_list, per_page)
        self.start = (max(asked_page, 1) - 1) * per_page

    @cached_property
    def count(self) -> int:
        if self.start >= ROWS_WITHIN_REACH:
            return ROWS_WITHIN_REACH  # so that Django finds the page asked for to be past the end
        return self.start + self._rows_from_start

    @cached_property
    def _rows_from_start(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return len(rows.values_list("pk")[self.start : self.start + self.per_page + 1])

    @property
    def has_more(self) -> bool:
        return self.start < ROWS_WITHIN_REACH and self._rows_from_start > self.per_page

    @property
    def shown_up_to(self) -> int:
        return self.start + self.per_page


def asked_page(request: HttpRequest) -> int:
    """`p` of a list, `page` of a choice with completion; anything else is the first page."""
    try:
        return int(request.GET.get("p") or request.GET.get("page") or 1)
    except ValueError:
        return 1


class NumberedAutocomplete(AutocompleteSelect):
    """Django's choice with completion; shown again after a wrong entry it would look «abc» up, and fail."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [entry for entry in value if not entry or is_number(entry)], attrs)


class BackOfficeAdmin(AsksWhy[M], KeepsHistory[M], admin.ModelAdmin[M]):
    """The base of every model's pages. Saves only the columns that were changed on the form."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0
    list_per_page = 50

    def label(self, row: M) -> str:
        """What staff choose this row by in a list of choices."""
        return str(row)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,  # noqa: FBT001, FBT002  (Django's own signature)
    ) -> Paginator[Any]:
        if not isinstance(queryset, QuerySet):
            return Paginator(queryset, per_page, orphans, allow_empty_first_page)
        return UncountedPaginator(queryset, per_page, asked_page=asked_page(request))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the page's own filters send: no guessing at hidden columns, no scan by another's link."""
        return lookup in {name + ending for name in self._filter_names(request) for ending in FILTER_ENDINGS}

    def _filter_names(self, request: HttpRequest) -> Iterator[str]:
        for item in self.get_list_filter(request):
            if isinstance(item, tuple):
                yield str(item[0])
            else:
                yield str(getattr(item, "parameter_name", item))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if any("\x00" in value for _, values in request.GET.lists() for value in values):
            return HttpResponseRedirect(f"{request.path}?e=1")  # as Django answers other wrong look-ups
        title = {"title": str(self.opts.verbose_name_plural).capitalize()}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        if "\x00" in search_term or len(search_term) > LONGEST_SEARCH:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = NumberedAutocomplete(db_field, self.admin_site)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        other = self.admin_site._registry.get(db_field.remote_field.model)
        if field is not None and isinstance(other, BackOfficeAdmin):
            field.label_from_instance = other.label  # type: ignore[method-assign,assignment]
        return field

    def save_model(self, request: HttpRequest, obj: M, form: ModelForm[M], change: bool) -> None:  # noqa: FBT001
        if not change:
            return obj.save()
        columns = {field.name for field in obj._meta.concrete_fields}
        return obj.save(update_fields=[name for name in form.changed_data if name in columns])


class ReadOnlyAdmin(BackOfficeAdmin[M]):
    """To look at only, for everybody, superusers included: no page, action or inline changes a row."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline[Any, Any]):
    """Rows of another model on a page, to look at only."""

    template = "admin/includes/read_only_rows.html"
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    select_related: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.select_related)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class By(NamedTuple):
    """What a word of the search box looks up, and the order its index gives the rows in.

    `among` are the conditions of the partial indexes that hold such rows; a row meets one of them.
    """

    lookup: str
    ordering: tuple[str, ...] = ()
    among: tuple[Mapping[str, Any], ...] = ({},)

    def condition(self, value: int | str) -> Q:
        condition = Q()
        for partial_index in self.among:
            condition |= Q(**{self.lookup: value}, **partial_index)
        return condition


class SearchByNumber(BackOfficeAdmin[M]):
    """Big tables: found by exact numbers alone («12», «clinic 7», «lead 345»), each served by an index.

    `search_words` names the words; `search_texts` the columns that are found by their whole text.
    """

    search_fields = ("pk",)  # Django shows the search box where there are some
    search_words: ClassVar[Mapping[str, By]] = {}
    search_texts: ClassVar[tuple[By, ...]] = ()
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\x00" in term or len(term) > LONGEST_SEARCH:
            return queryset.none(), False
        found = self._search(queryset, term)
        if found is None:
            messages.warning(request, f"Not understood. {self.search_help_text}")
            return queryset.none(), False
        return found, False

    def _search(self, queryset: QuerySet[M], term: str) -> QuerySet[M] | None:
        if is_number(term):
            return queryset.filter(pk=int(term))
        word, _, value = term.partition(" ")
        by = self.search_words.get(word.lower())
        if by is not None:
            number = int(value) if is_number(value.strip()) else _clinic_number(by, value.strip())
            return queryset.none() if number is None else _apply(queryset, by, number)
        if not self.search_texts:
            return None
        condition = Q()
        for text in self.search_texts:
            condition |= text.condition(term)
        return queryset.filter(condition)


def _clinic_number(by: By, slug: str) -> int | None:
    """«clinic sunrise» finds as «clinic 7» does; the number first, so that the rows' own index is used."""
    if "clinic" not in by.lookup:
        return None
    return Clinic.objects.filter(slug=slug).values_list("pk", flat=True).first()


def _apply(queryset: QuerySet[M], by: By, number: int) -> QuerySet[M]:
    found = queryset.filter(by.condition(number))
    return found.order_by(*by.ordering) if by.ordering else found


class OfOneClinic(admin.SimpleListFilter):
    """A filter of a big list, offered once it is narrowed to a clinic: over the whole table no index serves it."""

    column: ClassVar[str]
    options: ClassVar[type[TextChoices]]

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        narrowed = request.GET.get("q", "").strip().lower().startswith("clinic ")
        return [(option.value, str(option.label)) for option in self.options] if narrowed else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset
