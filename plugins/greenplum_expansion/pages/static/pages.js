// What the pages do beyond htmx: send JSON with their token, show times where one is, keep what a look would disturb.
"use strict";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;

// --- telling ---------------------------------------------------------------------------------------------------------

function say(words, wrong = false) {
  const place = document.getElementById("said");
  place.textContent = words;
  place.className = wrong ? "wrong" : "";
  clearTimeout(say.timer);
  say.timer = setTimeout(hush, wrong ? 15000 : 6000);
}

function hush() {
  const place = document.getElementById("said");
  place.textContent = "";
  place.className = "";
}

// What stands against looking is told once, and until that look succeeds: each look would tell it anew.
let trouble = { path: "", words: "" };

function tellTrouble(path, words) {
  if (words === trouble.words) return;
  trouble = { path, words };
  say(words, true);
  clearTimeout(say.timer);
}

function forgetTrouble(path) {
  if (path !== trouble.path) return;
  trouble = { path: "", words: "" };
  hush();
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

// Whether it was done; why not is told.
async function act(button, url, body, then) {
  button.disabled = true;
  try {
    const said = await (await post(url, body)).json();
    if (said.done) say(`Done: ${said.done}.`);
    if (then === "reload") location.reload(); // the run goes on: so does looking at it
    else if (then) htmx.trigger(document.body, then);
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
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

// A number that was typed, and is not set yet, outlives the look every five seconds.
let typed = null;
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const field = event.detail.target.querySelector?.("#sessions");
  if (field) typed = field.value === field.defaultValue ? null : field.value;
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  const field = event.detail.target.querySelector?.("#sessions");
  if (field && typed !== null) field.value = typed;
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
  // Refused, it stands there as it was edited.
  if (await act(event.submitter, form.dataset.answer, body, "live")) htmx.trigger(document.body, "question");
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

// --- looking again ---------------------------------------------------------------------------------------------------

document.body.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  const words = status === 401 ? "You are logged out. Reload the page to log in again." : responseText;
  tellTrouble(event.detail.pathInfo.requestPath, words);
});
document.body.addEventListener("htmx:sendError", (event) => {
  tellTrouble(event.detail.pathInfo.requestPath, "Airflow cannot be reached; trying again.");
});
document.body.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.successful) forgetTrouble(event.detail.pathInfo.requestPath);
});

// A page that is open for days needs a token that is as young as its last look.
document.body.addEventListener("htmx:afterOnLoad", (event) => {
  const token = event.detail.xhr.getResponseHeader("X-Greenplum-Token");
  if (token) document.querySelector('meta[name="greenplum-token"]').content = token;
});

// The page of a run that is over looks seldom: somebody may have one of its tasks run again.
const OVER = 286; // status of a look at a run that is over
let isOver = false;
document.body.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.elt.id !== "live") return;
  if (isOver && event.detail.xhr.status !== OVER) location.reload();
  if (!isOver && event.detail.xhr.status === OVER) setInterval(() => htmx.trigger(document.body, "live"), 60000);
  isOver = event.detail.xhr.status === OVER;
});

document.body.addEventListener("htmx:afterSwap", (event) => showTimes(event.detail.target));
document.body.addEventListener("tables", () => document.getElementById("tables-section")?.classList.remove("none-yet"));

showTimes(document);
