// What a page cannot do without a script. Every page works without this module; with it, it is quicker and keeps your place.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => { const box = one("#announcer"); if (box && text) box.textContent = text; };

// The browser's time zone: for pages to come as a cookie, for this page's forms as a value.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
document.cookie = `zone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;

// Input that is not saved is not lost without a question.
const dirty = new Set();

function prepare(root) {
  for (const input of all("[data-browser-zone]", root)) input.value = zone;
  for (const place of all("[data-zone-name]", root)) place.textContent = ` (${zone.replaceAll("_", " ")})`;
  for (const form of all("form[data-unsaved]", root)) dirty.add(form);
  for (const button of all("[data-copy-now]", root)) copy(button);
  for (const form of all("form[data-bulk]", root)) chosen(form);
  for (const input of all("[data-counter]", root)) tally(input);
  const wrong = one("[aria-invalid=true]", root) ?? one("[data-focus]", root);
  if (wrong && !wrong.closest("[hidden]")) wrong.focus();
}

// What is copied once it is there, and again when its button is pressed.
async function copy(button) {
  const source = one(button.dataset.copy), told = one("[data-copied]", button.parentElement);
  source.select();
  try { await navigator.clipboard.writeText(source.value); told.textContent = "Copied."; } catch { told.textContent = "Marked: copy with your keyboard."; }
}
// What is chosen in a list is counted, on the button and in the question it asks.
function chosen(form) {
  const boxes = all("[data-pick]:not(:disabled)", form), count = boxes.filter((box) => box.checked).length;
  const words = count === 1 ? "1 invitation" : `${count} invitations`;
  one("[data-chosen-count]", form).textContent = count ? `${count} chosen.` : "";
  one("[data-chosen-words]", form).textContent = words;
  const button = one("[data-needs-chosen]", form), every = one("[data-pick-all]", form);
  button.disabled = count === 0;
  button.textContent = count ? `Withdraw ${words}` : "Withdraw";
  every.checked = count > 0 && count === boxes.length;
  every.indeterminate = count > 0 && count < boxes.length;
  every.disabled = boxes.length === 0;
}
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-bulk]");
  if (!form) return;
  if (event.target.matches("[data-pick-all]")) for (const box of all("[data-pick]:not(:disabled)", form)) box.checked = event.target.checked;
  chosen(form);
});

// How long a text is, and a limit above what is recommended: said while it is typed.
function tally(input) {
  const place = document.getElementById(input.dataset.counter);
  const count = [...input.value].length, { most, free } = place.dataset;
  place.textContent = count > free ? `${count} of ${most} characters: more than the ${free} that LinkedIn takes without Premium` : `${count} of ${most} characters, ${free} without Premium`;
}
document.addEventListener("input", (event) => {
  const input = event.target;
  if (input.dataset?.counter) tally(input);
  if (!input.dataset?.recommended) return;
  const warning = document.getElementById(`${input.id}-warning`), was = warning.hidden;
  warning.hidden = !(Number(input.value) > Number(input.dataset.recommended));
  if (was && !warning.hidden) say(warning.textContent.trim());
});

prepare(document);

// What is wrong stands under the field, in our words, until it is changed.
function words(input) {
  const bad = input.validity;
  if (bad.valueMissing) return input.type === "file" ? "Choose a file." : "Fill this in.";
  if (bad.typeMismatch) return input.type === "email" ? "Give the whole email address, such as name@company.com." : "Give the whole address, beginning with https://.";
  if (bad.rangeUnderflow || bad.rangeOverflow) return `Give a number from ${input.min} to ${input.max}.`;
  if (bad.stepMismatch || bad.badInput) return input.type === "number" ? "Give a whole number." : "This is not complete.";
  return input.validationMessage;
}
function mark(input, text) {
  const place = input.closest(".f");
  if (!place) return;
  const id = `${input.id}-error`;
  const about = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((each) => each && each !== id);
  one(".error", place)?.remove();
  if (text) {
    const line = document.createElement("p");
    line.className = "error";
    line.id = id;
    line.textContent = text;
    input.after(line);
    about.unshift(id);
    input.setAttribute("aria-invalid", "true");
  } else input.removeAttribute("aria-invalid");
  if (about.length) input.setAttribute("aria-describedby", about.join(" ")); else input.removeAttribute("aria-describedby");
}
document.addEventListener("invalid", (event) => {
  const input = event.target;
  if (!input.closest(".f")) return;
  event.preventDefault();
  mark(input, words(input));
  if (one(":invalid:not(fieldset)", input.form) === input) input.focus();
}, true);
document.addEventListener("input", (event) => {
  const input = event.target;
  if (input.getAttribute("aria-invalid") === "true" && input.closest(".f")) mark(input, "");
});

// Buttons show progress and cannot be pressed twice.
function busy(button) {
  if (!button || button.dataset.rest) return;
  button.dataset.rest = button.innerHTML;
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-busy", "true");
  button.textContent = button.dataset.busy;
  say(button.dataset.busy);
}
function rest(form) {
  for (const button of all("[data-rest]", form)) {
    button.innerHTML = button.dataset.rest;
    delete button.dataset.rest;
    button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-busy");
  }
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter ?? one("[data-busy]", form);
  if (button?.dataset.rest) { event.preventDefault(); event.stopImmediatePropagation(); return; }
  dirty.delete(form);
  for (const old of all("[data-outcome]")) old.remove();
  if (button?.dataset.busy) queueMicrotask(() => { if (!event.defaultPrevented || form.hasAttribute("hx-post")) busy(button); });
}, true);
addEventListener("pageshow", (event) => { if (event.persisted) all("form").forEach(rest); });

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.hasAttribute("data-guard")) dirty.add(form);
  if (event.target.type === "time") drawDay(event.target.closest(".day"));
});
addEventListener("beforeunload", (event) => {
  if ([...dirty].some((form) => form.isConnected)) event.preventDefault();
});

// The picture of the week follows the times.
const minutes = (text, end) => { const [h, m] = text.split(":").map(Number); const n = h * 60 + m || 0; return end && n === 0 ? 1440 : n; };
function drawDay(day) {
  const [from, to] = all("input[type=time]", day);
  const bar = one(".bar .on", day), start = minutes(from.value, false);
  bar.setAttribute("x", start);
  bar.setAttribute("width", Math.max(0, minutes(to.value, true) - start));
}

// Menus, tabs, sections, dialogs.
function show(link, group, panels) {
  for (const other of group) {
    const on = other === link, tab = other.getAttribute("role") === "tab";
    if (tab) { other.setAttribute("aria-selected", on); other.tabIndex = on ? 0 : -1; }
    else if (on) other.setAttribute("aria-current", "true"); else other.removeAttribute("aria-current");
    panels(other).hidden = !on;
  }
  history.replaceState(null, "", link.href);
}
const ofTab = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
const ofSection = (link) => document.getElementById(`section-${link.dataset.section}`);

function openDialog(dialog, from) {
  dialog.opener = from;
  dialog.showModal();
}
function closeDialog(dialog) {
  dialog.close();
  if (dialog.opener?.id) document.getElementById(dialog.opener.id)?.focus();
}
async function loadDialog(link, dialog) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } }).catch(() => null);
  const content = answer?.ok && one("[data-dialog-content]", new DOMParser().parseFromString(await answer.text(), "text/html"));
  if (!content) { location.assign(link.href); return; }
  const body = document.createElement("div");
  body.setAttribute("data-dialog-content", "");
  body.append(...content.childNodes);
  dialog.replaceChildren(body);
  htmx.process(body);
  prepare(body);
  openDialog(dialog, link);
  one("input:not([type=hidden])", body)?.focus();
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  let found;
  if ((found = hit("[data-menu-button]"))) {
    const menu = document.getElementById(found.getAttribute("aria-controls"));
    const open = menu.toggleAttribute("data-open");
    found.setAttribute("aria-expanded", open);
  } else if ((found = hit("[data-tabs] [role=tab]"))) {
    event.preventDefault();
    show(found, all("[role=tab]", found.closest("[data-tabs]")), ofTab);
  } else if ((found = hit("a[data-section]"))) {
    event.preventDefault();
    show(found, all("a[data-section]"), ofSection);
    const menu = one("#local-menu"), button = one("[aria-controls=local-menu]");
    menu.removeAttribute("data-open");
    button.setAttribute("aria-expanded", "false");
    one("[data-current-section]", button).textContent = found.textContent;
    const title = one("h2", ofSection(found));
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  } else if ((found = hit("[data-dialog]"))) {
    openDialog(document.getElementById(found.dataset.dialog), found);
  } else if ((found = hit("[data-load-dialog]"))) {
    event.preventDefault();
    loadDialog(found, one(found.dataset.loadDialog));
  } else if ((found = hit("[data-close]")) && found.closest("dialog")) {
    event.preventDefault();
    closeDialog(found.closest("dialog"));
  } else if ((found = hit("[data-copy]"))) {
    copy(found);
  }
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.("[data-tabs] [role=tab]");
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!tab || step === undefined) return;
  event.preventDefault();
  const tabs = all("[role=tab]", tab.closest("[data-tabs]"));
  const next = Number.isFinite(step) ? (tabs.indexOf(tab) + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
  tabs[next].focus();
  show(tabs[next], tabs, ofTab);
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && one("[data-menu][data-open]");
  if (!open) return;
  const button = one(`[aria-controls=${open.id}]`);
  open.removeAttribute("data-open");
  button.setAttribute("aria-expanded", "false");
  button.focus();
});

// A file that is too large is not sent on its way first.
document.addEventListener("change", (event) => {
  const input = event.target, largest = input.type === "file" && Number(input.closest("[data-largest]")?.dataset.largest);
  if (!largest) return;
  const large = input.files[0]?.size > largest * 1024 * 1024;
  input.setCustomValidity(large ? `The file is larger than ${largest} MB. Import it in several files.` : "");
  mark(input, input.validationMessage && large ? input.validationMessage : "");
});

// Custom days appear when they are chosen; the port follows the security; the hosts follow the address.
const PORTS = { imap: { tls: "993", starttls: "143" }, smtp: { tls: "465", starttls: "587" } };
document.addEventListener("change", (event) => {
  const box = event.target, form = box.form;
  if (form?.hasAttribute("data-period") && box.name === "period") one("[data-custom]", form).hidden = box.value !== "custom";
  if (box.hasAttribute("data-security")) {
    const kind = box.name.slice(0, 4), port = form.elements[`${kind}_port`];
    if (!port.value || Object.values(PORTS[kind]).includes(port.value)) port.value = PORTS[kind][box.value];
  }
  if (form?.hasAttribute("data-suggest") && box.name === "email" && box.value.includes("@")) {
    const domain = box.value.split("@").pop();
    for (const kind of ["imap", "smtp"]) {
      const host = form.elements[`${kind}_host`];
      if (!host.value || host.value === host.dataset.suggested) host.value = host.dataset.suggested = `${kind}.${domain}`;
    }
  }
});

// The connection by which the page hears what happened. It begins with what happened since the page was made, is never
// given up, and goes on after the last thing it has heard; whoever is signed out meanwhile comes to the sign-in page.
class Feed extends EventTarget {
  names = new Set();
  closed = false;
  constructor(url) { super(); [this.url, this.last = ""] = url.split("?after="); this.connect(); }
  get readyState() { return this.closed ? EventSource.CLOSED : this.source.readyState % EventSource.CLOSED; }
  connect() {
    if (this.closed) return;
    this.source = new EventSource(this.last ? `${this.url}?after=${this.last}` : this.url);
    this.source.onopen = (event) => this.onopen?.(event);
    this.source.onerror = (event) => {
      this.onerror?.(event);
      if (this.source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => this.connect(), 2000);
      fetch(location.href, { redirect: "manual" }).then((answer) => { if (answer.type === "opaqueredirect") location.reload(); }, () => {});
    };
    for (const name of this.names) this.source.addEventListener(name, this.pass);
  }
  pass = (event) => {
    this.last = event.lastEventId;
    this.dispatchEvent(new MessageEvent(event.type, { data: event.data, lastEventId: event.lastEventId }));
  };
  addEventListener(name, ...rest) {
    super.addEventListener(name, ...rest);
    if (!this.names.has(name)) { this.names.add(name); this.source.addEventListener(name, this.pass); }
  }
  close() { this.closed = true; this.source.close(); }
}
htmx.createEventSource = (url) => new Feed(url);

// Live: a part of the page is asked for again when something happened. It keeps the place, the focus, what is open and
// what is typed.
const waits = new Set();
const untouched = (input) => input.closest("[data-keep]") !== null && input.value === input.defaultValue;
const editing = (root) => root.contains(document.activeElement) && document.activeElement.matches("input, select, textarea") && !untouched(document.activeElement);
const typed = (root) => all("[data-keep] input:not([type=hidden])", root).some((input) => input.value !== input.defaultValue);
const occupied = (root) => editing(root) || typed(root) || one("dialog[open], [data-pick]:checked", root) !== null;
document.body.addEventListener("htmx:configRequest", (event) => {
  const rows = event.detail.elt.dataset?.afterFirst;
  if (rows) event.detail.parameters.after = one("[data-cursor]", one(rows))?.dataset.cursor ?? "";
});
// Whoever pressed a button stands at it again when its form has been swapped.
let pressed = -1;
const buttons = (root) => all("button:not([hidden])", root).filter((button) => !button.closest("noscript"));
function back(swapped) {
  const button = buttons(swapped)[pressed];
  if (document.activeElement === document.body) button?.focus();
  pressed = -1;
}
let anchor = null;
let open = [];
let told = "";
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const live = event.detail.requestConfig?.elt;
  if (live?.tagName === "FORM") pressed = buttons(event.detail.target).indexOf(document.activeElement);
  if (!live?.hasAttribute("data-live")) return;
  if (event.detail.xhr.status >= 400) { event.detail.shouldSwap = false; return; }
  if (occupied(live)) { event.detail.shouldSwap = false; waits.add(live.id); return; }
  told = live.dataset.announce ?? "";
  open = all("details[open]", live).map((each) => each.id);
  const row = all("[data-cursor], .card", live).find((each) => each.getBoundingClientRect().bottom > 0);
  anchor = live.hasAttribute("data-after-first") && row && scrollY > 0 ? [row, row.getBoundingClientRect().top] : null;
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  const live = event.detail.requestConfig?.elt;
  if (!live) return;
  rest(live);
  if (live.hasAttribute("data-live")) {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (anchor) scrollBy(0, anchor[0].getBoundingClientRect().top - anchor[1]);
    if (live.dataset.afterFirst) fresh(live);
    for (const form of all("form[data-bulk]", document.getElementById(live.id) ?? document)) chosen(form);
    const now = live.id ? document.getElementById(live.id)?.dataset.announce : "";
    if (now && now !== told) say(now);
  } else if (live.tagName === "FORM" && live.hasAttribute("hx-post")) {
    const swapped = event.detail.target.isConnected ? event.detail.target : document.getElementById(event.detail.target.id);
    if (swapped) { prepare(swapped); back(swapped); }
    say((one("[data-outcome]", swapped ?? document) ?? one(".notice:not([hidden])", swapped ?? document))?.textContent.trim());
  } else if (live.dataset.announce === undefined) {
    say(one("#results")?.dataset.announce);
  }
});
// Campaigns and lists of invitations learn of what was done a moment after the page does: they are asked once more.
const later = new Map();
for (const name of ["sse:campaigns", "sse:linkedin"]) {
  document.body.addEventListener(name, (event) => {
    const id = event.target.closest("[data-again]")?.id;
    if (!id) return;
    clearTimeout(later.get(id));
    later.set(id, setTimeout(() => { const live = document.getElementById(id); if (live) htmx.trigger(live, "again"); }, 1500));
  });
}
function fresh(live) {
  let count = 0;
  for (const row of all("#entries > [data-cursor]", live)) {
    if (row.dataset.seen) break;
    row.classList.add("fresh");
    count += 1;
  }
  for (const row of all("#entries > [data-cursor]", live)) row.dataset.seen = "1";
  if (count) {
    one("[data-entries]", live).hidden = false;
    one("[data-no-entries]", live)?.remove();
    say(`${count} new ${count === 1 ? "entry" : "entries"}`);
  }
}
for (const row of all("#entries > [data-cursor]")) row.dataset.seen = "1";
document.addEventListener("focusout", () => setTimeout(() => {
  for (const id of waits) {
    const live = document.getElementById(id);
    if (!live || !occupied(live)) { waits.delete(id); if (live) htmx.trigger(live, "refresh"); }
  }
}, 0));
document.addEventListener("close", (event) => {
  const live = event.target.closest?.("[data-live]");
  if (live && waits.delete(live.id)) htmx.trigger(live, "refresh");
}, true);

// What an answer that is a refusal says of itself.
function refusalIn(answer) {
  const text = answer?.responseText ?? "";
  if (answer?.getResponseHeader("content-type")?.includes("json")) {
    try { return JSON.parse(text).detail ?? ""; } catch { return ""; }
  }
  const detail = new DOMParser().parseFromString(text, "text/html").querySelector("[data-detail]");
  return detail ? detail.textContent.trim() : "";
}

// Out of reach: say so, keep what is there, and come up to date when it is back.
let away = false;
let broken = false;
let grace = 0;
function reach(ok) {
  clearTimeout(grace);
  const box = one("#away");
  if (box) box.hidden = ok;
  if (ok && (away || broken)) htmx.trigger(document.body, "refresh");
  away = !ok;
  if (ok) broken = false;
}
document.body.addEventListener("htmx:sseError", () => {
  if (!broken) grace = setTimeout(reach, 3000, false);
  broken = true;
});
addEventListener("pagehide", () => clearTimeout(grace));
document.body.addEventListener("htmx:sseOpen", () => reach(true));
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(name, (event) => {
    const form = event.detail.elt.closest("form");
    if (form) rest(form);
    if (name === "htmx:responseError" && event.detail.xhr.status < 500) { say("That did not work. Reload the page and try again."); return; }
    reach(false);
    const box = one("#away");
    if (form && box) { box.textContent = refusalIn(event.detail.xhr) || "Heraldry could not be reached. Nothing was lost: press the button again in a moment."; dirty.add(form); }
  });
}

// An error page that recovers by itself.
const recover = one("[data-recover]");
if (recover) {
  const target = recover.dataset.recover || location.href;
  const again = async () => {
    const answer = await fetch(target, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer && answer.status < 500) location.replace(target); else setTimeout(again, 3000);
  };
  setTimeout(again, 3000);
}
