// Sends a dispute's form in the background: the upload is seen to move, and what was typed stays where it is when the
// connection is lost. The key in the form lets it count once, however often it is sent.
"use strict";

(() => {
  const TOLD = "dispute-told";

  const csrfToken = (form) => {
    // Whoever signed in again in another window has a new one.
    const cookie = document.cookie.split("; ").find((one) => one.startsWith("csrftoken="));
    return cookie ? cookie.slice("csrftoken=".length) : form.elements.csrfmiddlewaretoken.value;
  };

  const bodyOf = (form, files) => {
    const body = new FormData(form);
    body.delete("evidence");
    files.forEach((file) => { body.append("evidence", file, file.name); });
    body.set("csrfmiddlewaretoken", csrfToken(form));
    return body;
  };

  const messageFor = (status, answer) => {
    if (status === 0) return gettext("The connection was lost. What you wrote is still here: please send it again.");
    if (status === 401) return gettext("You have been signed out. Sign in in another window, then send this again.");
    return (answer && answer.message) || gettext("This did not work just now. What you wrote is still here: please send it again.");
  };

  const show = (form, status, answer) => {
    const fields = { ...(answer && answer.fields) };
    const isMarked = Object.keys(fields).some((name) => document.getElementById(`${name}-problem`));
    const message = isMarked ? gettext("Not sent yet: please look at the marked fields.") : messageFor(status, answer);
    const whole = fields.__all__ || [];
    delete fields.__all__;
    form.querySelectorAll(".field-problem").forEach((place) => { place.textContent = ""; });
    form.querySelectorAll(".is-invalid").forEach((field) => { field.classList.remove("is-invalid"); });
    Object.entries(fields).forEach(([name, problems]) => {
      const place = document.getElementById(`${name}-problem`);
      if (place) place.textContent = problems.join(" ");
      else whole.push(...problems);
      form.querySelectorAll(`textarea[name="${name}"]`).forEach((field) => { field.classList.add("is-invalid"); });
    });
    if (answer && answer.code === "idempotency_key_reused") {
      form.elements.idempotency_key.value = crypto.randomUUID();
    }
    const place = form.querySelector(".form-problem");
    place.replaceChildren(...[...new Set([message, ...whole])].map((text) => {
      const line = document.createElement("p");
      line.textContent = text;
      return line;
    }));
    place.focus();
  };

  const setBusy = (form, isBusy) => {
    const button = form.querySelector('[type="submit"]');
    button.disabled = isBusy;
    button.setAttribute("aria-busy", String(isBusy));
    form.querySelector(".sending").hidden = !isBusy;
  };

  const progress = (form, part) => {
    const percent = Math.round(part * 100);
    form.querySelector("progress").value = percent;
    form.querySelector(".sending-text").textContent = percent < 100
      ? interpolate(gettext("Sending: %(percent)s %"), { percent }, true)
      : gettext("Sent. We are looking at the files…");
  };

  const done = (form, answer) => {
    try {
      sessionStorage.setItem(TOLD, form.dataset.done);
    } catch { /* without storage the page itself tells enough */ }
    window.location.assign(`${form.dataset.pages}/${answer.dispute.id}`);
  };

  const send = async (form) => {
    setBusy(form, true);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => { progress(form, event.loaded / event.total); });
    request.addEventListener("loadend", () => {
      if (request.status === 200 || request.status === 201) {
        done(form, request.response);
        return;
      }
      setBusy(form, false);
      show(form, request.status, request.response);
    });
    const files = await Evidence.of(form);
    progress(form, 0);
    request.send(bodyOf(form, files));
  };

  document.querySelectorAll("form[data-done]").forEach((form) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!form.querySelector('[type="submit"]').disabled) send(form);
    });
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-done]").forEach((form) => { setBusy(form, false); });
  });

  // What the page before wants to be told here.
  try {
    const told = sessionStorage.getItem(TOLD);
    sessionStorage.removeItem(TOLD);
    const conversation = document.querySelector(".conversation");
    if (told && conversation) {
      const notice = document.createElement("div");
      notice.className = "notice notice-success";
      notice.setAttribute("role", "status");
      conversation.before(notice);
      const text = document.createElement("p");
      text.textContent = told;
      notice.append(text);
    }
  } catch { /* no storage: nothing to tell */ }
})();
