/** The top of the overview: one sentence for everything. */

import { h } from "../dom.js";
import { plural } from "../format.js";
import { icon, mark } from "./icon.js";

/**
 * How many services have which status.
 * @param {Object[]} services
 * @returns {Object<string, number>} a status that none has is missing
 */
export function countByStatus(services) {
  const found = {};
  for (const { status } of services) found[status] = (found[status] ?? 0) + 1;
  return found;
}

function verdict(services) {
  const count = countByStatus(services);
  for (const status of ["down", "degraded"]) {
    if (count[status] > 1) return [status, `${count[status]} services are ${status}`];
    if (count[status]) return [status, `${services.find((one) => one.status === status).name} is ${status}`];
  }
  if (count.operational) {
    return ["operational", services.length === 1 ? "Your service is operational" : "All services are operational"];
  }
  if (count.pending) return ["pending", "Waiting for the first checks"];
  return services.length ? ["paused", "Nothing is being checked"] : ["pending", "No services yet"];
}

/** Draw it. */
export function verdictHeader(services) {
  const [status, sentence] = verdict(services);
  const { paused, pending, maintenance } = countByStatus(services);
  const rest = [
    paused && `, ${paused} paused`,
    pending && `, ${pending} waiting for the first check`,
    maintenance && `, ${maintenance} in maintenance`,
  ];
  return h(
    "header",
    { class: `verdict ${status}`, key: "verdict" },
    mark(status),
    h(
      "div",
      {},
      h("h1", { tabindex: "-1", dir: "auto" }, sentence),
      h("p", {}, plural(services.length, "service"), " watched", rest, "."),
    ),
    h("div", { class: "spread" }),
    h("a", { class: "button primary", href: "#/services/new" }, icon("add"), "Add service"),
  );
}
