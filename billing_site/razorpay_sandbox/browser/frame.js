// Inside the frame: shows the order, takes the customer's choice, tells the shop's page what came of it.
(function () {
  "use strict";

  var query = new URLSearchParams(location.search);
  var KEY = query.get("key_id") || "";
  var ORDER = query.get("order_id") || "";
  var STEPS = ["methods", "otp-step", "waiting", "failed", "confirm"];
  var options = { prefill: {}, notes: {}, retry: true, confirm_close: false, escape: true, callback_url: "", redirect: false };
  var parentOrigin = null;
  var shown = null;
  var paymentId = null;
  var poll = null;

  function byId(id) { return document.getElementById(id); }

  function tell(message) {
    if (parentOrigin) window.parent.postMessage(message, parentOrigin);
  }

  function show(step) {
    if (step !== "confirm") shown = step;
    STEPS.forEach(function (id) { byId(id).hidden = id !== step; });
  }

  function say(text, good) {
    byId("message").hidden = !text;
    byId("message").className = good ? "good" : "";
    byId("message").textContent = text || "";
  }

  function wait(text) {
    byId("waiting-text").textContent = text;
    say("");
    show("waiting");
  }

  async function ask(path, body) {
    var request = body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.assign({ key_id: KEY }, body)),
    };
    var response = await fetch(path, request);
    var answer = await response.json();
    if (!response.ok) throw new Error((answer.error || {}).description || "The sandbox answered " + response.status);
    return answer;
  }

  // --- what came of it ---------------------------------------------------------------------------
  function settle(outcome) {
    paymentId = outcome.payment_id;
    if (outcome.state === "success") return succeed(outcome.response);
    if (outcome.state === "failed") return fail(outcome.error);
    if (outcome.state === "otp") { say(""); show("otp-step"); byId("otp").focus(); return; }
    wait("Waiting for your approval in the UPI app…");
    clearTimeout(poll);
    poll = setTimeout(check, 800);
  }

  async function check() {
    try {
      settle(await ask("/v1/checkout/status?" + new URLSearchParams({ key_id: KEY, payment_id: paymentId })));
    } catch (error) {
      poll = setTimeout(check, 2000);
    }
  }

  function succeed(response) {
    if (options.callback_url) return leaveFor(options.callback_url, response);
    say("Payment successful", true);
    tell({ type: "success", response: response });
  }

  function fail(error) {
    if (options.callback_url && options.redirect) return leaveFor(options.callback_url, errorFields(error));
    say(error.description);
    tell({ type: "failed", error: error });
    if (!options.retry) return tell({ type: "dismiss" });
    show("failed");
    byId("retry").focus();
  }

  function errorFields(error) {
    var fields = {};
    ["code", "description", "source", "step", "reason"].forEach(function (name) {
      fields["error[" + name + "]"] = error[name];
    });
    fields["error[metadata]"] = JSON.stringify(error.metadata);
    return fields;
  }

  // The whole page goes to the shop's callback, posted from here: a cross-site form, as the real one does.
  function leaveFor(address, fields) {
    var target = new URL(address);
    if (target.protocol !== "http:" && target.protocol !== "https:") throw new Error("callback_url must be http(s)");
    var form = document.createElement("form");
    form.method = "post";
    form.action = target.href;
    form.target = "_top";
    Object.keys(fields).forEach(function (name) {
      var input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = fields[name];
      form.appendChild(input);
    });
    document.body.appendChild(form);
    form.submit();
  }

  // --- the customer's steps ----------------------------------------------------------------------
  function choice(form) {
    var fields = { method: form.id.replace("panel-", "") };
    new FormData(form).forEach(function (value, name) { fields[name] = value; });
    return Object.assign(fields, {
      order_id: ORDER, email: options.prefill.email, contact: options.prefill.contact, notes: options.notes,
    });
  }

  async function pay(event) {
    event.preventDefault();
    var form = event.currentTarget;
    var button = form.querySelector(".pay");
    if (button.disabled) return;
    button.disabled = true;
    try {
      var outcome = await ask("/v1/checkout/pay", choice(form));
      if (outcome.state === "bank") goToBank(outcome.payment_id);
      else settle(outcome);
    } catch (error) {
      say(error.message);
    } finally {
      button.disabled = false;
    }
  }

  async function submitOtp(event) {
    event.preventDefault();
    try {
      settle(await ask("/v1/checkout/otp", { payment_id: paymentId, otp: byId("otp").value.trim() }));
    } catch (error) {
      say(error.message);
    }
    byId("otp").value = "";
  }

  // A page whose Cross-Origin-Opener-Policy is same-origin cuts the tie to this window: then the bank
  // is paid there and the shop hears «cancelled». That is a fault to reproduce, so nothing mends it here.
  function goToBank(id) {
    paymentId = id;
    var address = "/v1/checkout/bank?" + new URLSearchParams({ key_id: KEY, payment_id: id });
    var bank = window.open(address, "_blank", "popup,width=460,height=520");
    if (!bank) return cancelled(id);
    wait("Please finish in the bank's window…");
    var watch = setInterval(function () {
      if (!bank.closed) return;
      clearInterval(watch);
      if (paymentId === id && shown === "waiting") cancelled(id);
    }, 300);
  }

  function cancelled(id) {
    fail({
      code: "BAD_REQUEST_ERROR", description: "Payment processing cancelled by user", source: "customer",
      step: "payment_authentication", reason: "payment_cancelled", metadata: { order_id: ORDER, payment_id: id },
    });
  }

  function fromBank(event) {
    if (event.data.type === "bank" && event.data.outcome.payment_id === paymentId) settle(event.data.outcome);
  }

  function fromShop(event) {
    if (event.data.type !== "options") return;
    parentOrigin = event.origin;
    Object.assign(options, event.data.options);
    if (options.name) byId("shop").textContent = options.name;
    byId("description").textContent = options.description;
    if (/^#[0-9a-f]{3,8}$/i.test(options.color)) document.querySelector("header").style.backgroundColor = options.color;
  }

  function askToClose() {
    clearTimeout(poll);
    if (options.confirm_close && byId("confirm").hidden) { show("confirm"); byId("stay").focus(); return; }
    tell({ type: "dismiss" });
  }

  function stay() {
    show(shown);
    if (shown === "waiting") check();
  }

  function chooseTab(tab) {
    document.querySelectorAll("[role=tab]").forEach(function (other) {
      var chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = !chosen;
    });
    say("");
    tab.focus();
  }

  function moveTab(event) {
    var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    var tabs = Array.from(document.querySelectorAll("[role=tab]"));
    chooseTab(tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length]);
  }

  function add(parent, tag, value, text) {
    var element = document.createElement(tag);
    element.value = value;
    element.textContent = text;
    parent.appendChild(element);
  }

  async function begin() {
    try {
      var known = await ask("/v1/preferences?" + new URLSearchParams({ key_id: KEY, order_id: ORDER }));
      var rupees = new Intl.NumberFormat("en-IN", { style: "currency", currency: known.order.currency });
      byId("amount").textContent = rupees.format(known.order.amount / 100);
      byId("order").textContent = known.order.id;
      Object.keys(known.banks).forEach(function (code) { add(byId("bank"), "option", code, known.banks[code]); });
      known.vpas.forEach(function (vpa) { add(byId("vpas"), "option", vpa, ""); });
      show("methods");
      byId("vpa").focus();
    } catch (error) {
      say(error.message);
    }
  }

  window.addEventListener("message", function (event) {
    if (!event.data || typeof event.data !== "object") return;
    if (event.source === window.parent && window.parent !== window) fromShop(event);
    else if (event.origin === location.origin) fromBank(event);
  });
  ["panel-upi", "panel-card", "panel-netbanking"].forEach(function (id) { byId(id).addEventListener("submit", pay); });
  document.querySelectorAll("[role=tab]").forEach(function (tab) {
    tab.addEventListener("click", function () { chooseTab(tab); });
    tab.addEventListener("keydown", moveTab);
  });
  byId("otp-step").addEventListener("submit", submitOtp);
  byId("retry").addEventListener("click", function () { say(""); show("methods"); byId("vpa").focus(); });
  byId("close").addEventListener("click", askToClose);
  byId("leave").addEventListener("click", askToClose);
  byId("stay").addEventListener("click", stay);
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && options.escape) askToClose();
  });
  window.parent.postMessage({ type: "ready" }, "*");
  begin();
})();
