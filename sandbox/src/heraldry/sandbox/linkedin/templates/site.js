"use strict";
const all = (name, within = document) => [...within.querySelectorAll("." + name)];
const show = (element, shown) => element.classList.toggle("{{ c('away') }}", !shown);

for (const button of all("{{ c('dismiss') }}")) {
  button.addEventListener("click", () => button.parentElement.remove());
}

for (const button of all("{{ c('show') }}")) {
  const field = button.parentElement.querySelector("input");
  button.addEventListener("click", () => { field.type = field.type === "password" ? "text" : "password"; });
}

for (const button of all("{{ c('home') }}")) {
  button.addEventListener("click", () => location.assign("/feed/"));
}

// The sign-in page without a form: what was typed goes where the form would have sent it.
for (const fields of all("{{ c('fields') }}")) {
  const [key] = all("{{ c('key') }}", fields);
  const [secret] = all("{{ c('secret') }}", fields);
  const [enter] = all("{{ c('enter') }}", fields);
  const ready = () => { enter.disabled = !(key.value && secret.value); };
  const submit = () => {
    if (enter.disabled) return;
    enter.disabled = true;
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/checkpoint/lg/login-submit";
    const then = fields.parentElement.dataset.then;
    for (const [name, value] of Object.entries({ session_key: key.value, session_password: secret.value, session_redirect: then })) {
      const input = document.createElement("input");
      [input.type, input.name, input.value] = ["hidden", name, value];
      form.append(input);
    }
    document.body.append(form);
    form.submit();
  };
  for (const input of [key, secret]) {
    input.addEventListener("input", ready);
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") submit(); });
  }
  enter.addEventListener("click", submit);
}

// The page that waits for the app goes on by itself.
for (const waiting of all("{{ c('waits') }}")) {
  const ask = async () => {
    const answer = await fetch(waiting.dataset.poll, { method: "POST" });
    const { status } = await answer.json();
    if (status === "approved") return location.assign("/feed/");
    if (status === "waiting") return setTimeout(ask, 500);
    show(waiting, false);
    show(all(status === "denied" ? "{{ c('denied') }}" : "{{ c('expired') }}")[0], true);
  };
  ask();
}

// What members press. Names of attributes are hashes, as the names of classes are.
const of = (element) => element.getAttribute("data-{{ c('of') }}");
const token = () => (document.cookie.match(/JSESSIONID="?([^";]*)/) || [])[1] || "";
const post = (path, body) => fetch(path, {
  method: "POST",
  keepalive: true,
  headers: { "content-type": "application/json", "csrf-token": token() },
  body: JSON.stringify(body),
});
const get = (path) => fetch(path, { headers: { "csrf-token": token() } });

const outlet = document.querySelector("#interop-outlet");
const shadow = outlet && outlet.attachShadow({ mode: "open" });
if (shadow) {
  const style = document.createElement("link");
  [style.rel, style.href] = ["stylesheet", "/sc/h/{{ asset }}/site.css"];
  const [overlay] = all("{{ c('overlay') }}");
  shadow.append(style, overlay.content.cloneNode(true));
}
let dialog = null;
const close = () => { dialog?.remove(); dialog = null; };
const open = async (answer) => {
  close();
  const holder = document.createElement("template");
  holder.innerHTML = await (await answer).text();
  dialog = holder.content.firstElementChild;
  if (dialog.matches("dialog")) {
    document.body.append(dialog);
    dialog.showModal();
  } else {
    shadow.append(dialog);
  }
};

const toast = (text, failed) => {
  if (!text) return;
  const [region] = all("{{ c('toasts') }}");
  const one = document.createElement("div");
  one.setAttribute("role", "alert");
  if (failed) one.setAttribute("data-test-artdeco-toast-item-type", "error");
  const said = document.createElement("p");
  said.textContent = text;
  const dismiss = document.createElement("button");
  [dismiss.type, dismiss.textContent] = ["button", "Dismiss"];
  dismiss.addEventListener("click", () => one.remove());
  one.append(said, dismiss);
  region.append(one);
  const count = region.querySelectorAll("[role=alert]").length;
  region.querySelector("h2").textContent = `${count} notification${count === 1 ? "" : "s"}`;
  show(region, true);
};

// Shows what the site says a person is now, which a later load may contradict.
const settle = async (person, shows) => {
  if (location.pathname.startsWith("/in/")) {
    const page = location.pathname === `/in/${person}/` ? `${location.pathname}?shows=${shows}` : location.pathname;
    const fresh = new DOMParser().parseFromString(await (await get(page)).text(), "text/html");
    for (const name of ["{{ c('actions') }}", "{{ c('menu') }}"]) {
      all(name, fresh).forEach((one, at) => all(name)[at]?.replaceWith(one));
    }
    const [aside] = fresh.getElementsByTagName("aside");
    document.querySelector("main aside")?.replaceWith(aside);
  } else if (shows !== "pending") {
    for (const one of document.querySelectorAll(`[role=listitem] [data-{{ c('of') }}="${person}"]`)) {
      one.closest("[role=listitem]")?.remove();
    }
  }
};

const finish = async (person, path, more = {}) => {
  const answer = await (await post(path, { of: person, ...more })).json();
  if (answer.dialog) return open(post("/flagship-web/dialogs/invitation", { of: person, step: answer.dialog }));
  close();
  await settle(person, answer.shows);
  toast(answer.toast, answer.failed);
};

