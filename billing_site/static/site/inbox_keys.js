// Keys for those who work through many leads. Each only presses what can be clicked, and all can be switched off.
(() => {
  const STORED = "inbox-keys";
  const dialog = document.getElementById("keys");
  const areOn = document.getElementById("keys-on");
  areOn.checked = localStorage.getItem(STORED) !== "off";
  areOn.addEventListener("change", () => localStorage.setItem(STORED, areOn.checked ? "on" : "off"));

  const rows = () => [...document.querySelectorAll("#lead-list .lead-row")];
  const current = () => document.activeElement.closest(".lead-row") || document.querySelector(".lead-row.is-opened");
  const place = () => current() || document.querySelector(".lead-page");

  const step = (by) => {
    const all = rows();
    const next = all[all.indexOf(current()) + by] || (current() ? null : all[0]);
    next?.querySelector(".lead-link").focus();
    if (all.length === 0) document.querySelector(by > 0 ? "[rel=next]" : "[rel=prev]")?.click();
  };
  const press = (selector) => place()?.querySelector(selector)?.click();

  const keys = {
    j: () => step(1),
    k: () => step(-1),
    c: () => press("[data-kind=call]"),
    w: () => press("[data-kind=whatsapp]"),
    "/": () => document.getElementById("id_q")?.focus(),
    "?": () => dialog.showModal(),
    ...Object.fromEntries([1, 2, 3, 4].map((number) => [
      String(number), () => press(`.status-buttons button:nth-of-type(${number}):not(:disabled)`),
    ])),
  };
  document.addEventListener("keydown", (event) => {
    if (!areOn.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable], dialog, details.menu")) return;
    const arrow = { ArrowDown: "j", ArrowUp: "k" }[event.key];
    if (arrow && !event.target.closest(".lead-row")) return;
    const act = keys[arrow || event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
