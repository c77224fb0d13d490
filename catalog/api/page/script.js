// The catalog in a browser: a client of the same API as everybody's. All that is shown follows from
// the address, #/authors/3?q=words, so that links, back and forward work by themselves.

import { Failure, get } from "./api.js";
import { authorItem, bookItem, button, cover, element, heading, loading, nameOf, notice } from "./elements.js";

const AUTHORS = 50; // on a page of the list
const BOOKS = 100;
const TYPING = 200; // milliseconds without a key before a search begins
const NAME = "Book catalog";

const browse = document.querySelector("#browse");
const detail = document.querySelector("#detail");
const words = document.querySelector("#words");
const said = document.querySelector("#said");
const narrow = matchMedia("(max-width: 51.99rem)"); // as in style.css: one part at a time

const drawing = new Map(); // what ends the drawing of a part of the page
let shown = {}; // what the address said last
let listed = 0; // how far down the list was when an author was chosen

// --- From the address to the page

function read(hash) {
  const found = /^#\/(?:authors\/(-?\d+))?(?:\?q=(.*))?$/s.exec(hash || "#/");
  if (!found) return { author: "", q: "" };
  let q = "";
  try {
    q = decodeURIComponent(found[2] ?? "");
  } catch {
    // Cut in the middle of an escape: as if there were none.
  }
  return { author: found[1] ?? "", q };
}

function address(author, q) {
  return `#/${author && `authors/${author}`}${q && `?q=${encodeURIComponent(q)}`}`;
}

function follow() {
  const before = shown;
  shown = read(location.hash);
  if (words.value.trim() !== shown.q.trim()) words.value = shown.q;
  if (!before.author) listed = scrollY;
  document.body.classList.toggle("with-author", shown.author !== "");
  if (shown.q !== before.q) void (shown.q.trim() ? showFound(shown.q) : showAuthors());
  else linkAll();
  if (shown.author === before.author) return;
  void (shown.author ? showAuthor(shown.author, "author" in before) : showNobody(before.author));
}

function linkAll() {
  for (const link of browse.querySelectorAll("a")) {
    const { author } = link.dataset;
    link.href = address(author, shown.q);
    if (author === shown.author) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", follow);

words.form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});

let typing = 0;
words.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, TYPING);
});

// The first letter is a step to come back from; those after it only change where one is.
function search() {
  clearTimeout(typing);
  const q = words.value.trim();
  if (q === shown.q.trim()) return;
  if (q && shown.q && !shown.author) history.replaceState(null, "", address("", q));
  else history.pushState(null, "", address("", q));
  follow();
}

// --- What is shown

async function showAuthors() {
  await draw(browse, async (ask) => {
    const page = await ask(`authors?limit=${AUTHORS}`);
    const items = ({ data }) => [["Authors", data.map(authorItem)]];
    if (page.data.length) return pages(page, items, ask, 2, "More authors");
    return [heading(2, "Authors"), notice("The catalog is empty", "There are no authors yet.")];
  });
}

async function showFound(q) {
  await draw(browse, async (ask, signal) => {
    const writers = new Map();
    const items = async ({ data: { authors, books } }) => {
      await learn(writers, authors, books, ask, signal);
      const titles = books.map((book) => bookItem(book, writers.get(book.authorId)));
      return [["Authors", authors.map(authorItem)], ["Books", titles]];
    };
    const page = await ask(`search?q=${encodeURIComponent(q)}`);
    const found = page.data.authors.length + page.data.books.length;
    say(found ? `${found}${page.next ? " and more" : ""} found.` : "Nothing found.");
    if (found) return pages(page, items, ask, 2, "More of them");
    const how = "Words are looked for as a whole; only the last one may go on.";
    return [heading(2, "Search"), notice("Nothing found", how)];
  });
}

// Who wrote the books; those who were deleted a moment ago remain unknown.
async function learn(writers, authors, books, ask, signal) {
  for (const author of authors) writers.set(author.id, author);
  const ids = new Set(books.map((book) => book.authorId).filter((id) => !writers.has(id)));
  const asked = [...ids].map(async (id) => writers.set(id, (await ask(`authors/${id}`)).data));
  await Promise.allSettled(asked);
  signal.throwIfAborted();
}

