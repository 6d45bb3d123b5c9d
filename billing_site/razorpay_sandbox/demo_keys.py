"""The fixed keys of the sandbox. They are public on purpose: they open nothing but this machine."""

KEY_ID = "rzp_test_SANDBOX0000001"
KEY_SECRET = "sandbox_key_secret_not_for_live"  # noqa: S105
WEBHOOK_SECRET = "sandbox_webhook_secret_not_for_live"  # noqa: S105
ACCOUNT_ID = "acc_SANDBOX0000001"
