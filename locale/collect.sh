#!/usr/bin/env bash
# Collects every text that people see into the catalogs beside this file, and compiles them. Needs gettext (xgettext,
# msgmerge, msgfmt) and the Python given as $1. Staff's pages are English: their templates are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"
language=hi

collect() {
    "$python" manage.py makemessages --verbosity 0 --locale "$language" --add-location file --no-wrap --no-obsolete \
        --ignore 'templates/admin/*' --ignore 'tests/*' --ignore 'bench/*' --ignore 'staticfiles/*' \
        --ignore '.*' --ignore '*.min.js' "$@"
}

collect --domain django
collect --domain djangojs
for catalog in django djangojs; do
    base="locale/$language/LC_MESSAGES/$catalog"
    [[ -f "$base.po" ]] || continue
    # A date that changes with every run would be a change of its own.
    sed --in-place '/^"POT-Creation-Date: /d' "$base.po"
    msgfmt --check --output-file="$base.mo" "$base.po"
done