async function showAuthor(id, chosen) {
  if (narrow.matches) scrollTo(0, 0);
  else detail.scrollTo(0, 0);
  document.title = NAME;
  const name = heading(2, "");
  name.tabIndex = -1;
  await draw(detail, async (ask) => {
    const [author, books] = await Promise.all([
      ask(`authors/${id}`),
      ask(`books/${id}?limit=${BOOKS}`),
    ]);
    name.textContent = nameOf(author.data);
    document.title = `${name.textContent} – ${NAME}`;
    const items = ({ data }) => [["Books", data.map(cover)]];
    const shelf = books.data.length
      ? await pages(books, items, ask, 3, "More books")
      : [heading(3, "Books"), notice("No books yet", "Nothing by this author is in the catalog.")];
    return [back(), name, element("p", { className: "bio" }, author.data.bio ?? ""), ...shelf];
  });
  // After a link was followed, whoever cannot see the page is to hear where they are.
  if (chosen) name.focus({ preventScroll: true });
}

async function showNobody(left) {
  document.title = NAME;
  await draw(detail, () => [notice("Choose an author", "Their books are shown here.")]);
  if (!left) return;
  if (narrow.matches) scrollTo(0, listed);
  browse.querySelector(`a[data-author="${left}"]`)?.focus({ preventScroll: true });
}

function back() {
  return element("a", { className: "back", href: address("", shown.q) }, "← Back to the list");
}

function say(text) {
  said.textContent = text;
}

// Draw a part of the page with what `work` finds. A later drawing of the same part ends this one.
async function draw(part, work) {
  drawing.get(part)?.abort();
  const controller = new AbortController();
  const { signal } = controller;
  drawing.set(part, controller);
  part.setAttribute("aria-busy", "true");
  part.replaceChildren(loading());
  try {
    const nodes = await work((url, told = waking) => get(url, signal, told), signal);
    if (!signal.aborted) part.replaceChildren(...nodes);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Failure)) console.error(error);
    const text = error instanceof Failure ? error.message : "Something went wrong on this page.";
    const again = button("Try again", () => draw(part, work));
    part.replaceChildren(...(part === detail ? [back()] : []), notice(text, "", again));
    say(text);
  }
  part.removeAttribute("aria-busy");
  linkAll();

  function waking(why) {
    // What is drawn already stays.
    if (!part.hasAttribute("aria-busy") || part.querySelector(".waking")) return;
    const note = notice("The database is waking up", `${why} This page asks again by itself.`);
    note.classList.add("waking");
    part.replaceChildren(note);
    say("The database is waking up.");
  }
}

// Lists under headings, from one page and, at the press of a button, from those after it.
async function pages(page, items, ask, level, text) {
  const whole = element("div");
  const lists = new Map();
  const add = async (more) => {
    const added = [];
    for (const [title, entries] of await items(more)) {
      if (entries.length && !lists.has(title)) {
        lists.set(title, element("ul"));
        whole.append(heading(level, title), lists.get(title));
      }
      lists.get(title)?.append(...entries);
      added.push(...entries);
    }
    return added;
  };
  await add(page);
  if (!page.next) return [whole];

  let { next } = page;
  const trouble = element("p");
  const told = (what) => say((trouble.textContent = what));
  const onwards = button(text, async () => {
    if (onwards.ariaDisabled) return;
    onwards.ariaDisabled = "true";
    try {
      const more = await ask(next, () => told("The database is waking up…"));
      const added = await add(more);
      linkAll();
      say(`${added.length} more.`);
      (added[0]?.querySelector("a") ?? added[0])?.focus(); // they may be gone by now
      ({ next } = more);
      onwards.hidden = !next;
      trouble.textContent = "";
    } catch (error) {
      if (error.name === "AbortError") return; // something else is shown by now
      if (!(error instanceof Failure)) console.error(error);
      told(error instanceof Failure ? error.message : "Something went wrong on this page.");
    } finally {
      onwards.ariaDisabled = null;
    }
  });
  return [whole, trouble, onwards];
}

follow();
