// The desk's keys and short cuts. Everything works without this file; it saves the way to the mouse.
"use strict";

(() => {
  const SWITCH = "desk-keys-off";
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const help = $("#desk-help");
  const decision = $("#decision");

  // --- keys: off when the person says so, and never while they type -------------------------------
  const keysAreOn = () => localStorage.getItem(SWITCH) === null;
  const isTyping = (target) => target.matches("input:not([type=checkbox]):not([type=radio]):not([type=submit]), textarea, select");

  function openHelp() {
    $("#desk-keys-on").checked = keysAreOn();
    help.showModal();
  }

  function step(by) {
    const links = all("tr[data-case] .desk-open");
    const here = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const next = here < 0 ? (by > 0 ? 0 : links.length - 1) : here + by;
    const link = links[Math.min(Math.max(next, 0), links.length - 1)];
    if (link) {
      link.focus({ preventScroll: true });
      link.closest("tr").scrollIntoView({ block: "center" });
    }
  }

  const rowInFocus = () => document.activeElement.closest("tr[data-case]");
  const follow = (selector) => $(selector)?.click();
  const actions = {
    "?": openHelp,
    "/": () => $("[data-search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    o: () => rowInFocus()?.querySelector(".desk-open").click(),
    x: () => rowInFocus()?.querySelector("input[type=checkbox]")?.click(),
    n: () => follow("[data-key=n]"),
    u: () => follow("[data-key=u]"),
    a: () => choose("approve"),
    r: () => choose("reject"),
    s: () => choose("ask"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && decision?.contains(event.target)) {
      decision.requestSubmit();
      return;
    }
    const action = Object.hasOwn(actions, event.key) && actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (isTyping(event.target) || !keysAreOn()) return;
    event.preventDefault();
    action();
  });

  all("[data-help]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", openHelp);
  });
  $("#desk-keys-on").addEventListener("change", (event) => {
    if (event.target.checked) localStorage.removeItem(SWITCH);
    else localStorage.setItem(SWITCH, "1");
  });

  // --- the queue: how many are ticked ---------------------------------------------------------------
  const ticks = all("tr[data-case] input[type=checkbox]");
  const tickAll = $("#tick-all");

  function count() {
    const ticked = ticks.filter((tick) => tick.checked);
    ticks.forEach((tick) => tick.closest("tr").classList.toggle("selected", tick.checked));
    $("#ticked").textContent = ticked.length ? ` ${ticked.length}` : " none";
    $(".desk-bulk").classList.toggle("has-ticks", ticked.length > 0);
    tickAll.checked = ticked.length > 0 && ticked.length === ticks.length;
  }

  if (tickAll) {
    tickAll.closest("label").hidden = false;
    tickAll.addEventListener("change", () => {
      ticks.forEach((tick) => { tick.checked = tickAll.checked; });
      count();
    });
    ticks.forEach((tick) => tick.addEventListener("change", count));
    count();
    fitReasons($("#bulk"), () => $("#bulk select[name=action]").value);
    $("#bulk select[name=action]").addEventListener("change", () => fitReasons($("#bulk"), () => $("#bulk select[name=action]").value));
  }

  // Only the reasons that fit what is decided.
  function fitReasons(form, chosen) {
    const groups = { approve: 0, reject: 1 };
    const select = $("select[name=reason_code]", form);
    const kept = groups[chosen()];
    all("optgroup", select).forEach((group, place) => {
      group.hidden = group.disabled = place !== kept;
    });
    if (select.selectedOptions[0]?.parentElement.disabled) select.value = "";
    select.disabled = kept === undefined;
  }

  // --- one case: the decision -------------------------------------------------------------------------
  if (!decision) return;
  const text = $("textarea[name=admin_notes]", decision);
  const code = $("select[name=reason_code]", decision);
  const ready = all(".desk-ready li", decision).map((item) => ({ ...item.dataset, item, text: item.textContent.trim() }));
  const keyOf = { approve: "a", reject: "r", ask: "s" };
  const chosenAction = () => $("input[name=action]:checked", decision)?.value;
  const fitting = () => ready.filter((one) => one.action === chosenAction() && (!one.code || !code.value || one.code === code.value));

  // Text that nobody wrote may be replaced by another ready-made sentence; what a person typed may not.
  const isUntouched = () => text.value.trim() === "" || ready.some((one) => one.text === text.value.trim());

  function show() {
    const action = chosenAction();
    all("[data-for]", decision).forEach((part) => { part.hidden = Boolean(action) && !part.dataset.for.split(" ").includes(action); });
    if (action) fitReasons(decision, chosenAction);
    ready.forEach((one) => { one.item.hidden = !fitting().includes(one); });
  }

  function choose(action) {
    const radio = $(`input[name=action][value=${action}]`, decision);
    if (!radio) return;
    radio.checked = true;
    show();
    if (action !== "ask" && !code.value) code.value = ready.find((one) => one.action === action)?.code ?? "";
    offer();
    $("input[type=submit]", decision).focus();
  }

  function offer() {
    show();
    if (isUntouched()) text.value = fitting()[0]?.text ?? "";
  }

  all("input[name=action]", decision).forEach((radio) => {
    const key = radio.closest("label").querySelector("kbd");
    key.hidden = false;
    key.textContent = keyOf[radio.value];
    radio.addEventListener("change", () => choose(radio.value));
  });
  code.addEventListener("change", offer);
  $(".desk-fill", decision).hidden = false;
  all("[data-amount]", decision).forEach((button) => {
    button.addEventListener("click", () => { $("input[name=refund_amount]", decision).value = button.dataset.amount; });
  });
  ready.forEach((one) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = one.text;
    button.addEventListener("click", () => { text.value = one.text; text.focus(); });
    one.item.replaceChildren(button);
  });
  // A second tap would only be told that the first has decided it.
  let isSent = false;
  decision.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  window.addEventListener("pageshow", () => { isSent = false; });
  show();
})();
