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
