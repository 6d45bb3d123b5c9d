"use strict";
// Buying credits: the exact price of a choice, the order, Razorpay's payment window, and what came of it.
// The seed's three functions are global; everything they need is read from the page.

const topup = {
  form: document.getElementById("topup"),
  button: document.getElementById("pay"),
  order: JSON.parse(document.getElementById("razorpay-order").textContent),
  checkout: JSON.parse(document.getElementById("checkout-options").textContent),
  keys: new Map(), // one idempotency key for each choice: a repeat of it is the same purchase
  busy: false,
  opened: false, // Razorpay's window is in front
  failed: false, // an attempt failed since the window was opened
  watch: null,
};

// --- paying ------------------------------------------------------------------------------------
async function initiateRazorpayPayment() {
  if (topup.busy) return; // a double click buys once
  rest(true);
  say("");
  try {
    if (topup.order) {
      if ((await paymentState()) === "paid") return leave();
    } else if (!(await makeOrder())) {
      return rest(false);
    }
    await checkoutLoaded();
    openCheckout();
  } catch (problem) {
    rest(false);
    say(problem.message || gettext("We could not reach the server. Nothing was charged; please try again."), "error");
  }
}

// The window says «paid». The server asks Razorpay itself; the next page shows what it found.
async function handlePaymentSuccess(response) {
  topup.opened = false;
  rest(true);
  say(gettext("Thank you. We are confirming your payment…"));
  const names = ["razorpay_payment_id", "razorpay_order_id", "razorpay_signature"];
  const fields = Object.fromEntries(names.map((name) => [name, String(response[name] || "")]));
  for (const wait of [0, 1500, 4000]) {
    await pause(wait);
    try {
      const answer = await post(topup.form.dataset.verifyUrl, fields);
      if (answer.status < 500) {
        if (answer.status === 200 || answer.status === 202) return leave();
        return handlePaymentFailure({ description: answer.body.message });
      }
    } catch {
      // The line is down: the payment itself is safe, a webhook or reconciliation brings it too.
    }
  }
  leave();
}

// An attempt failed; the order stays, and may be paid by another one.
function handlePaymentFailure(error) {
  topup.failed = true;
  const description = (error && error.description) || gettext("The payment did not go through.");
  const text = gettext("%(what)s You can try again: it stays one purchase, paid once.");
  say(interpolate(text, { what: sentence(description) }, true), "error", true);
  if (!topup.opened) rest(false);
  keepWatching();
}

// The window was closed. A payment may still be approved in the payer's app: so the state is asked again.
function handleDismissal() {
  topup.opened = false;
  rest(false);
  if (!topup.failed) {
    say(gettext("You closed the payment window. If you approved the payment, leave this page open: it goes on by itself. If not, nothing was charged."));
  }
  keepWatching();
}

function openCheckout() {
  topup.opened = true;
  topup.failed = false;
  const { order_id, amount, currency, key_id, top_up } = topup.order;
  const window_ = new window.Razorpay({
    ...topup.checkout,
    key: key_id,
    order_id,
    amount,
    currency,
    notes: { top_up: String(top_up) }, // marks the payment as ours, should it overtake its order's id
    timeout: 900,
    retry: { enabled: true },
    remember_customer: false,
    theme: { color: "#0b6b61" },
    handler: handlePaymentSuccess,
    modal: { confirm_close: true, ondismiss: handleDismissal },
  });
  window_.on("payment.failed", (event) => handlePaymentFailure(event.error));
  window_.open();
}

async function makeOrder() {
  const choice = chosen();
  const text = JSON.stringify(choice);
  if (!topup.keys.has(text)) topup.keys.set(text, newKey());
  const answer = await post(topup.form.dataset.orderUrl, choice, topup.keys.get(text));
  showProblems(answer.body.fields || {});
  if (!answer.ok) {
    say(answer.body.message, "error");
    return false;
  }
  topup.order = answer.body;
  // A reload, or «back» from the next page, comes to this order and not to a second one.
  history.replaceState(null, "", `${topup.form.dataset.pageUrl}?top_up=${topup.order.top_up}`);
  return true;
}

function checkoutLoaded() {
  const unreachable = new Error(
    gettext("Razorpay's payment window could not be loaded. Nothing was charged. Please check your connection and reload."),
  );
  if (window.Razorpay) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.getElementById("checkout-script");
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(unreachable));
    setTimeout(() => reject(unreachable), 10000);
  });
}

// --- what became of it -------------------------------------------------------------------------
function successUrl() {
  return `${topup.form.dataset.successUrl}?top_up=${topup.order.top_up}`;
}

function leave() {
  if (topup.watch) topup.watch.stop();
  window.location.assign(successUrl());
}

async function paymentState() {
  try {
    const response = await fetch(successUrl(), { headers: { Accept: "application/json" }, cache: "no-store" });
    return response.ok ? (await response.json()).state : "unknown";
  } catch {
    return "unknown";
  }
}

