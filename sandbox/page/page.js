const buttons = document.querySelectorAll("button");
const shown = {};

async function refresh() {
  const state = await (await fetch("state")).json();
  for (const [id, html] of Object.entries(state.parts)) {
    // Replacing a part would lose the selected text in it and close its <details>, so unchanged parts are kept.
    if (shown[id] === html) continue;
    shown[id] = html;
    const part = document.getElementById(id);
    const isAtEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 40;
    part.innerHTML = html;
    if (isAtEnd) part.scrollTop = part.scrollHeight;
  }
  for (const button of buttons) button.disabled = !state.buttons[button.dataset.press];
}

document.addEventListener("click", (event) => {
  if (event.target.dataset.press) {
    event.target.disabled = true;
    fetch(`press/${event.target.dataset.press}`, { method: "POST" });
  } else if (event.target.closest("a")?.origin === location.origin) {
    event.preventDefault(); // The link's page on GitHub or Stormkit does not exist here; this page stands in for it.
    document.getElementById("log").focus();
  }
});

try {
  for (;;) {
    await refresh();
    await new Promise((resume) => setTimeout(resume, 400));
  }
} catch {
  for (const button of buttons) button.disabled = true;
  document.getElementById("about").textContent = "make sandbox has stopped: start it again, then reload this page.";
}
