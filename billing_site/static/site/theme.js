// Light or dark as the device says, before the first paint; and a mark that scripts run at all.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  root.classList.remove("no-js");
  apply();
  dark.addEventListener("change", apply);
})();
