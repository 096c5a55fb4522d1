/** Make an API token, and show it the one time that it can be seen. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { copyBox } from "./copy_box.js";
import { openDialog } from "./dialog.js";
import { field, filled, picker } from "./field.js";

const SCOPES = { read: "Read only", write: "Read and write" };
const DAYS = { 30: "30 days", 90: "90 days", 365: "1 year", "": "No expiry" };

/** Ask what it is for, make it, show it; null when it was cancelled. */
export async function createToken() {
  const name = h("input", { autocomplete: "off", maxlength: "64", dir: "auto" });
  const scope = picker(Object.entries(SCOPES), "read");
  const days = picker(Object.entries(DAYS), "90");
  const made = await openDialog({
    title: "Create an API token",
    body: [
      field({ name: "name", label: "Name", control: name, hint: "What it is for, such as “Backup script”." }),
      field({ name: "scope", label: "It can", control: scope }),
      field({ name: "expires_in_days", label: "It expires after", control: days }),
    ],
    confirm: "Create token",
    work: async () => {
      const body = { name: name.value.trim(), scope: scope.value };
      if (days.value) body.expires_in_days = Number(days.value);
      return (await call("POST", "users/tokens", filled(body))).data;
    },
  });
  if (!made) return null;
  await openDialog({
    title: "Copy the token now",
    body: [
      h("p", {}, "It is not shown again. Keep it as you would keep a password."),
      copyBox(made.token, "the token"),
    ],
    confirm: "Done",
    cancel: null,
  });
  return made;
}
