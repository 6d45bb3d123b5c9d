// The inbox: a lead beside the list, what is new by itself, taps that are remembered. All of it works without.
(() => {
  const desk = window.matchMedia("(min-width: 1100px)");
  const inbox = document.getElementById("inbox");
  const list = document.getElementById("lead-list");
  const opened = document.getElementById("opened-lead");
  const newsBar = document.getElementById("news-bar");
  const LOOK_EVERY = 20000;

  const say = (text) => { document.getElementById("inbox-says").textContent = text; };
  const complain = (text) => {
    const problem = document.getElementById("inbox-problem");
    problem.textContent = text;
    problem.hidden = !text;
  };

  // How many are unread: in the chip and in the window's title.
  const showUnread = (unread) => {
    const chip = document.getElementById("unread-count");
    if (!chip) return;
    chip.textContent = unread > 99 ? "99+" : unread;
    chip.hidden = !unread;
    document.title = document.title.replace(/^\(\d+\) /, "");
    if (unread) document.title = `(${unread}) ${document.title}`;
  };

  // --- htmx: pages for people, and no more than that ---
  document.addEventListener("htmx:configRequest", (event) => { event.detail.headers.Accept = "text/html"; });
  document.addEventListener("htmx:beforeRequest", () => complain(""));
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (requestConfig.path === inbox?.dataset.news) return stopLooking(xhr.status);
    const plain = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    complain(plain ? xhr.responseText : gettext("That did not work. Please reload the page and try again."));
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.requestConfig.path !== inbox?.dataset.news) complain(gettext("There is no connection. Please try again."));
  });

  // --- One lead beside the list ---
  const open = (link) => htmx.ajax("GET", link.href, { source: opened, target: opened, swap: "innerHTML" });
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".inbox .lead-link, .inbox .lead-asks a");
    if (!link || !desk.matches || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link);
  });
  document.addEventListener("inbox:changed", (event) => {
    const { lead, unread, message } = event.detail;
    showUnread(unread);
    document.querySelector(`#lead-${lead} .unread-mark`)?.remove();
    if (!message) return;
    document.querySelector(`.lead-page[data-lead="${lead}"] #reached`)?.remove(); // the status is set now
    say(message);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target === opened) {
      const lead = opened.querySelector("[data-lead]")?.dataset.lead;
      document.querySelectorAll(".lead-row.is-opened").forEach((row) => row.classList.remove("is-opened"));
      document.getElementById(`lead-${lead}`)?.classList.add("is-opened");
      opened.scrollTop = 0;
      if (document.activeElement === document.body) opened.focus();
    }
    const form = event.detail.elt;
    if (form.matches(".status-form")) alike(form);
  });

  // The same lead's buttons stand in the list and beside it; the pressed one keeps the focus.
  const alike = (form) => {
    const buttons = form.querySelector(".status-buttons");
    document.querySelectorAll(`[data-status-of="${form.dataset.statusOf}"]`).forEach((other) => {
      if (other !== form) other.querySelector(".status-buttons").replaceChildren(...buttons.cloneNode(true).children);
    });
    if (document.activeElement === document.body) form.querySelector('[aria-pressed="true"]').focus();
  };

  // --- Taps on Call and WhatsApp are attempts ---
  const tell = (place, kind) => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token, Accept: "application/json" };
    return fetch(place.dataset.tell, { method: "POST", keepalive: true, headers, body: JSON.stringify({ kind }) });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-kind], [data-tells-with]");
    if (!link) return;
    const place = link.closest("[data-tell]") || link.closest(".lead-page").querySelector("[data-tell]");
    const row = link.closest(".lead-row");
    tell(place, link.dataset.kind || link.dataset.tellsWith).then((answer) => {
      if (!answer.ok) return;
      if (row) {
        row.querySelector(".lead-asks").hidden = false;
        row.scrollIntoView({ block: "nearest" }); // the question may lie under the bar of sections
      }
      row?.querySelector(".unread-mark")?.remove();
      const page = link.closest("[data-page]")?.dataset.page;
      if (page) htmx.ajax("GET", page, { source: opened, target: opened, swap: "innerHTML" });
    }).catch(() => {});
  });

  // --- What is new ---
  const ids = (rows) => [...rows].map((row) => row.dataset.lead).slice(0, 200).join(",");
  const isBusy = () => {
    const at = document.activeElement;
    return window.scrollY > list.getBoundingClientRect().top + window.scrollY
      || (at && at.matches("input, select, textarea")) || list.contains(at) || list.matches(":active")
      || Boolean(document.querySelector("dialog[open], .filters[open]"));
  };
  const look = (peek) => {
    const { news, clinic, since, sequence } = inbox.dataset;
    const values = { clinic, since, sequence, known: ids(list.querySelectorAll(".lead-row:not([data-held])")),
      held: ids(list.querySelectorAll(".lead-row[data-held]")) };
    if (peek) values.peek = "1";
    return htmx.ajax("GET", news, { source: list, target: list, swap: "afterbegin", values });
  };
  let timer = null;
  const stopLooking = (status) => {
    window.clearInterval(timer);
    timer = null;
    if (status === 401) complain(gettext("You have been signed out. Reload the page to sign in again."));
    if (status === 409) complain(gettext("You work for another clinic now. Reload the page."));
  };
  const lookNow = () => {
    if (timer !== null && document.visibilityState === "visible") look(isBusy());
  };

  if (inbox?.dataset.news) {
    timer = window.setInterval(lookNow, LOOK_EVERY);
    document.addEventListener("visibilitychange", lookNow);
    document.addEventListener("inbox:news", (event) => {
      const { waiting, message, balance, unread, since, sequence } = event.detail;
      if (waiting) {
        if (newsBar.hidden || newsBar.textContent !== message) say(message);
        newsBar.textContent = message;
        newsBar.hidden = false;
        return;
      }
      newsBar.hidden = true;
      Object.assign(inbox.dataset, { since, sequence });
      document.querySelector(".credit-amount").textContent = balance;
      showUnread(unread);
      if (message) say(message);
    });
    // A lead that was held and came through stands in the list already: its new row takes the top.
    document.addEventListener("htmx:beforeSwap", (event) => {
      if (event.detail.target !== list) return;
      for (const [, id] of event.detail.serverResponse.matchAll(/ id="lead-(\d+)"/g)) {
        document.getElementById(`lead-${id}`)?.remove();
      }
    });
    document.addEventListener("htmx:load", (event) => {
      if (event.detail.elt.matches(".lead-row")) event.detail.elt.classList.add("is-new");
    });
    newsBar.addEventListener("click", () => {
      look(false).then(() => {
        list.scrollIntoView({ block: "nearest" });
        list.querySelector(".lead-link")?.focus();
      });
    });
  }

  // --- Copying the page's address, and dialogs ---
  document.addEventListener("click", (event) => {
    const copies = event.target.closest("[data-copies]");
    if (copies) {
      navigator.clipboard.writeText(copies.dataset.copies).then(() => {
        copies.querySelector("span").textContent = gettext("Copied");
        say(gettext("Copied"));
      });
    }
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens).showModal();
  });
})();