let portal = null;
const fold = () => {
  portal?.remove();
  portal = null;
  const root = document.querySelector("#root");
  for (const name of ["inert", "aria-hidden", "data-floating-ui-inert"]) root.removeAttribute(name);
  for (const one of all("{{ c('more') }}")) one.setAttribute("aria-expanded", "false");
};
const unfold = (button) => {
  const [menu] = all("{{ c('menu') }}");
  portal = document.createElement("div");
  portal.id = ":rs:";
  portal.setAttribute("data-floating-ui-portal", "");
  const popover = document.createElement("div");
  popover.popover = "manual";
  popover.append(menu.content.cloneNode(true));
  portal.append(popover);
  document.body.append(portal);
  popover.showPopover();
  button.setAttribute("aria-expanded", "true");
  const root = document.querySelector("#root");
  for (const name of ["inert", "data-floating-ui-inert"]) root.setAttribute(name, "");
  root.setAttribute("aria-hidden", "true");
};
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && portal) fold(); });

const pressed = {
  "{{ c('connect') }}": (one) => {
    track("connect", one);
    if (one.hasAttribute("data-{{ c('at-once') }}")) return finish(of(one), "/flagship-web/invitations/send");
    open(post("/flagship-web/dialogs/invitation", { of: of(one) }));
  },
  "{{ c('pending') }}": (one) => {
    track("pending", one);
    open(post("/flagship-web/dialogs/withdrawal", { of: of(one) }));
  },
  "{{ c('answer') }}": (one) => finish(of(one), `/flagship-web/invitations/${one.value}`),
  "{{ c('remove') }}": (one) => finish(of(one), "/flagship-web/connections/remove"),
  "{{ c('note') }}": () => open(post("/flagship-web/dialogs/invitation", { of: of(dialog), step: "note" })),
  "{{ c('back') }}": () => open(post("/flagship-web/dialogs/invitation", { of: of(dialog) })),
  "{{ c('close') }}": close,
  "{{ c('send') }}": (one) => {
    one.disabled = true;
    finish(of(dialog), "/flagship-web/invitations/send", { note: dialog.querySelector("textarea")?.value || "" });
  },
  "{{ c('withdraw') }}": (one) => {
    one.disabled = true;
    finish(of(dialog), "/flagship-web/invitations/withdraw");
  },
};
const track = (control, one) => post("/li/track", {
  control, of: of(one), place: one.getAttribute("data-{{ c('place') }}"), page: location.pathname,
});
document.addEventListener("click", (event) => {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return;
  const more = target.closest(".{{ c('more') }}");
  if (more) return unfold(more);
  for (const [name, act] of Object.entries(pressed)) {
    const one = target.closest("." + name);
    if (!one) continue;
    event.preventDefault();
    if (portal) fold();
    return act(one);
  }
  if (portal && !portal.contains(target)) fold();
});
document.addEventListener("input", (event) => {
  const field = event.composedPath()[0];
  if (!dialog || field.name !== "message") return;
  dialog.querySelector(".{{ c('send') }}").disabled = !field.value.trim();
  dialog.querySelector(".{{ c('counter') }}").textContent = `${field.value.length}/${field.maxLength}`;
});
for (const one of all("{{ c('inviting') }}")) open(post("/flagship-web/dialogs/invitation", { of: of(one) }));

// Long lists come in parts: at the end of the scroller, or when asked.
for (const list of all("{{ c('lazy') }}")) {
  const [button] = all("{{ c('load') }}");
  const [scroller] = all("{{ c('scroller') }}");
  let loading = false;
  const load = async () => {
    if (loading || !button.isConnected) return;
    loading = true;
    const start = list.querySelectorAll("[role=listitem]").length;
    const holder = document.createElement("template");
    holder.innerHTML = await (await get(`${list.getAttribute("data-{{ c('from') }}")}?start=${start}`)).text();
    list.append(holder.content);
    const shown = list.querySelectorAll("[role=listitem]").length;
    if (shown === start || shown >= Number(list.getAttribute("data-{{ c('count') }}"))) button.remove();
    loading = false;
  };
  if (!button) continue;
  button.addEventListener("click", load);
  scroller.addEventListener("scroll", () => {
    if (scroller.scrollTop + scroller.clientHeight > scroller.scrollHeight - 20) load();
  });
}

// Messaging.
for (const row of document.querySelectorAll(".msg-conversation-listitem__link")) {
  row.addEventListener("click", () => location.assign(`/messaging/thread/${row.getAttribute("data-{{ c('thread') }}")}/`));
}
for (const form of document.querySelectorAll(".msg-form")) {
  const box = form.querySelector("[role=textbox]");
  const send = form.querySelector(".msg-form__send-button");
  const failed = form.querySelector(".msg-form__error");
  const [conversation] = all("{{ c('conversation') }}");
  const stuck = form.hasAttribute("data-{{ c('never-ready') }}");
  const submit = async (by) => {
    const text = box.innerText.trim();
    if (!text || stuck) return;
    send.disabled = true;
    const to = conversation.getAttribute("data-{{ c('to') }}");
    const answer = await post("/voyager/api/voyagerMessagingDashMessengerMessages?action=createMessage", { to, text, by });
    show(failed, !answer.ok);
    send.disabled = answer.ok;
    if (!answer.ok) return;
    const event = document.createElement("li");
    event.className = "msg-s-message-list__event";
    const item = document.createElement("div");
    item.className = "msg-s-event-listitem";
    const body = document.createElement("p");
    body.className = "msg-s-event-listitem__body";
    body.textContent = text;
    item.append(body);
    event.append(item);
    conversation.querySelector(".msg-s-message-list").append(event);
    box.textContent = "";
    const { conversation: key } = await answer.json();
    history.replaceState(null, "", `/messaging/thread/${key}/`);
  };
  box.addEventListener("input", () => { send.disabled = stuck || !box.innerText.trim(); });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    submit("enter");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit("button");
  });
}
if (shadow) get("/voyager/api/voyagerMessagingGraphQL/graphql?queryId=messengerConversations.5846eeb71c981f11e0134cb6626cc314");
