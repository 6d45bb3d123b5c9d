// Comfort for the portal's pages; everything works without it.
(() => {
  // The tab in the address: a link to #billing opens it, and reload keeps it.
  const tabs = document.querySelectorAll('[data-bs-toggle="tab"]');
  const openTabOfAddress = () => {
    tabs.forEach((tab) => {
      if (tab.dataset.bsTarget === window.location.hash) bootstrap.Tab.getOrCreateInstance(tab).show();
    });
  };
  tabs.forEach((tab) => {
    tab.addEventListener("shown.bs.tab", () => history.replaceState(null, "", tab.dataset.bsTarget));
  });
  window.addEventListener("hashchange", openTabOfAddress);
  openTabOfAddress();

  // A menu closes when one clicks elsewhere or presses Escape.
  const menus = document.querySelectorAll("details.menu");
  document.addEventListener("click", (event) => {
    menus.forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menus.forEach((menu) => {
      if (menu.open) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
  });
})();
