// Comfort for disputes; everything works without it.
(() => {
  const MOST_BYTES = 5 * 1024 * 1024;

  // What the server would refuse after a long upload is said before it.
  const problemOf = (input) => {
    const files = [...input.files];
    const most = Number(input.dataset.mostFiles);
    if (files.length > most) return `At most ${most} files.`;
    const large = files.find((file) => file.size > MOST_BYTES);
    if (large) return `«${large.name}» is larger than 5 MB.`;
    const odd = files.find((file) => file.type && !input.accept.split(",").includes(file.type));
    return odd ? `«${odd.name}» is not a JPEG, PNG, WebP or PDF file.` : "";
  };
  document.querySelectorAll('input[type="file"][data-most-files]').forEach((input) => {
    input.addEventListener("change", () => {
      const problem = problemOf(input);
      input.setCustomValidity(problem);
      document.getElementById(`${input.id}-problem`).textContent = problem;
    });
  });

  // A second tap does nothing; the server would take it as the first anyway. Coming back opens the button again.
  document.querySelectorAll(".case-form").forEach((form) => {
    form.addEventListener("submit", () => {
      const button = form.querySelector('[type="submit"]');
      button.setAttribute("aria-busy", "true");
      window.setTimeout(() => { button.disabled = true; });
    });
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll('.case-form [type="submit"]').forEach((button) => {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    });
  });
})();
