// Draws the chart of the back office's first page from the numbers beside it. Without this file the table remains.
(function () {
  "use strict";

  // Told apart without colour too: each has a dash and a marker of its own, and the legend shows the marker.
  const STYLES = [
    { color: "--chart-1", dash: [], marker: "circle" },
    { color: "--chart-2", dash: [8, 4], marker: "rect" },
    { color: "--chart-3", dash: [2, 4], marker: "triangle" },
    { color: "--chart-4", dash: [12, 4, 2, 4], marker: "rectRot" },
  ];
  const grouped = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat("en-IN", { notation: "compact", maximumFractionDigits: 1 });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function token(name) {
    return getComputedStyle(document.body).getPropertyValue(name).trim();
  }

  // On a narrow screen only every third day is marked, counted back from today.
  function markerSize({ chart, dataset, dataIndex }) {
    return chart.width < 500 && (dataset.data.length - 1 - dataIndex) % 3 ? 0 : 4;
  }

  function line(one, number) {
    const style = STYLES[number];
    const color = token(style.color);
    return {
      label: one.label,
      data: one.values,
      borderColor: color,
      backgroundColor: color,
      borderWidth: 2,
      borderDash: style.dash,
      pointStyle: style.marker,
      pointRadius: markerSize,
      pointHoverRadius: 6,
    };
  }

  function axis(ticks) {
    return {
      beginAtZero: true,
      suggestedMax: 1,
      grid: { color: token("--hairline-color") },
      border: { color: token("--hairline-color") },
      ticks: { color: token("--body-quiet-color"), maxRotation: 0, autoSkipPadding: 14, ...ticks },
    };
  }

  function tooltip() {
    return {
      usePointStyle: true,
      boxPadding: 4,
      padding: 10,
      backgroundColor: token("--body-bg"),
      borderColor: token("--border-color"),
      borderWidth: 1,
      titleColor: token("--body-fg"),
      bodyColor: token("--body-fg"),
      callbacks: { label: (item) => `${item.dataset.label}: ${grouped.format(item.parsed.y)}` },
    };
  }

  function options() {
    return {
      maintainAspectRatio: false, // the height is the style sheet's
      animation: calm.matches ? false : { duration: 400 },
      interaction: { mode: "index", intersect: false }, // a whole day at once
      scales: { x: axis(), y: axis({ callback: (value) => short.format(value) }) },
      plugins: {
        // Nothing happens at a click: what the keyboard cannot reach would be for some only.
        legend: { onClick: null, labels: { usePointStyle: true, boxHeight: 8, color: token("--body-fg"), padding: 16 } },
        tooltip: tooltip(),
      },
    };
  }

  function start(canvas) {
    const facts = JSON.parse(document.getElementById(canvas.dataset.points).textContent);
    const lines = () => facts.series.map(line);
    canvas.parentElement.hidden = false;
    const chart = new Chart(canvas, {
      type: "line",
      data: { labels: facts.days, datasets: lines() },
      options: options(),
    });
    const again = () => {
      chart.data.datasets = lines();
      chart.options = options();
      chart.update("none");
    };
    new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    dark.addEventListener("change", again);
    calm.addEventListener("change", again);
  }

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  document.querySelectorAll("canvas[data-points]").forEach(start);
})();
