import pytest

# What differs between model and database is shown only where pytest rewrites the asserts.
pytest.register_assert_rewrite(
    "tests.property.machine", "tests.property.lead_rules", "tests.property.ledger_model"
)
