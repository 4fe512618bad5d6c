"use strict";

const shown = {};

// Draws a part only when it has changed, so that a text can be selected and a folded part stays open.
function draw(id, value) {
  if (shown[id] === value) return;
  shown[id] = value;
  const part = document.getElementById(id);
  const follows = part.scrollHeight - part.scrollTop - part.clientHeight < 40;
  part.innerHTML = value;
  if (follows) part.scrollTop = part.scrollHeight;
}

async function follow() {
  try {
    const state = await (await fetch("state")).json();
    Object.entries(state.parts).forEach(([id, value]) => draw(id, value));
    for (const button of document.querySelectorAll("button")) button.disabled = !state.buttons[button.dataset.press];
  } catch {
    draw("run", "The server was stopped.");
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
