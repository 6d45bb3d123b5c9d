"""What the product says about credits, as plain Python: the state machine compares the database with it.

Written from the product's words («Grant», «Lead», rules 1, 2, 4, 8), not from the SQL: lists instead of tables,
nothing stored that can be counted (the balance is what is left of the grants, the budget what was charged today).
A call that must be refused raises the door's own exception; whoever called it throws the changed account away.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from credits.services.ledger import InsufficientCredits

PAISA = Decimal("0.01")
NEVER = datetime.max.replace(tzinfo=UTC)
BONUS_LIVES = timedelta(days=180)
RETURNED_LIVES_AT_LEAST = timedelta(days=30)
REPEAT_WINDOW = timedelta(days=30)
RELEASED_BY_ITSELF = timedelta(hours=72)
HELD_AT_MOST = timedelta(days=14)
A_MICROSECOND = timedelta(microseconds=1)
INDIA = ZoneInfo("Asia/Kolkata")
PRICES = [(100_000, 500), (50_000, 400), (20_000, 320), (10_000, 250), (5_000, 180), (0, 100)]


def cost_of(price: Decimal | None) -> Decimal:
    """No price known: the lowest tier."""
    return Decimal(next(cost for start, cost in PRICES if (price or 0) >= start))


def indian_day(moment: datetime) -> date:
    return moment.astimezone(INDIA).date()


@dataclass(eq=False)
class Purchase:
    id: int
    price: Decimal
    bonus: Decimal
    promo_bonus: Decimal
    gross_paise: int
    payment_id: str = ""
    losses: list["Loss"] = field(default_factory=list)


@dataclass(eq=False)
class Loss:
    """Money the gateway took back: a row of `reversals`."""

    key: str
    purchase: Purchase
    paise: int
    paid_share: Decimal
    bonus_share: Decimal
    forgiven: Decimal = Decimal(0)
    owed: Decimal = Decimal(0)
    is_restored: bool = False


@dataclass(eq=False)
class Lead:
    id: int
    phone: str
    cost: Decimal
    created_at: datetime
    state: str = "held"
    reason: str = ""
    refunded: Decimal = Decimal(0)
    repeats: tuple[int, ...] = ()  # any of these may be what a free lead names as the one it repeats
    was_refused: bool = False

    @property
    def is_charged(self) -> bool:
        return self.state == "delivered" and self.refunded < self.cost

    @property
    def age(self) -> tuple[datetime, int]:
        return self.created_at, self.id


@dataclass(eq=False)
class Grant:
    kind: str
    amount: Decimal
    remaining: Decimal
    expires_at: datetime
    purchase: Purchase | None
    origin: "Consumption | None" = None


@dataclass(eq=False)
class Consumption:
    grant: Grant
    amount: Decimal
    at: datetime
    returned: Decimal = Decimal(0)


@dataclass(eq=False)
class Row:
    """One row of the history, with what it brought or used."""

    type: str
    amount: Decimal
    balance_after: Decimal
    at: datetime
    lead: Lead | None = None
    purchase: Purchase | None = None
    loss: Loss | None = None
    key: str | None = None
    payment_id: str | None = None
    grants: list[Grant] = field(default_factory=list)
    consumptions: list[Consumption] = field(default_factory=list)


@dataclass
class Switches:
    """What staff set for all clinics."""

    charging_is_stopped: bool = False
    release_batch: int = 200


@dataclass(eq=False)
class Account:
    """One clinic's credits and leads. Its time never stands still or runs backwards."""

    now: datetime
    switches: Switches
    rows: list[Row] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    leads: dict[int, Lead] = field(default_factory=dict)
    purchases: dict[int, Purchase] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    daily_cap: Decimal = Decimal("Infinity")
    monthly_cap: Decimal = Decimal("Infinity")
    highest_cost: Decimal = Decimal("Infinity")
    paused_until: datetime | None = None
    is_frozen: bool = False
    releases_by_itself: bool = True

    @property
    def balance(self) -> Decimal:
        return total(grant.remaining for grant in self.grants)

    @property
    def owed(self) -> Decimal:
        return total(loss.owed for loss in self.losses)

    # --- movements -----------------------------------------------------------------------------------

    def open(self, clock: datetime) -> None:
        """Every event: the account's time moves on, and what is due expires before anything else."""
        self.now = max(self.now + A_MICROSECOND, clock)
        for grant in sorted(self.grants, key=lambda grant: grant.expires_at):
            if grant.remaining and grant.expires_at <= self.now:
                self.use(self.post("expiry", -grant.remaining), grant, grant.remaining)

    def post(self, kind: str, amount: Decimal) -> Row:
        before = self.rows[-1].balance_after if self.rows else Decimal(0)
        row = Row(kind, amount, before + amount, self.now)
        self.rows.append(row)
        return row

    def bring(
        self,
        row: Row,
        kind: str,
        amount: Decimal,
        purchase: Purchase | None,
        *,
        origin: Consumption | None = None,
    ) -> None:
        lives = BONUS_LIVES
        if origin is not None and kind != "paid":
            lives = max(RETURNED_LIVES_AT_LEAST, origin.grant.expires_at - origin.at)
        expires_at = NEVER if kind == "paid" else self.now + lives
        grant = Grant(kind, amount, amount, expires_at, purchase, origin)
        row.grants.append(grant)
        self.grants.append(grant)

    def use(self, row: Row, grant: Grant, amount: Decimal) -> None:
        grant.remaining -= amount
        row.consumptions.append(Consumption(grant, amount, self.now))

    def consume(
        self, row: Row, amount: Decimal, among: Callable[[Grant], bool] = lambda grant: True
    ) -> Decimal:
        """Expiring soonest, then bonus before paid, then oldest (sorting keeps the order of arrival)."""
        left = amount
        for grant in sorted(self.grants, key=lambda grant: (grant.expires_at, grant.kind == "paid")):
            part = min(left, grant.remaining)
            if part > 0 and among(grant):
                self.use(row, grant, part)
                left -= part
        return amount - left

    def give_back(self, row: Row, consumptions: Iterable[Consumption]) -> None:
        """In proportion to what each has not yet given back, in order, to the paisa; the last takes the rest."""
        open_ones = [
            (part, part.amount - part.returned) for part in consumptions if part.returned < part.amount
        ]
        whole = total(available for _, available in open_ones)
        reached = given = Decimal(0)
        for part, available in open_ones:
            reached += available
            share = rounded(row.amount * reached, whole) - given
            assert 0 <= share <= available
            assert abs(share * whole - row.amount * available) <= PAISA * whole
            given += share
            if share:
                part.returned += share
                self.bring(row, part.grant.kind, share, part.grant.purchase, origin=part)
        assert given == row.amount

    def receive(self) -> None:
        """After every incoming row: debts first, then held leads."""
        self.settle()
        if self.releases_by_itself:
            self.release(self.switches.release_batch)

    def settle(self) -> None:
        """Oldest loss first, a row for each."""
        for loss in self.losses:
            part = min(loss.owed, self.balance)
            if part > 0:
                row = self.post("reversal", -part)
                row.loss = loss
                self.consume(row, part)
                loss.owed -= part

    # --- leads ---------------------------------------------------------------------------------------

    def charged(self, since: date) -> Decimal:
        return total(
            -row.amount for row in self.rows if row.type == "deduction" and indian_day(row.at) >= since
        )

    def decide(self, lead: Lead) -> None:
        """First match wins (PRODUCT, «Lead»)."""
        charged = [other for other in self.same_phone(lead) if other.is_charged]
        charged = [other for other in charged if abs(other.created_at - lead.created_at) <= REPEAT_WINDOW]
        waiting = self.held_before(lead)
        today = indian_day(self.now)
        lead.state = "held"
        if self.is_frozen or self.owed or self.switches.charging_is_stopped:
            lead.reason = "frozen"
        elif self.paused_until is not None and self.paused_until > self.now:
            lead.reason = "paused"
        elif charged:
            lead.state, lead.reason, lead.repeats = "free", "", tuple(other.id for other in charged)
        elif waiting:
            lead.reason = waiting[0].reason
        elif (
            lead.cost > self.highest_cost
            or self.charged(today) + lead.cost > self.daily_cap
            or self.charged(today.replace(day=1)) + lead.cost > self.monthly_cap
        ):
            lead.reason = "budget"
        elif lead.cost > self.balance:
            lead.reason = "no_credits"
        else:
            lead.state, lead.reason = "delivered", ""
            row = self.post("deduction", -lead.cost)
            row.lead = lead
            self.consume(row, lead.cost)

    def same_phone(self, lead: Lead) -> list[Lead]:
        """Oldest first; a contact that was erased is nobody's."""
        same = [other for other in self.leads.values() if lead.phone and other.phone == lead.phone]
        return sorted((other for other in same if other is not lead), key=lambda other: other.age)

    def held_before(self, lead: Lead) -> list[Lead]:
        return [
            other
            for other in self.same_phone(lead)
            if other.state == "held" and other.reason != "review" and other.age < lead.age
        ]

    def retry(self, lead: Lead, *, by_hand: bool) -> None:
        """A repeat first retries the held leads of its phone, whatever their age (rule 2)."""
        for other in self.held_before(lead):
            if self.releases_by_itself or by_hand or other.reason == "busy":
                self.decide(other)
        self.decide(lead)

    def release(self, limit: int) -> int:
        """Held leads at most 72 hours old, oldest first, skipping one that can't be paid (rule 1)."""
        waiting = [lead for lead in self.leads.values() if lead.state == "held" and lead.reason != "review"]
        if not self.releases_by_itself:
            waiting = [lead for lead in waiting if lead.reason == "busy"]
        held = self.held
        released = 0
        for lead in sorted(waiting, key=lambda lead: lead.age):
            if self.now - lead.created_at <= RELEASED_BY_ITSELF and released < limit:
                self.retry(lead, by_hand=False)
                released += lead.state != "held"
        return held - self.held

    @property
    def held(self) -> int:
        return sum(lead.state == "held" for lead in self.leads.values())

    def moments(self) -> Iterable[datetime]:
        """When something may come out differently: the edges of every period of the rules."""
        yield from (grant.expires_at for grant in self.grants if grant.remaining and grant.expires_at < NEVER)
        for lead in self.leads.values():
            periods = (REPEAT_WINDOW,) if lead.is_charged else (RELEASED_BY_ITSELF, HELD_AT_MOST)
            yield from (lead.created_at + period for period in periods)
        if self.paused_until is not None and self.paused_until < NEVER:
            yield self.paused_until
        if self.rows:
            tomorrow = indian_day(self.now) + timedelta(days=1)
            yield datetime.combine(tomorrow, time(), INDIA)

    def expire_leads(self) -> int:
        held = [lead for lead in self.leads.values() if lead.state == "held"]
        too_old = [lead for lead in held if self.now - lead.created_at > HELD_AT_MOST]
        for lead in too_old:
            lead.state, lead.reason = "expired", ""
        return len(too_old)

    # --- money the gateway takes back (rule 4) ---------------------------------------------------------

    def take(self, loss: Loss) -> None:
        row = Row("reversal", Decimal(0), Decimal(0), self.now, purchase=loss.purchase, loss=loss)
        left = loss.paid_share
        left -= self.consume(
            row, left, lambda grant: grant.purchase is loss.purchase and grant.kind == "paid"
        )
        left -= self.consume(
            row, left, lambda grant: grant.purchase is loss.purchase and grant.kind == "bonus"
        )
        left -= self.consume(row, left)
        loss.owed = left
        bonus = self.consume(
            row, loss.bonus_share, lambda grant: grant.purchase is loss.purchase and grant.kind == "bonus"
        )
        loss.forgiven = loss.bonus_share - bonus
        row.amount = left - loss.paid_share - bonus
        if row.amount:  # at balance 0 no row could carry it
            row.balance_after = (self.rows[-1].balance_after if self.rows else Decimal(0)) + row.amount
            self.rows.append(row)
        self.losses.append(loss)
        loss.purchase.losses.append(loss)

    def restore(self, loss: Loss, *, release: bool) -> None:
        loss.owed = Decimal(0)
        loss.is_restored = True
        taken = [row for row in self.rows if row.loss is loss]
        if taken:
            row = self.post("reversal", -total(row.amount for row in taken))
            self.give_back(row, [part for each in taken for part in each.consumptions])
            row.loss, row.purchase = loss, loss.purchase
        if release:
            self.receive()
        else:
            self.settle()

    def adjust(self, amount: Decimal, key: str) -> None:
        if self.balance + amount < 0:
            raise InsufficientCredits
        row = self.post("adjustment", amount)
        row.key = key
        if amount > 0:
            self.bring(row, "goodwill", amount, None)
            self.receive()
        else:
            self.consume(row, -amount)


def loss_of(purchase: Purchase, key: str, paise: int) -> Loss:
    """What a purchase has lost after all its losses together, less what the earlier ones already took."""
    taken = [loss for loss in purchase.losses if not loss.is_restored]
    lost = min(sum(loss.paise for loss in taken) + paise, purchase.gross_paise)
    paid = rounded(purchase.price * lost, Decimal(purchase.gross_paise))
    bonus = ((purchase.bonus + purchase.promo_bonus) * lost / purchase.gross_paise).to_integral_value(
        ROUND_FLOOR
    )
    return Loss(
        key,
        purchase,
        paise,
        max(paid - total(loss.paid_share for loss in taken), Decimal(0)),
        max(bonus - total(loss.bonus_share for loss in taken), Decimal(0)),
    )


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def rounded(amount: Decimal, parts: Decimal | int) -> Decimal:
    return (amount / parts).quantize(PAISA, ROUND_HALF_UP)
