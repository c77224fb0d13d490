// The guide's sample data, one row after the other.
const { Author, Book } = require("./models");

const CATALOG = [
  {
    name: "J.K. Rowling",
    bio: "The creator of the Harry Potter series",
    books: ["Harry Potter and the Philosopher's Stone", "Harry Potter and the Chamber of Secrets"],
  },
  {
    name: "J.R.R. Tolkien",
    bio: "The creator of Middle-earth and author of The Lord of the Rings.",
    books: [
      "The Hobbit",
      "The Fellowship of the Ring",
      "The Two Towers",
      "The Return of the King",
    ],
  },
  {
    name: "George R.R. Martin",
    bio: "The author of the epic fantasy series A Song of Ice and Fire.",
    books: ["A Game of Thrones", "A Clash of Kings"],
  },
];

(async () => {
  for (const { books, ...author } of CATALOG) {
    const { id } = await Author.create(author);
    for (const title of books) await Book.create({ title, authorId: id });
  }
  await Author.sequelize.close();
})();
