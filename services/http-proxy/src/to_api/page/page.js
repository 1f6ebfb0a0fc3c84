"use strict";

// Shows the description of the interface. Every text goes in as text, never as markup.
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const resolved = (description, schema) => {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? description.components.schemas[name] : schema;
};

const parameters = (operation) => {
  const table = element("table");
  const head = table.appendChild(element("tr"));
  for (const title of ["parameter", "in", "meaning"]) head.append(element("th", title));
  for (const one of operation.parameters) {
    const row = table.appendChild(element("tr"));
    row.append(element("td", one.name), element("td", one.in), element("td", one.description || ""));
  }
  return table;
};

const content = (description, title, part) => {
  const made = document.createDocumentFragment();
  for (const [type, { schema, example }] of Object.entries(part.content || {})) {
    made.append(element("p", `${title}: ${type}`));
    if (example) made.append(element("pre", JSON.stringify(example, null, 2)));
    made.append(element("pre", JSON.stringify(resolved(description, schema), null, 2)));
  }
  return made;
};

const shown = (description, path, method, operation) => {
  const details = element("details");
  const summary = details.appendChild(element("summary"));
  summary.append(element("span", method.toUpperCase(), "method"), element("code", path));
  summary.append(element("span", operation["x-scope"] || "", "scope"));
  details.append(element("p", operation.summary || ""));
  if ((operation.parameters || []).length) details.append(parameters(operation));
  if (operation.requestBody) details.append(content(description, "body", operation.requestBody));
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    details.append(element("p", `${status} ${answer.description || ""}`));
    details.append(content(description, status, answer));
  }
  return details;
};

const show = (description) => {
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of ["get", "post", "patch", "delete"]) {
      if (item[method]) main.append(shown(description, path, method, item[method]));
    }
  }
};

const filter = () => {
  const wanted = document.getElementById("filter").value.toLowerCase();
  for (const details of document.querySelectorAll("details")) {
    details.hidden = !details.textContent.toLowerCase().includes(wanted);
  }
};

document.getElementById("filter").addEventListener("input", filter);
fetch("/api/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => {
    document.getElementById("operations").replaceChildren(element("p", `The description cannot be read: ${error}`));
  });
