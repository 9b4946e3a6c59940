// What the pages do beyond htmx: send JSON with their token, keep the wizard's draft, show times where one is.
"use strict";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const wizard = document.getElementById("wizard");
const DRAFT = "greenplum-expansion-draft";

// --- telling ---------------------------------------------------------------------------------------------------------

function say(words, wrong = false) {
  const place = document.getElementById("said");
  place.textContent = words;
  place.className = wrong ? "wrong" : "";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; place.className = ""; }, wrong ? 15000 : 6000);
}

// Of the axis of the chart; words.py writes them in UTC.
const FORMS = {
  "day": new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" }),
  "day and clock": new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
  "clock": new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }),
  "second": new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }),
};

function showTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (!time.title) {
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
    }
  }
  for (const mark of root.querySelectorAll("text[data-at]")) {
    mark.textContent = FORMS[mark.dataset.form].format(new Date(mark.dataset.at));
  }
}

// --- asking the server -----------------------------------------------------------------------------------------------

async function post(url, body) {
  const answer = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-Greenplum-Token": meta("greenplum-token") },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

async function act(button, url, body, then) {
  button.disabled = true;
  try {
    const said = await (await post(url, body)).json();
    if (said.done) say(`Done: ${said.done}.`);
    if (then === "reload") location.reload(); // the run goes on: so does looking at it
    else if (then) htmx.trigger(document.body, then);
  } catch (error) {
    say(error.message, true);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-post]");
  if (button) act(button, button.dataset.post, JSON.parse(button.dataset.body), button.dataset.then);
});

// The task bar: what somebody has closed stays away, also on other pages, until there is news (then its mark is another).
const CLOSED = "greenplum-closed";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-close]");
  if (!button) return;
  const known = document.cookie.split("; ").find((part) => part.startsWith(`${CLOSED}=`))?.slice(CLOSED.length + 1) || "";
  const marks = [...known.split(".").filter(Boolean).slice(-19), button.dataset.close];
  document.cookie = `${CLOSED}=${marks.join(".")}; path=${meta("greenplum-root") || "/"}; max-age=604800; samesite=lax`;
  button.closest(".bar").remove();
});

// A button that sets a filter, as if somebody had chosen it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choose]");
  if (!button) return;
  const field = document.getElementById(button.dataset.choose);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  field.focus();
});

// A number that is being typed must outlive the look every five seconds.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const typed = event.detail.target.querySelector?.("[data-steer] input");
  if (typed && document.activeElement === typed) event.detail.shouldSwap = false;
});

// What somebody has opened stays open over a look, too.
const opened = new Set();
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details[id]")) return;
  if (event.target.open) opened.add(event.target.id);
  else opened.delete(event.target.id);
}, true);
document.body.addEventListener("htmx:afterSwap", (event) => {
  for (const details of event.detail.target.querySelectorAll("details[id]")) {
    if (opened.has(details.id)) details.open = true;
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-steer]");
  if (!form) return;
  event.preventDefault();
  const body = { action: "sessions", sessions: Number(form.elements.sessions.value) };
  act(event.submitter, form.dataset.steer, body, "live");
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-answer]");
  if (!form) return;
  event.preventDefault();
  const inputs = Object.fromEntries([...form.querySelectorAll("textarea")].map((field) => [field.name, field.value]));
  const body = { mark: form.dataset.mark, option: event.submitter.value, inputs };
  await act(event.submitter, form.dataset.answer, body, "live");
  htmx.trigger(document.body, "question");
});

// --- inside Airflow's frame ------------------------------------------------------------------------------------------

// Airflow shows us in a frame that may not navigate the window; its router listens to the window's history, though.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window) return;
  event.preventDefault();
  window.parent.history.pushState({}, "", link.href);
  window.parent.dispatchEvent(new PopStateEvent("popstate"));
});

