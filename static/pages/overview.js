/** The overview: how all is, then every service by project, live. One request a refresh. */

import { getAll, remembered } from "../api.js";
import { h, render, slot } from "../dom.js";
import { byName, plural, severity, statusWord, STATUSES } from "../format.js";
import { repeat } from "../poll.js";
import { setTrouble } from "../router.js";
import { announce } from "../components/announce.js";
import { blank, bones, errorText, reloadButton } from "../components/blank.js";
import { icon, mark } from "../components/icon.js";
import { editProject, newProject } from "../components/project_dialog.js";
import { serviceRow } from "../components/service_row.js";
import { countByStatus, verdictHeader } from "../components/verdict.js";

const SERVICES = "services?include=uptime,sparkline";
const PROJECTS = "projects";

/** With one refresh in so many the projects are asked for too; services name theirs, so only empty ones come late. */
const PROJECTS_EVERY = 12;

/** What the reader chose to see; kept while they look at a service and come back. */
const filter = { text: "", status: null };

/** The page. */
export function page({ signal }) {
  let services = remembered(`${SERVICES}&limit=100`)?.data ?? null;
  let projects = remembered(`${PROJECTS}?limit=100`)?.data ?? [];
  let problem = null;
  const root = h("div", { class: "overview" });
  const search = searchBox(() => draw());

  const draw = () => render(root, content());

  function content() {
    if (problem) return trouble(problem);
    if (!services) return loading();
    if (services.length === 0 && projects.length === 0) return welcome();
    return [verdictHeader(services), tools(services, search, actions, draw), groups(services, projects, actions)];
  }

  let turn = 0;
  const load = async () => {
    const isProjectsTurn = turn % PROJECTS_EVERY === 0;
    turn += 1;
    const [nextServices, nextProjects] = await Promise.all([
      getAll(SERVICES, { signal }),
      isProjectsTurn ? getAll(PROJECTS, { signal }) : projects,
    ]).catch((error) => {
      turn = 0;
      throw error;
    });
    tell(services, nextServices);
    [services, projects, problem] = [nextServices, withNamed(nextProjects, nextServices), null];
    showTrouble(services);
    draw();
  };
  const refresh = repeat(
    load,
    () => 5,
    signal,
    (error) => {
      problem = error;
      draw();
    },
  );
  const refreshAll = () => {
    turn = 0;
    return refresh();
  };
  const actions = {
    refresh,
    addProject: async () => (await newProject()) && refreshAll(),
    editProject: async (project) => {
      const count = services.filter(({ project_id }) => project_id === project.id).length;
      return (await editProject(project, count)) && refreshAll();
    },
    clear: () => {
      Object.assign(filter, { text: "", status: null });
      search.querySelector("input").value = "";
      draw();
    },
  };
  draw();
  return root;
}

/** The projects as the services know them by now, with those that are new. */
function withNamed(projects, services) {
  const known = new Map(projects.map((project) => [project.id, project]));
  for (const { project } of services) if (project) known.set(project.id, { ...known.get(project.id), ...project });
  return [...known.values()];
}

function tools(services, search, actions, draw) {
  const found = countByStatus(services);
  const choose = (status) => () => {
    filter.status = filter.status === status ? null : status;
    draw();
  };
  if (filter.status && !found[filter.status]) filter.status = null;
  const chip = (status, label, count) =>
    h(
      "button",
      {
        key: label,
        type: "button",
        class: "chip",
        "aria-pressed": String(filter.status === status),
        onclick: choose(status),
      },
      status && mark(status),
      h("span", {}, label),
      h("b", {}, count),
    );
  return h(
    "div",
    { class: "tools", key: "tools" },
    h(
      "div",
      { class: "chips", role: "group", "aria-label": "Show only services that are" },
      chip(null, "All", services.length),
      Object.keys(STATUSES)
        .filter((status) => found[status])
        .map((status) => chip(status, statusWord(status), found[status])),
    ),
    slot(search),
    h("button", { type: "button", class: "button", onclick: actions.addProject }, icon("folder"), "New project"),
  );
}

function searchBox(changed) {
  const input = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search",
    autocomplete: "off",
    oninput: () => {
      filter.text = input.value.trim().toLowerCase();
      changed();
    },
  });
  input.value = filter.text;
  return h(
    "div",
    { class: "search" },
    h("label", { for: "search", class: "unseen" }, "Search services by name, address or tag"),
    icon("search"),
    input,
  );
}

