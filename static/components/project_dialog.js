/** Make, change and delete a project. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { note, noteError } from "./announce.js";
import { openDialog } from "./dialog.js";
import { field, filled, freshId } from "./field.js";

const COLORS = {
  "#3B82F6": "Blue",
  "#6366F1": "Indigo",
  "#A855F7": "Purple",
  "#EC4899": "Pink",
  "#EF4444": "Red",
  "#F59E0B": "Amber",
  "#10B981": "Green",
  "#14B8A6": "Teal",
  "#64748B": "Slate",
};

function colorPicker(chosen) {
  const known = Object.keys(COLORS).find((color) => color === chosen.toUpperCase());
  const choices = known ? COLORS : { [chosen]: "Now", ...COLORS };
  const group = freshId();
  return h(
    "fieldset",
    { class: "colors", "data-field": "color" },
    h("legend", {}, "Colour"),
    h(
      "div",
      {},
      Object.entries(choices).map(([color, label]) => {
        const input = h("input", { type: "radio", name: group, value: color });
        input.checked = color === (known ?? chosen);
        return h("label", { title: label, css: { "--swatch": color } }, input, h("span", { class: "unseen" }, label));
      }),
    ),
  );
}

function projectFields(project) {
  const name = h("input", { autocomplete: "off", maxlength: "128", dir: "auto" });
  name.value = project?.name ?? "";
  const colors = colorPicker(project?.color ?? "#3B82F6");
  return {
    body: [field({ name: "name", label: "Name", control: name }), colors],
    read: () => filled({ name: name.value.trim(), color: colors.querySelector("input:checked").value }),
  };
}

/** Ask for a new project and make it; null when cancelled. */
export function newProject() {
  const { body, read } = projectFields();
  return openDialog({
    title: "New project",
    body,
    confirm: "Create project",
    work: async () => (await call("POST", "projects", read())).data,
  });
}

/**
 * Change or delete a project; null when nothing was done.
 * @param {Object} project
 * @param {number} count of its services
 */
export async function editProject(project, count) {
  const { body, read } = projectFields(project);
  let remove = false;
  const more = h(
    "button",
    {
      type: "button",
      class: "button danger-text",
      onclick: (event) => {
        remove = true;
        event.target.closest("dialog").close();
      },
    },
    "Delete…",
  );
  const done = await openDialog({
    title: "Edit project",
    body,
    more,
    confirm: "Save",
    work: () => call("PATCH", `projects/${project.id}`, { name: "", ...read() }),
  });
  return remove ? deleteProject(project, count) : done;
}

function deleteProject(project, count) {
  return openDialog({
    title: "Delete this project?",
    body: [
      h(
        "p",
        {},
        h("strong", { dir: "auto" }, project.name),
        count
          ? ` goes away. Its ${plural(count, "service")} stay${count === 1 ? "s" : ""} and will be listed under “No project”.`
          : " goes away. It has no services.",
      ),
    ],
    confirm: "Delete project",
    danger: true,
    work: async () => {
      await call("DELETE", `projects/${project.id}`).catch((error) => {
        noteError(error, "The project was not deleted.");
        throw error;
      });
      note(`Project ${project.name} is deleted.`);
    },
  });
}
