// Comfort for the settings: copy with one tap, and Monday's hours for the whole week.
(() => {
  document.querySelectorAll("[data-copy]").forEach((button) => {
    const source = document.querySelector(button.dataset.copy);
    if (!navigator.clipboard || !source) return;
    const label = button.querySelector("[aria-live]");
    const before = label.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = button.dataset.copied;
      setTimeout(() => { label.textContent = before; }, 3000);
    });
  });

  const week = document.querySelector("[data-week]");
  const same = document.querySelector("[data-same-hours]");
  if (week && same) {
    const days = week.querySelectorAll("input");
    same.hidden = false;
    same.addEventListener("click", () => {
      days.forEach((day) => { day.value = days[0].value; });
      days[0].focus();
    });
  }

  // The page that is open comes into view in the list of settings, where that is wider than the phone.
  const here = document.querySelector(".settings-nav [aria-current]");
  const list = here && here.parentElement;
  if (list && list.scrollWidth > list.clientWidth) list.scrollLeft = here.offsetLeft - list.offsetLeft - 16;
})();
