"use strict";
// The billing dashboard: the window for buying, the chart, and what changes while one looks.
// The seed's four functions are global; what they need is read from the page.

const billing = {
  charts: new Map(), // canvas → its chart
  every: 45000, // milliseconds between two looks at the balance
  asking: false,
};

// --- buying ------------------------------------------------------------------------------------
// Opens the window; where there is none (a role that may not buy) it goes to the page, which says so.
function openTopUpModal() {
  const window_ = document.getElementById("topup-modal");
  if (window_) {
    const opener = document.activeElement;
    window_.addEventListener("hidden.bs.modal", () => opener.focus(), { once: true });
    bootstrap.Modal.getOrCreateInstance(window_).show();
  } else window.location.assign(document.querySelector("[data-opens-top-up]")?.href || "/clinic/credits/topup");
}

function preparePurchase(form) {
  const button = form.querySelector("[type=submit]");
  const label = button.querySelector("span");
  const keys = new Map(); // one idempotency key for each choice: a repeat of it is the same purchase
  const field = form.elements.idempotency_key;
  const firstKey = field.value;

  const showPrice = () => {
    const gross = Number(form.querySelector("[name=package_id]:checked").dataset.gross);
    label.textContent = interpolate(gettext("Pay ₹%(amount)s"), { amount: rupees.format(gross) }, true);
  };
  form.addEventListener("change", showPrice);
  form.addEventListener("submit", (event) => {
    if (button.disabled) return event.preventDefault(); // a double tap buys once
    const choice = form.elements.package_id.value;
    if (!keys.has(choice)) keys.set(choice, keys.size ? newKey() : firstKey);
    field.value = keys.get(choice);
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => { // «back» from the payment: another choice may be made
    button.disabled = false;
    button.removeAttribute("aria-busy");
  });
  showPrice();
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- what changes by itself --------------------------------------------------------------------
// Asks for the balance alone; when it has changed, everything on the page is read anew, so that it goes on to agree.
async function updateCreditBalance() {
  try {
    const response = await fetch("/clinic/credits/balance", { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!response.ok) return;
    const { balance } = await response.json();
    const shown = document.querySelector("[data-balance]").textContent;
    if (rupees.format(balance) !== shown) await loadTransactionHistory();
  } catch {
    // The line is down for now; the next look may get through.
  }
}

// Reads the page anew, from one snapshot of the books, and puts its parts in place: history, figures, header, chart.
async function loadTransactionHistory() {
  if (billing.asking) return;
  billing.asking = true;
  try {
    const response = await fetch(window.location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!response.ok || response.redirected) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) put(part, fresh.getElementById(part.id));
    put(document.querySelector(".credit-amount"), fresh.querySelector(".credit-amount"));
    put(document.getElementById("months-points"), fresh.getElementById("months-points"));
    initializeCharts();
  } catch {
    // As above.
  } finally {
    billing.asking = false;
  }
}

// What has not changed stays as it is, and with it what is open and where the focus is.
function put(part, fresh) {
  if (!part || !fresh || part.innerHTML === fresh.innerHTML) return;
  const focused = part.contains(document.activeElement) ? pathTo(document.activeElement, part) : null;
  const open = Array.from(part.querySelectorAll("details"), (one) => one.open);
  part.innerHTML = fresh.innerHTML;
  part.querySelectorAll("details").forEach((one, number) => { one.open = open[number] ?? one.open; });
  if (focused) (part.querySelectorAll("a, button, summary")[focused.number] || part.closest("[tabindex]"))?.focus();
}

function pathTo(element, part) {
  return { number: Array.from(part.querySelectorAll("a, button, summary")).indexOf(element) };
}

function watchBalance() {
  const look = () => { if (!document.hidden) updateCreditBalance(); };
  setInterval(look, billing.every);
  document.addEventListener("visibilitychange", look);
}

// --- the chart ---------------------------------------------------------------------------------
// Draws, or draws anew, each chart from the numbers of the page. Told apart without colour: full and hatched bars.
function initializeCharts() {
  if (!window.Chart) return;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  document.querySelectorAll("canvas[data-points]").forEach((canvas) => {
    const points = JSON.parse(document.getElementById(canvas.dataset.points).textContent);
    const known = billing.charts.get(canvas);
    if (known) {
      known.data = chartData(points);
      known.options = chartOptions();
      known.update("none");
      return;
    }
    canvas.parentElement.hidden = false;
    const table = canvas.closest("section").querySelector("details.chart-table");
    if (table && window.matchMedia("not print").matches) table.open = false;
    billing.charts.set(canvas, new Chart(canvas, { type: "bar", data: chartData(points), options: chartOptions() }));
  });
}

function chartData(points) {
  const styles = [
    { color: token("--cc-accent"), fill: (color) => color, shape: "rect" },
    { color: token("--cc-wait"), fill: hatched, shape: "rectRot" },
  ];
  const datasets = points.series.map((series, number) => {
    const { color, fill, shape } = styles[number];
    return {
      label: series.label, data: series.values, backgroundColor: fill(color), borderColor: color, borderWidth: 1.5,
      borderRadius: 4, pointStyle: shape, maxBarThickness: 28,
    };
  });
  return { labels: points.labels, datasets };
}

function hatched(color) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = color;
  pen.lineWidth = 2;
  pen.beginPath();
  [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]].forEach(([x, y, toX, toY]) => { pen.moveTo(x, y); pen.lineTo(toX, toY); });
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

function chartOptions() {
  const text = token("--bs-body-color");
  const quiet = token("--bs-secondary-color");
  const line = token("--bs-border-color");
  const axis = (ticks) => ({
    beginAtZero: true, grid: { color: line }, border: { color: line },
    ticks: { color: quiet, maxRotation: 0, autoSkipPadding: 12, ...ticks },
  });
  return {
    maintainAspectRatio: false, // the height is the style sheet's
    animation: window.matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 400 },
    interaction: { mode: "index", intersect: false }, // a whole month at once
    scales: {
      x: { ...axis(), grid: { display: false } },
      y: { ...axis({ callback: (value) => `₹${short.format(value)}`, maxTicksLimit: 6 }), suggestedMax: 1000 },
    },
    plugins: {
      // Nothing happens at a click: what the keyboard cannot reach would be for some only.
      legend: { onClick: null, labels: { color: text, boxHeight: 10, boxWidth: 22, padding: 14 } },
      tooltip: {
        padding: 10, boxPadding: 4, backgroundColor: token("--cc-card"), borderColor: line, borderWidth: 1,
        titleColor: text, bodyColor: text,
        callbacks: { label: (item) => `${item.dataset.label}: ₹${rupees.format(item.parsed.y)}` },
      },
    },
  };
}

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rupees = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en-IN", { notation: "compact", maximumFractionDigits: 1 });

document.querySelectorAll("[data-opens-top-up]").forEach((link) => {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    openTopUpModal();
  });
});
document.querySelectorAll("#topup-modal form").forEach(preparePurchase);
initializeCharts();
watchBalance();
new MutationObserver(initializeCharts).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details.chart-table").forEach((table) => { table.open = true; });
});
