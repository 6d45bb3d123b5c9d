// A double tap sends one enquiry: the button rests while the first is on its way.
(() => {
  const form = document.getElementById("enquiry");
  if (!form) return;
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", () => { button.disabled = true; });
  window.addEventListener("pageshow", () => { button.disabled = false; });
})();
