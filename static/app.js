/** Boot: find the session, then let the router show the page. */

import { restore, changes, user } from "./session.js";
import { current, go, setTrouble, show, start } from "./router.js";
import { blank, errorText, reloadButton } from "./components/blank.js";
import { shell } from "./components/shell.js";
import { icon } from "./components/icon.js";

const app = document.getElementById("app");
let wanted = null;
let entrance = "/login";

/** Keep signed-out readers on the sign-in pages, and bring them back to where they wanted to go. */
function allowed(route) {
  const { path } = current();
  if (!user && (!route.open || path === (entrance === "/login" ? "/welcome" : "/login"))) {
    if (!route.open) wanted = location.hash.slice(1) || null;
    go(entrance, { replace: true });
    return false;
  }
  if (user && (path === "/login" || path === "/welcome")) {
    go(wanted ?? "/", { replace: true });
    wanted = null;
    return false;
  }
  return true;
}

async function boot() {
  try {
    entrance = (await restore()) === "setup" ? "/welcome" : "/login";
  } catch (error) {
    app.replaceChildren(silent(error));
    return;
  }
  changes.addEventListener("change", () => {
    if (!user) setTrouble(0, "operational");
    entrance = "/login";
    show();
  });
  start(app, allowed);
}

function silent(error) {
  return blank({
    sign: icon("offline"),
    title: "UptimeHunt does not answer",
    text: `${errorText(error)} Check that it is running and that this device is on the network.`,
    action: reloadButton(),
  });
}

document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  app.focus();
};
document.getElementById("shell").replaceWith(shell());
boot();
