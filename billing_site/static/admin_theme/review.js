// Enquiries for review: tick all, how many are ticked, and only reasons that fit. Everything works without this file.
"use strict";

(() => {
  const tickAll = document.getElementById("tick-all");
  if (!tickAll) return;
  const ticks = [...document.querySelectorAll("#review tbody input[type=checkbox]")];

  function count() {
    const ticked = ticks.filter((tick) => tick.checked);
    ticks.forEach((tick) => tick.closest("tr").classList.toggle("selected", tick.checked));
    document.getElementById("ticked").textContent = ticked.length ? ` ${ticked.length}` : " none";
    document.querySelector(".desk-bulk").classList.toggle("has-ticks", ticked.length > 0);
    tickAll.checked = ticked.length > 0 && ticked.length === ticks.length;
  }

  const action = document.getElementById("id_action");
  const reasons = document.getElementById("id_reason_code");
  const groups = { release: "To release", refuse: "To refuse" };

  function fit() {
    const others = Object.keys(groups).filter((name) => action.value && name !== action.value);
    for (const group of reasons.querySelectorAll("optgroup")) {
      group.disabled = others.some((name) => groups[name] === group.label);
    }
    if (reasons.selectedOptions[0]?.parentElement.disabled) reasons.value = "";
  }

  action.addEventListener("change", fit);
  fit();
  tickAll.closest("label").hidden = false;
  tickAll.addEventListener("change", () => {
    ticks.forEach((tick) => { tick.checked = tickAll.checked; });
    count();
  });
  ticks.forEach((tick) => tick.addEventListener("change", count));
  count();
})();
