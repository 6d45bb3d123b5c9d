"""A Razorpay for one machine: the real wire protocol, no real money, nothing but the standard library.

Start it with `manage.py razorpay_sandbox`, or inside a test with `start(port=0)`.
"""

from .demo_keys import KEY_ID, KEY_SECRET, WEBHOOK_SECRET
from .server import RunningSandbox, SandboxRefused, start

__all__ = ["KEY_ID", "KEY_SECRET", "WEBHOOK_SECRET", "RunningSandbox", "SandboxRefused", "start"]
