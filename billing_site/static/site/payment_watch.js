// Asks where a top-up stands: soon at first, then less and less often, at once when the page is looked at again.
// `url` answers {state, credits, balance} as JSON; `onProgress` gets each answer.
function watchPayment(url, onProgress) {
  const first = 2500;
  const longest = 30000;
  let delay = first;
  let timer = 0;
  let asking = false;
  let stopped = false;

  async function ask() {
    clearTimeout(timer);
    if (asking || stopped || document.hidden) return;
    asking = true;
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (response.ok) onProgress(await response.json());
      else if (response.status < 500) stopped = true; // signed out, or not ours to see: the page itself will say so
    } catch {
      // The line is down for now; the next one may get through.
    }
    asking = false;
    if (!stopped) timer = setTimeout(ask, delay);
    delay = Math.min(delay * 1.3, longest);
  }

  document.addEventListener("visibilitychange", ask);
  return {
    // Something may just have happened: ask now, and often again.
    now() {
      delay = first;
      return ask();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
