// Faults of accessibility that a machine can see: evaluated in the page, gives a list of words.
() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const found = [];

  for (const node of all("a, button, input, select, textarea, summary")) {
    const named =
      node.labels?.length || node.ariaLabel || node.textContent.trim() || node.querySelector("[aria-label]");
    if (node.checkVisibility() && !named) found.push(`no name: ${node.outerHTML}`);
  }

  const ids = all("[id]").map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`used twice: #${id}`);
  for (const name of ["aria-describedby", "aria-labelledby"]) {
    for (const node of all(`[${name}]`)) {
      for (const id of node.getAttribute(name).split(" ")) if (!ids.includes(id)) found.push(`${name}: no #${id}`);
    }
  }

  let level = 0;
  for (const node of all("h1, h2, h3, h4")) {
    const next = Number(node.tagName[1]);
    if (next > level + 1) found.push(`h${next} after h${level}: ${node.textContent}`);
    level = next;
  }

  // Targets of a finger: 24 × 24 at least, but for links in a line of text.
  for (const node of all("button, input, select, .button")) {
    const { width, height } = (node.closest("label") ?? node).getBoundingClientRect();
    if (node.checkVisibility() && (width < 24 || height < 24))
      found.push(`small, ${width} × ${height}: ${node.outerHTML}`);
  }

  // Every text against what is painted behind it, at 4.5 : 1. A canvas turns oklch() into RGB and mixes layers.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (...layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) {
      canvas.fillStyle = layer;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) =>
    color
      .slice(0, 3)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const parents = (node) => (node ? [node, ...parents(node.parentElement)] : []);

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(".unseen, .skip, option, noscript"))
      continue;
    const layers = parents(node)
      .map((one) => getComputedStyle(one).backgroundColor)
      .reverse();
    const opacity = parents(node).reduce((product, one) => product * getComputedStyle(one).opacity, 1);
    const style = getComputedStyle(node);
    const behind = paint("white", ...layers);
    const over = paint(node.closest("svg") ? style.fill : style.color);
    const mixed = over.map((part, at) => part * opacity + behind[at] * (1 - opacity));
    const [light, dark] = [luminance(mixed), luminance(behind)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  return found;
};