document.body.addEventListener("htmx:responseError", (event) => say(event.detail.xhr.responseText, true));
document.body.addEventListener("htmx:sendError", () => say("Airflow cannot be reached; trying again.", true));
document.body.addEventListener("htmx:afterSwap", (event) => showTimes(event.detail.target));
document.body.addEventListener("tables", () => document.getElementById("tables-section")?.classList.remove("none-yet"));

// --- the wizard ------------------------------------------------------------------------------------------------------

function kept() {
  try { return JSON.parse(localStorage.getItem(DRAFT)) || { step: "meaning", draft: {} }; }
  catch { return { step: "meaning", draft: {} }; }
}

function keep(step, draft) {
  try { localStorage.setItem(DRAFT, JSON.stringify({ step, draft })); }
  catch { say("This browser keeps no draft; a reload would lose it.", true); }
}

// The draft with what stands in the form now.
function collect(form) {
  const draft = JSON.parse(form.dataset.draft);
  const several = {};
  for (const field of form.querySelectorAll("[name][data-kind]")) {
    const kind = field.dataset.kind;
    if (kind === "bool") draft[field.name] = field.checked;
    else if (field.validity.badInput) draft[field.name] = "something incomplete"; // which the browser would leave out
    else if (kind === "number") draft[field.name] = field.value === "" ? null : Number(field.value);
    else if (kind === "lines") draft[field.name] = field.value.split("\n").filter((line) => line.trim());
    else if (kind === "several") (several[field.name] ||= []).push(...(field.checked ? [field.value] : []));
    else draft[field.name] = field.value;
  }
  return { ...draft, ...several };
}

