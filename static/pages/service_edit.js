/** Add or change a service. The part of its type is drawn from the type's JSON Schema. */

import { call, get, getAll } from "../api.js";
import { h, swap } from "../dom.js";
import { byName } from "../format.js";
import { go, setTitle } from "../router.js";
import { note, noteError } from "../components/announce.js";
import { backLink, blank, bones, errorText, noService } from "../components/blank.js";
import { clearErrors, field, freshId, onSubmit, run } from "../components/field.js";
import { icon, typeIcon } from "../components/icon.js";
import { fieldGroup, schemaFields } from "../components/schema_form.js";
import { trial } from "../components/trial.js";
import { typePicker } from "../components/type_picker.js";

/** What every service has, whatever its type, as a schema too. */
const GENERAL = {
  required: ["name"],
  properties: {
    name: { type: "string", title: "Name", "x-order": 1 },
    project_id: { title: "Project", "x-order": 2, "x-group": "about" },
    tags: {
      type: "array",
      items: { type: "string" },
      default: [],
      title: "Tags",
      examples: [["shop", "eu-west"]],
      description: "Separated by commas.",
      "x-group": "about",
    },
    description: { type: "string", "x-multiline": true, default: "", title: "Description", "x-group": "about" },
    retries: {
      type: "integer",
      minimum: 0,
      maximum: 10,
      default: 1,
      title: "Retries before down",
      description: "Failed checks in a row that are forgiven. 0: the first failure counts.",
      "x-group": "judging",
    },
    retry_interval_seconds: {
      type: "integer",
      minimum: 1,
      maximum: 3600,
      default: 20,
      title: "Seconds between retries",
      "x-group": "judging",
    },
    recoveries: {
      type: "integer",
      minimum: 1,
      maximum: 10,
      default: 1,
      title: "Successes before up again",
      description: "Successful checks in a row that end an outage.",
      "x-group": "judging",
    },
    degraded_after_ms: {
      anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }],
      title: "Degraded when slower than",
      description: "Milliseconds. Empty: slow answers are fine.",
      "x-group": "judging",
    },
    enabled: {
      type: "boolean",
      default: true,
      title: "Check this service",
      description: "Off means paused.",
      "x-order": 90,
      "x-group": "about",
    },
  },
};

/** The page. */
export function page({ params, query, signal }) {
  const root = h(
    "div",
    { class: "edit" },
    h("h1", { tabindex: "-1" }, params.id ? "Edit service" : "Add a service"),
    bones("row", "block"),
  );
  load(params.id, signal)
    .then((known) => signal.aborted || swap(root, ...form({ ...known, query, signal })))
    .catch((error) => signal.aborted || swap(root, trouble(error)));
  return root;
}

async function load(id, signal) {
  const [types, projects, service] = await Promise.all([
    get("service-types", { signal }).then((body) => body.data),
    getAll("projects", { signal }),
    id ? get(`services/${id}`, { signal }).then((body) => body.data) : null,
  ]);
  const type = service?.type ?? types.find((one) => one.type === "http")?.type ?? types[0].type;
  return { types, projects, service, type, drawn: await drawFields(type, service, service?.config, signal) };
}

/** The fields of a type; those of its lists of services have the services to choose from. */
async function drawFields(type, service, values, signal) {
  const { data: schema } = await get(`service-types/${encodeURIComponent(type)}/schema`, { signal });
  const choices = {};
  if ("service_ids" in schema.properties) {
    const others = (await getAll("services", { signal })).filter(({ id }) => id !== service?.id);
    choices.service_ids = others.sort(byName).map(({ id, name }) => [id, name]);
  }
  return schemaFields(schema, values, choices);
}

