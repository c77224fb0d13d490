// What can be on the page. Text becomes text: nothing of the catalog is read as HTML.

const TINTS = 6;

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function heading(level, text) {
  return element(`h${level}`, {}, text);
}

export function notice(title, text = "", ...more) {
  const strong = element("strong", {}, title);
  return element("div", { className: "notice" }, strong, element("p", {}, text), ...more);
}

export function loading() {
  return element("p", { className: "loading" }, "Loading…");
}

export function button(text, act) {
  const made = element("button", { type: "button" }, text);
  made.addEventListener("click", act);
  return made;
}

export function authorItem(author) {
  const mark = element("span", { className: `mark ${tint(author.id)}` }, initials(author.name));
  return item(mark, nameOf(author), author.bio ?? "", author.id);
}

export function bookItem(book, writer) {
  const mark = element("span", { className: `mark book ${tint(book.id)}` });
  return item(mark, titleOf(book), writer ? `by ${nameOf(writer)}` : "", book.authorId);
}

export function cover(book) {
  return element("li", { className: tint(book.id), tabIndex: -1 }, titleOf(book));
}

export function nameOf(author) {
  return author.name || "Without a name";
}

function titleOf(book) {
  return book.title || "Without a title";
}

// A link to an author; where it leads to is for whoever knows the rest of the address.
function item(mark, title, text, author) {
  mark.ariaHidden = "true";
  const link = element(
    "a",
    {},
    mark,
    element("span", { className: "title" }, title),
    element("span", { className: "text" }, text),
  );
  link.dataset.author = author;
  return element("li", {}, link);
}

function tint(id) {
  return `tint-${Math.abs(id % TINTS)}`;
}

function initials(name) {
  const parts = (name ?? "").split(/[\s.]+/u).filter(Boolean);
  const ends = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return ends.map((part) => [...part][0].toUpperCase()).join("") || "?";
}
