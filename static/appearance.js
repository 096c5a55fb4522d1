/** Light or dark: what this browser shows. `theme.js` applies the choice before the first paint. */

/** Choice → word. */
export const THEMES = { auto: "System", light: "Light", dark: "Dark" };

/** The choice of this browser. */
export const theme = () => document.documentElement.dataset.theme ?? "auto";

/** Choose for this browser. */
export function setTheme(name) {
  try {
    if (name === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", name);
  } catch {
    // Storage may be blocked; the choice then lasts as long as the page.
  }
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}
