"use strict";

// The guide's application. It prints its port, and ends with its standard input.
const express = require("express");
const { Author, Book } = require("./models");

const app = express();

app.get("/authors", async (_request, response) => {
  response.json(await Author.findAll({ order: ["id"] }));
});

app.get("/books/:author_id", async (request, response) => {
  const authorId = parseInt(request.params.author_id);
  response.json(await Book.findAll({ where: { authorId }, order: ["id"] }));
});

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