function keepWatching() {
  if (!topup.order) return;
  topup.watch = topup.watch || watchPayment(successUrl(), (progress) => {
    if (topup.opened) return; // the window in front tells by itself
    if (progress.state === "paid" || progress.state === "review") return leave();
    if (progress.state === "processing") {
      rest(true);
      say(gettext("Your bank has approved the payment; we are waiting for its confirmation. Please don't pay again."));
    }
  });
  topup.watch.now();
}

// --- the choice and its price ------------------------------------------------------------------
function chosen() {
  const data = new FormData(topup.form);
  const packageId = data.get("package_id");
  const choice = packageId ? { package_id: packageId } : { amount: String(data.get("amount") || "").trim() };
  const code = String(data.get("promo_code") || "").trim();
  return code ? { ...choice, promo_code: code } : choice;
}

let pricing = new AbortController();

async function showPrice() {
  pricing.abort();
  pricing = new AbortController();
  const choice = chosen();
  if (choice.amount === "") return showBill(null);
  try {
    const response = await fetch(`${topup.form.dataset.pageUrl}?${new URLSearchParams(choice)}`, {
      headers: { Accept: "application/json" }, cache: "no-store", signal: pricing.signal,
    });
    const answer = await response.json();
    showProblems(answer.fields || {});
    showBill(response.ok ? answer : null);
  } catch (problem) {
    if (problem.name !== "AbortError") showBill(null);
  }
}

function showBill(price) {
  document.querySelectorAll("[data-bill]").forEach((element) => {
    const name = element.dataset.bill;
    const sign = ["price", "tax", "gross"].includes(name) ? "₹" : "";
    element.textContent = price ? sign + amount(price[name]) : "–";
  });
  document.querySelector("[data-bill-row=promo_bonus]").hidden = !(price && price.promo_bonus);
  const filled = (text, number) => interpolate(text, { amount: amount(number) }, true);
  document.getElementById("pay-label").textContent = price
    ? filled(gettext("Pay ₹%(amount)s"), price.gross)
    : gettext("Pay");
  document.getElementById("credits-line").textContent = price
    ? filled(gettext("You get %(amount)s credits"), price.credits)
    : "";
}

function showProblems(fields) {
  const texts = { ...fields, amount: fields.amount || fields.package_id };
  ["amount", "promo_code"].forEach((name) => {
    document.getElementById(`${name}-problem`).textContent = (texts[name] || [""])[0];
    document.getElementById(`id_${name}`).classList.toggle("is-invalid", Boolean(texts[name]));
  });
}

// Another choice is another purchase: the order made before stays unpaid and is forgotten here.
function choiceChanged(event) {
  if (topup.order) {
    if (topup.watch) topup.watch.stop();
    topup.order = topup.watch = null;
    history.replaceState(null, "", topup.form.dataset.pageUrl);
  }
  say("");
  if (event.target.name === "package_id" && event.target.value === "") document.getElementById("id_amount").focus();
  clearTimeout(topup.typing);
  topup.typing = setTimeout(showPrice, event.target.type === "radio" ? 0 : 300);
}

// --- small things ------------------------------------------------------------------------------
async function post(url, fields, key) {
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json",
    "X-CSRFToken": topup.form.elements.csrfmiddlewaretoken.value,
  };
  if (key) headers["Idempotency-Key"] = key;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(fields) });
  const body = await response.json().catch(() => ({}));
  body.message = body.message || gettext("The server could not do this for now. Nothing was charged; please try again.");
  return { ok: response.ok, status: response.status, body };
}

function say(text, tone, withLink) {
  const box = document.getElementById("payment-message");
  box.hidden = !text;
  box.className = tone ? `notice notice-${tone}` : "notice";
  document.getElementById("payment-text").textContent = text;
  const link = document.getElementById("payment-link");
  link.hidden = !withLink;
  if (topup.order) link.href = `${topup.form.dataset.failureUrl}?top_up=${topup.order.top_up}`;
}

function rest(isBusy) {
  topup.busy = isBusy;
  topup.button.disabled = isBusy;
  topup.button.setAttribute("aria-busy", String(isBusy));
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const rupees = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 2 });
const amount = (number) => rupees.format(number);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const sentence = (text) => (/[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`);

if (topup.button) {
  topup.form.addEventListener("submit", (event) => {
    event.preventDefault();
    initiateRazorpayPayment();
  });
  if (topup.order) {
    keepWatching();
    // «Pay» was said on the page before. Once only: a reload, or «back», asks again.
    if (window.location.hash === "#pay") {
      history.replaceState(null, "", window.location.href.replace(/#.*/, ""));
      initiateRazorpayPayment();
    }
  } else {
    topup.form.addEventListener("input", choiceChanged);
    topup.keys.set(JSON.stringify(chosen()), topup.form.elements.idempotency_key.value || newKey());
    if ("isEmpty" in document.getElementById("bill").dataset) showPrice();
  }
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload(); // «back» to a page as it was: it may be paid meanwhile
  });
}
