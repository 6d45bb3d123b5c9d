"""What leaves the house. `handing_on` turns notices into mails and webhooks of their own; the rest sends those."""