function form({ types, projects, service, type, drawn, query, signal }) {
  const chosenProject = service ? service.project_id : Number(query.get("project")) || null;
  const properties = {
    ...GENERAL.properties,
    project_id: {
      ...GENERAL.properties.project_id,
      default: null,
      nullable: true,
      oneOf: [{ const: null, title: "No project" }, ...projects.map(({ id, name }) => ({ const: id, title: name }))],
    },
  };
  const general = schemaFields({ ...GENERAL, properties }, { ...service, project_id: chosenProject });
  const interval = intervalField(service?.interval_seconds ?? (service ? service.interval * 60 : 180));
  const attempt = trial();
  let config = drawn;
  const main = h("section", { class: "card group-box" });
  const rest = h("div", { class: "rest" });
  const advanced = h("div", { class: "rest" });

  /** A type that is told how things are has nothing to try out, and no rhythm of its own. */
  const isPassive = () => types.find((one) => one.type === type)?.category === "passive";

  function lay() {
    interval.node.hidden = isPassive();
    tryButton.hidden = isPassive();
    const { advanced: hidden = [], ...groups } = config.groups;
    main.replaceChildren(h("div", { class: "fields" }, general.main, config.main, interval.node));
    rest.replaceChildren(...Object.entries(groups).map(([name, fields]) => fieldGroup(name, fields)));
    advanced.replaceChildren(fieldGroup("advanced", [...general.groups.judging, ...hidden]));
  }

  let wanted = type;
  async function changeType(next) {
    wanted = next;
    const fields = await drawFields(next, service, config.changed(), signal);
    if (wanted !== next) return; // another one was chosen meanwhile
    type = next;
    config = fields;
    clearErrors(element);
    attempt.clear();
    lay();
  }

  const pick = (next) =>
    changeType(next).catch((error) => signal.aborted || noteError(error, "The form of this type cannot be shown."));

  const tryButton = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: () =>
        run(element, tryButton, () =>
          attempt.attempt({ type, config: config.read(), ...(service && { service_id: service.id }) }, signal),
        ),
    },
    icon("ping"),
    "Try it now",
  );
  const element = h(
    "form",
    { class: "edit-form" },
    !service && types.length > 1 && typePicker(types, type, pick),
    main,
    attempt.node,
    rest,
    fieldGroup("organise", general.groups.about),
    advanced,
    h(
      "div",
      { class: "actions" },
      tryButton,
      h("span", { class: "spread" }),
      h("a", { class: "button", href: service ? `#/services/${service.id}` : "#/" }, "Cancel"),
      h("button", { class: "button primary", type: "submit" }, service ? "Save changes" : "Add service"),
    ),
  );

  lay();
  element.addEventListener("input", attempt.outdate);
  onSubmit(element, async () => {
    const body = { ...general.read(), type, config: config.read(), ...interval.read() };
    const { data } = service ? await call("PUT", `services/${service.id}`, body) : await call("POST", "services", body);
    note(service ? `${data.name} is saved.` : `${data.name} is added. The first check is on its way.`);
    go(`/services/${data.id}`);
  });
  const title = service ? `Edit ${service.name}` : "Add a service";
  setTitle(title);
  return [
    h(
      "nav",
      { class: "crumbs", "aria-label": "Where you are" },
      h(
        "a",
        { href: service ? `#/services/${service.id}` : "#/" },
        icon("back"),
        h("span", { dir: "auto" }, service ? service.name : "Overview"),
      ),
    ),
    h("h1", { tabindex: "-1", dir: "auto" }, title),
    service &&
      h(
        "p",
        { class: "kind" },
        typeIcon(types.find((one) => one.type === type)?.icon, type),
        types.find((one) => one.type === type)?.name ?? type,
      ),
    element,
  ].filter(Boolean);
}

/** Minutes (the API's `interval`, 1–60) or seconds (`interval_seconds`, 5–86400). */
function intervalField(seconds) {
  const inMinutes = seconds % 60 === 0 && seconds <= 3600;
  const amount = h("input", { type: "number", inputmode: "numeric", min: "1", id: freshId() });
  const unit = h(
    "select",
    { "aria-label": "Unit of the interval" },
    h("option", { value: "minutes" }, "minutes"),
    h("option", { value: "seconds" }, "seconds"),
  );
  amount.value = inMinutes ? seconds / 60 : seconds;
  unit.value = inMinutes ? "minutes" : "seconds";
  const hint = () => (unit.value === "minutes" ? "1 to 60 minutes." : "5 to 86400 seconds (a day).");
  const node = field({
    name: "interval",
    label: "Check every",
    control: h("span", { class: "with-unit" }, amount, unit),
    hint: hint(),
  });
  unit.onchange = () => {
    node.querySelector(".hint").textContent = hint();
    node.dataset.field = unit.value === "minutes" ? "interval" : "interval_seconds";
  };
  unit.onchange();
  return { node, read: () => ({ [node.dataset.field]: amount.value === "" ? null : Number(amount.value) }) };
}

function trouble(error) {
  return error.code === "NOT_FOUND"
    ? noService()
    : blank({ sign: icon("alert"), title: "The form cannot be shown", text: errorText(error), action: backLink() });
}