// Answers may come in another order than they were asked for: only the last one asked for is shown.
async function show(asked) {
  const turn = show.turn = (show.turn || 0) + 1;
  try {
    const answer = await post(`${wizard.dataset.wizard}/step`, asked);
    const html = await answer.text();
    if (turn !== show.turn) return null;
    wizard.innerHTML = html;
    htmx.process(wizard);
    showTimes(wizard);
    const form = document.getElementById("step");
    keep(form.dataset.step, JSON.parse(form.dataset.draft));
    awaitMore();
    return form;
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

async function go(where) {
  const form = document.getElementById("step");
  const shown = await show({ step: form.dataset.step, go: where, draft: collect(form) });
  (shown?.querySelector("#wrong") || shown?.querySelector("#step-title"))?.focus();
}

// Shown anew for what was chosen in one of its fields: whoever is there may choose on.
async function stay(field) {
  const form = document.getElementById("step");
  await show({ step: form.dataset.step, draft: collect(form) });
  document.getElementById(field.id)?.focus();
}

async function look() {
  const form = document.getElementById("step");
  const draft = collect(form);
  await post(`${wizard.dataset.wizard}/look`, { step: form.dataset.step, draft });
  await show({ step: form.dataset.step, draft });
}

async function addHosts() {
  const form = document.getElementById("step");
  const typed = document.getElementById("add").value;
  if (!typed.trim()) return;
  const before = (JSON.parse(form.dataset.draft).new_hosts || []).length;
  const shown = await show({ step: form.dataset.step, draft: collect(form), add: typed });
  if (shown && JSON.parse(shown.dataset.draft).new_hosts.length > before) {
    try { await look(); } catch (error) { say(error.message, true); }
  }
  document.getElementById("add")?.focus();
}

async function expand(button) {
  const form = document.getElementById("step");
  button.disabled = true;
  try {
    const body = { draft: collect(form), kind: button.dataset.expand };
    const started = await (await post(`${wizard.dataset.wizard}/expand`, body)).json();
    if (body.kind === "expand") localStorage.removeItem(DRAFT);
    location.assign(started.page);
  } catch (error) {
    say(error.message, true);
    button.disabled = false;
  }
}

let previewing;
function preview(after = 300) {
  const place = document.querySelector("[data-preview]");
  const form = document.getElementById("step");
  keep(form.dataset.step, collect(form));
  if (!place) return;
  clearTimeout(previewing);
  const turn = preview.turn = (preview.turn || 0) + 1;
  previewing = setTimeout(async () => {
    try {
      const answer = await post(`${wizard.dataset.wizard}/preview`, { step: form.dataset.step, draft: collect(form) });
      const html = await answer.text();
      if (!form.isConnected || turn !== preview.turn) return;
      fill(place, html);
    } catch (error) { say(error.message, true); }
    awaitMore(); // also after an answer that did not come
  }, after);
}

// What somebody has opened stays open, and what has the keyboard keeps it.
function fill(place, html) {
  const opened = [...place.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset : null;
  place.innerHTML = html;
  htmx.process(place);
  showTimes(place);
  for (const summary of place.querySelectorAll("details > summary")) {
    if (opened.includes(summary.textContent)) summary.parentElement.open = true;
  }
  const names = focused ? Object.entries(focused) : [];
  const again = [...place.querySelectorAll("button")].find((b) => names.length && names.every(([n, v]) => b.dataset[n] === v));
  again?.focus();
}

// A look is under way whose result the preview shows.
function awaitMore() {
  if (wizard.querySelector("[data-again]")) preview(2000);
}

function set(button) {
  const form = document.getElementById("step");
  const chosen = JSON.parse(button.dataset.set);
  // Who writes "22:00" means the clock on the wall, unless another one was chosen before.
  const zone = document.getElementById("f-time_zone");
  if (button.dataset.local !== undefined && zone.value === "UTC") {
    chosen.time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  }
  form.dataset.draft = JSON.stringify({ ...JSON.parse(form.dataset.draft), ...chosen });
  for (const [name, value] of Object.entries(chosen)) {
    document.getElementById(`f-${name}`).value = Array.isArray(value) ? value.join("\n") : value ?? "";
  }
  if (button.dataset.focus) document.getElementById(button.dataset.focus).focus();
  preview();
}

if (wizard) {
  wizard.addEventListener("click", (event) => {
    const on = (name) => event.target.closest(`[data-${name}]`);
    let button;
    if ((button = on("go")) && button.type !== "submit") go(button.dataset.go);
    else if (on("add")) addHosts();
    else if (on("look")) look().catch((error) => say(error.message, true));
    else if ((button = on("remove"))) {
      const form = document.getElementById("step");
      show({ step: form.dataset.step, draft: collect(form), remove: button.dataset.remove })
        .then(() => document.getElementById("add")?.focus()); // the button is gone
    } else if ((button = on("set"))) set(button);
    else if ((button = on("expand"))) expand(button);
    else if ((button = on("copy"))) {
      const text = document.getElementById(button.dataset.copy);
      navigator.clipboard?.writeText(text.textContent).then(() => say("Copied."), () => selectText(text)) ?? selectText(text);
    } else if (on("forget")) {
      localStorage.removeItem(DRAFT);
      show({ step: "meaning", draft: {} });
    }
  });
  wizard.addEventListener("submit", (event) => { event.preventDefault(); go("next"); });
  wizard.addEventListener("input", () => preview());
  // Half a time is no input to a browser, so it tells only of the key.
  wizard.addEventListener("keyup", (event) => { if (event.target.validity?.badInput) preview(); });
  wizard.addEventListener("change", (event) => { if (event.target.matches("[data-reload]")) stay(event.target); });
  wizard.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.id === "add" && !event.shiftKey) { event.preventDefault(); addHosts(); }
  });
  const begun = kept();
  const other = wizard.dataset.conn && begun.draft.greenplum_conn_id !== wizard.dataset.conn;
  const draft = other ? { greenplum_conn_id: wizard.dataset.conn } : begun.draft;
  show({ step: other ? "meaning" : begun.step, draft }).then((form) => form || show({ step: "meaning", draft: {} }));
}

// The clipboard may be out of reach in a frame: then the text is marked, to be copied by hand.
function selectText(element) {
  getSelection().selectAllChildren(element);
  say("Marked; copy it with the keyboard.");
}

showTimes(document);
