const buttons = document.querySelectorAll("button");
const shown = {};

async function refresh() {
  const state = await (await fetch("state")).json();
  for (const [id, html] of Object.entries(state.parts)) {
    // A part that has not changed stays, so that its text can be selected and what was unfolded stays open.
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
    event.preventDefault(); // This page takes the place of GitHub's and Stormkit's own.
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
  document.getElementById("about").textContent = "make sandbox has ended: start it again, then reload this page.";
}
