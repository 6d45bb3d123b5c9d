// The page of a payment under way: it loads itself anew when the payment has moved on.
(() => {
  const shown = document.getElementById("payment-state");
  if (!shown || shown.dataset.state === "paid") return;
  const watch = watchPayment(window.location.href, (progress) => {
    if (progress.state === shown.dataset.state) return;
    watch.stop();
    window.location.reload();
  });
  watch.now();
})();
