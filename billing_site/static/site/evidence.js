// Evidence of a dispute: what was chosen is shown, can be removed, and a phone's large photos are made smaller before
// they are sent. Without scripts the two file inputs work by themselves.
"use strict";

const Evidence = (() => {
  const LONGEST_SIDE = 1600;
  const READABLE_SIDE = 900; // a long screenshot keeps this width, or nobody could read it
  const SMALL_ENOUGH = 1.5 * 1024 * 1024; // bytes: sent as it is
  const THUMBNAIL = 96; // pixels
  const chosenBy = new WeakMap(); // form -> [{ file, name, item }]
  const busyBy = new WeakMap(); // form -> promise of the files being looked at

  const drawn = (bitmap, width, height) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff"; // JPEG has no transparency
    pen.fillRect(0, 0, width, height);
    pen.drawImage(bitmap, 0, 0, width, height);
    return canvas;
  };

  // A JPEG of at most 1600 pixels a side, or the file itself where that is no gain or can't be done.
  const shrunk = async (file, bitmap) => {
    const factor = Math.min(1, Math.max(
      LONGEST_SIDE / Math.max(bitmap.width, bitmap.height),
      READABLE_SIDE / Math.min(bitmap.width, bitmap.height),
    ));
    const isKnown = ["image/jpeg", "image/png", "image/webp"].includes(file.type);
    if (isKnown && file.size <= SMALL_ENOUGH) return file;
    const canvas = drawn(bitmap, Math.round(bitmap.width * factor), Math.round(bitmap.height * factor));
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.85); });
    if (!blob || (isKnown && blob.size >= file.size)) return file;
    return new File([blob], `${file.name.replace(/\.\w+$/, "")}.jpg`, { type: "image/jpeg" });
  };

  const thumbnail = (bitmap) => {
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = document.createElement("canvas");
    canvas.width = THUMBNAIL;
    canvas.height = THUMBNAIL;
    canvas.getContext("2d").drawImage(
      bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, THUMBNAIL, THUMBNAIL,
    );
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  };

  const sizeText = (bytes) => (bytes < 1024 * 1024
    ? interpolate(gettext("%(number)s KB"), { number: Math.max(1, Math.round(bytes / 1024)) }, true)
    : interpolate(gettext("%(number)s MB"), { number: (bytes / 1024 / 1024).toFixed(1) }, true));

  // What the server would refuse after a long upload is said before it.
  const problemOf = (file, area) => {
    const named = { name: file.name };
    if (!file.size) return interpolate(gettext("«%(name)s» is empty."), named, true);
    if (file.type && !area.dataset.accept.split(",").includes(file.type)) {
      return interpolate(gettext("«%(name)s» is not a JPEG, PNG, WebP or PDF file."), named, true);
    }
    if (file.size > Number(area.dataset.mostBytes)) {
      return interpolate(gettext("«%(name)s» is larger than 5 MB."), named, true);
    }
    return "";
  };

  const tell = (area, text) => {
    document.getElementById("evidence-problem").textContent = text;
    area.querySelectorAll("input").forEach((input) => { input.classList.toggle("is-invalid", Boolean(text)); });
  };

  const itemFor = (form, area, entry, picture) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    const button = document.createElement("button");
    text.className = "chosen-name";
    text.textContent = `${entry.name} · ${sizeText(entry.file.size)}`;
    button.type = "button";
    button.className = "btn btn-plain";
    button.textContent = "×";
    button.setAttribute("aria-label", interpolate(gettext("Remove %(name)s"), entry, true));
    button.addEventListener("click", () => {
      const left = chosenBy.get(form).filter((one) => one !== entry);
      chosenBy.set(form, left);
      const next = item.nextElementSibling || item.previousElementSibling;
      item.remove();
      area.querySelector(".chosen").hidden = !left.length;
      tell(area, "");
      (next ? next.querySelector("button") : area.querySelector("input")).focus();
    });
    item.append(picture || document.createElement("span"), text, button);
    return item;
  };

  const add = async (form, area, file) => {
    const chosen = chosenBy.get(form);
    const most = Number(area.dataset.mostFiles);
    if (chosen.length >= most) {
      return interpolate(ngettext("At most %(number)s file.", "At most %(number)s files.", most), { number: most }, true);
    }
    const isThere = chosen.some((one) => one.source === `${file.name}/${file.size}/${file.lastModified}`);
    if (isThere) return "";
    let bitmap = null;
    let smaller = file;
    if (file.type.startsWith("image/") && window.createImageBitmap) {
      try {
        bitmap = await createImageBitmap(file);
        smaller = await shrunk(file, bitmap);
      } catch {
        smaller = file; // the browser can't read it: the server says what is wrong with it
      }
    }
    const problem = problemOf(smaller, area);
    if (problem) return problem;
    const entry = { file: smaller, name: file.name, source: `${file.name}/${file.size}/${file.lastModified}` };
    const list = area.querySelector(".chosen");
    list.append(itemFor(form, area, entry, bitmap && thumbnail(bitmap)));
    list.hidden = false;
    chosen.push(entry);
    if (bitmap) bitmap.close();
    return "";
  };

  const take = async (form, area, input) => {
    const files = [...input.files];
    input.value = ""; // the list below holds them now; the same file may be chosen again after it was removed
    area.setAttribute("aria-busy", "true");
    const problems = [];
    for (const file of files) problems.push(await add(form, area, file)); // one after the other: phones are small
    tell(area, problems.filter(Boolean).join(" "));
    area.removeAttribute("aria-busy");
  };

  document.querySelectorAll(".attach").forEach((area) => {
    const { form } = area.querySelector("input");
    chosenBy.set(form, []);
    area.querySelectorAll("input").forEach((input) => {
      input.addEventListener("change", () => {
        busyBy.set(form, (busyBy.get(form) || Promise.resolve()).then(() => take(form, area, input)));
      });
    });
  });

  return {
    /** The files to send with a form, once all of them have been looked at. */
    async of(form) {
      await busyBy.get(form);
      return (chosenBy.get(form) || []).map((entry) => entry.file);
    },
  };
})();
