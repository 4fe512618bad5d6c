"use strict";

const part = (id) => document.getElementById(id);
const shown = {};

// Draws a part only when what it shows has changed, so that a text can be selected and a folded part stays open.
function draw(id, value, how) {
  const text = JSON.stringify(value);
  if (shown[id] === text) return;
  shown[id] = text;
  how(part(id), value);
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

const asText = (place, value) => { place.textContent = value; };
const asBadge = (place, value) => { place.textContent = value.replace("_", " "); place.className = `badge ${value}`; };
// The server has cleaned it, as GitHub does.
const asHtml = (place, value) => { place.innerHTML = value; };

function comments(place, all) {
  place.replaceChildren(...all.map((each) => {
    const box = element("article", "", "comment");
    box.append(element("p", `${each.author} commented${each.edits ? " · edited" : ""}`));
    const body = element("div", "", "markdown-body");
    asHtml(body, each.html);
    box.append(body);
    return box;
  }));
}

function deployments(place, all) {
  place.replaceChildren(...all.map((each) => {
    const row = document.createElement("li");
    row.append(element("span", each.state.replace("_", " "), `badge ${each.state}`), `${each.environment} · ${each.sha}`);
    if (each.url && each.state === "success") {
      const link = element("a", "View deployment");
      Object.assign(link, { href: each.url, target: "_blank", rel: "noopener" });
      row.append(link);
    }
    return row;
  }));
}

function line(text) {
  const [, kind, rest] = /^##\[(\w+)\](.*)$/s.exec(text) || [, "", text];
  const plain = rest.replace(/\u001b\[[0-9;]*m/g, "");
  if (kind === "endgroup") return "";
  if (kind === "group") return element("span", `▾ ${plain}\n`, "group");
  return element("span", `${kind ? `${kind[0].toUpperCase()}${kind.slice(1)}: ` : ""}${plain}\n`, kind);
}

function log(place, lines) {
  const follows = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  place.replaceChildren(...lines.map(line));
  if (follows) place.scrollTop = place.scrollHeight;
}

function outputs(place, all) {
  place.replaceChildren(...Object.entries(all).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

async function refresh() {
  const state = await (await fetch("state")).json();
  const run = state.run || { title: "none yet: open the pull request", state: "", log: [], summary: "", outputs: {} };
  draw("title", state.title, asText);
  draw("state", state.state === "none" ? "not opened" : state.state, asBadge);
  draw("branch", state.branch, asText);
  draw("sha", state.sha.slice(0, 7), asText);
  draw("comments", state.comments, comments);
  draw("deployments", state.deployments, deployments);
  draw("live", state.live ? `deployment ${state.live}` : "nothing", asText);
  draw("run", run.title, asText);
  draw("run-state", run.state, asBadge);
  draw("log", run.log, log);
  draw("summary", run.summary, asHtml);
  draw("outputs", run.outputs, outputs);
  for (const button of document.querySelectorAll("button")) button.disabled = !state.buttons[button.dataset.press];
}

async function follow() {
  try {
    await refresh();
  } catch {
    draw("run-state", "server stopped", asBadge);
  }
  setTimeout(follow, 400);
}

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    await fetch(`press/${button.dataset.press}`, { method: "POST" });
  });
}
follow();
