/** Fields that are shown only while other fields have certain values: the hint `x-when` of a schema. */

/**
 * Show and hide fields, now and whenever one of them changes.
 * @param {Array<{name: string, spec: Object, node: HTMLElement, read: () => *}>} entries all fields of one object; a
 *   field stands after those that its condition is about. A condition is about what is seen: a field that is hidden
 *   has no value.
 */
export function showWhen(entries) {
  const byName = Object.fromEntries(entries.map((entry) => [entry.name, entry]));
  const valueOf = (entry) => (entry && !entry.node.hidden ? entry.read() : undefined);
  const bound = entries.filter(({ spec }) => spec["x-when"]);
  const apply = () => {
    for (const { node, spec } of bound) {
      node.hidden = !Object.entries(spec["x-when"]).every(([name, wanted]) =>
        [wanted].flat().includes(valueOf(byName[name])),
      );
    }
  };
  const deciding = new Set(bound.flatMap(({ spec }) => Object.keys(spec["x-when"])));
  for (const name of deciding) byName[name]?.node.addEventListener("change", apply);
  apply();
}