function wanted(service) {
  if (filter.status && service.status !== filter.status) return false;
  return [service.name, service.target, service.project?.name, ...(service.tags ?? [])].some((text) =>
    String(text ?? "")
      .toLowerCase()
      .includes(filter.text),
  );
}

function groups(services, projects, actions) {
  const shown = services.filter(wanted).sort((a, b) => severity(a.status) - severity(b.status) || byName(a, b));
  const filtered = filter.text !== "" || filter.status !== null;
  if (filtered && shown.length === 0) {
    return blank({
      sign: icon("search"),
      title: "No service matches",
      level: 2,
      text: "Search looks at names, addresses, projects and tags.",
      action: h("button", { class: "button", type: "button", onclick: actions.clear }, "Show all services"),
    });
  }
  const of = (id) => shown.filter((service) => (service.project_id ?? null) === id);
  const listed = [...projects]
    .sort((a, b) => (a.order ?? Infinity) - (b.order ?? Infinity) || a.id - b.id)
    .filter(({ id }) => !filtered || of(id).length);
  const first = listed.find(({ id }) => of(id).length);
  const loose = of(null);
  return h(
    "div",
    { class: "groups", key: "groups" },
    listed.map((project) => group(project, of(project.id), actions, { first: project === first })),
    loose.length > 0 && group(null, loose, actions, { named: projects.length > 0, first: !first }),
  );
}

function group(project, members, actions, { named = true, first = false } = {}) {
  const id = `project-${project?.id ?? "none"}`;
  return h(
    "section",
    { key: id, class: "group", "aria-labelledby": id, css: { "--swatch": project?.color ?? "transparent" } },
    h(
      "header",
      { class: named ? "" : "unseen" },
      project && h("span", { class: "swatch", "aria-hidden": "true" }),
      h("h2", { id, dir: "auto" }, project?.name ?? (named ? "No project" : "Services")),
      h("span", { class: "count" }, plural(members.length, "service")),
      project &&
        h(
          "button",
          {
            type: "button",
            class: "quiet round",
            "aria-label": `Edit project ${project.name}`,
            title: "Edit project",
            onclick: () => actions.editProject(project),
          },
          icon("edit"),
        ),
    ),
    members.length === 0
      ? h(
          "p",
          { class: "hollow" },
          "Nothing in this project yet. ",
          h("a", { href: `#/services/new?project=${project.id}` }, "Add a service"),
        )
      : [
          first && columns(),
          h(
            "ul",
            { class: "rows", role: "list" },
            members.map((service) => serviceRow(service, actions)),
          ),
        ],
  );
}

function columns() {
  return h(
    "div",
    { class: "columns", "aria-hidden": "true" },
    h("span", {}, "Status"),
    h("span", {}, "Service"),
    h("span", { class: "over-bars" }, "Last 24 hours", h("span", { class: "label" }, " as bars")),
    h("span", {}, "Response"),
    h("span", {}, "24 h"),
    h("span", {}, "30 d"),
    h("span", {}),
  );
}

function welcome() {
  return blank({
    sign: mark("pending"),
    title: "Nothing is being watched yet",
    text:
      "Add the first service: a website, an API, anything that should answer. " +
      "UptimeHunt checks it every few minutes and shows here how it is.",
    action: h("a", { class: "button primary", href: "#/services/new" }, icon("add"), "Add the first service"),
  });
}

function loading() {
  return [
    h("h1", { tabindex: "-1", class: "unseen", key: "h1" }, "Overview"),
    bones("title", "row", "row", "row", "row", "row", "row"),
  ];
}

function trouble(error) {
  const sign = icon("alert");
  return blank({ sign, title: "The services cannot be shown", text: errorText(error), action: reloadButton() });
}

/** Say what changed since the last refresh to those who do not see it. */
function tell(before, after) {
  if (!before || before === after) return;
  const was = new Map(before.map(({ id, status }) => [id, status]));
  const lines = after
    .filter(({ id, status }) => was.has(id) && was.get(id) !== status)
    .map(({ name, status }) => `${name} is ${statusWord(status).toLowerCase()}.`);
  if (lines.length) announce(lines.slice(0, 5).join(" "));
}

function showTrouble(services) {
  const { down = 0, degraded = 0 } = countByStatus(services);
  setTrouble(down, down ? "down" : degraded ? "degraded" : "operational");
}
