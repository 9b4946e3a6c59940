// The wizard: keeps the draft in the browser, has the server judge it step by step, and shows what it comes to.
"use strict";

const wizard = document.getElementById("wizard");

// --- the draft -------------------------------------------------------------------------------------------------------

// {step, draft, others}: the draft that was worked at last, and by connection those of other clusters.
const DRAFT = "greenplum-expansion-draft";
const FRESH = { step: "meaning", draft: {} };

function kept() {
  try { return { ...FRESH, others: {}, ...JSON.parse(localStorage.getItem(DRAFT)) }; }
  catch { return { ...FRESH, others: {} }; }
}

function store(all) {
  try { localStorage.setItem(DRAFT, JSON.stringify(all)); }
  catch { say("This browser keeps no draft; a reload would lose it.", true); }
}

function keep(step, draft) {
  const others = putAside(kept(), draft.greenplum_conn_id);
  store({ step, draft, others });
}

// The drafts beside the one for `connection`.
function putAside({ step, draft, others }, connection) {
  const before = draft.greenplum_conn_id;
  const all = before ? { ...others, [before]: { step, draft } } : { ...others };
  delete all[connection];
  return all;
}

function forget() {
  const { others } = kept();
  if (Object.keys(others).length) store({ ...FRESH, others });
  else localStorage.removeItem(DRAFT);
}

// What to begin with: a request of a run, the draft for the cluster that was chosen, or the last one.
function begin() {
  const all = kept();
  const wanted = wizard.dataset.conn;
  if (wizard.dataset.again) {
    history.replaceState(null, "", location.pathname); // a reload shows the draft that was made of it
    return { step: "review", draft: JSON.parse(wizard.dataset.again) };
  }
  const aside = Object.values(all.others).at(-1);
  if (!wanted && aside && !all.draft.greenplum_conn_id) return aside; // the last one was sent or forgotten
  if (!wanted || all.draft.greenplum_conn_id === wanted) return all;
  return all.others[wanted] || { step: "meaning", draft: { greenplum_conn_id: wanted } };
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
    if (body.kind === "expand") forget();
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

// The clipboard may be out of reach in a frame: then the text is marked, to be copied by hand.
function selectText(element) {
  getSelection().selectAllChildren(element);
  say("Marked; copy it with the keyboard.");
}

// --- what people do --------------------------------------------------------------------------------------------------

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
    const { greenplum_conn_id } = kept().draft;
    forget();
    show({ step: "meaning", draft: greenplum_conn_id ? { greenplum_conn_id } : {} });
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

// A server that does not answer is no reason to lose a draft.
const { step, draft } = begin();
show({ step, draft }).then((form) => { if (!form) document.getElementById("not-shown").hidden = false; });
