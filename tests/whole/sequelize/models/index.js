"use strict";

// The guide's models: what they promise, and the order of their attributes.
const { DataTypes, Sequelize } = require("sequelize");
const config = require("../config/config.js").development;

const sequelize = new Sequelize(config.database, config.username, null, config);

const Author = sequelize.define("Author", {
  name: { type: DataTypes.STRING, allowNull: false },
  bio: { type: DataTypes.STRING, allowNull: false },
});

const Book = sequelize.define("Book", {
  title: { type: DataTypes.STRING, allowNull: false },
  authorId: { type: DataTypes.INTEGER, allowNull: false },
});

Author.hasMany(Book, { foreignKey: "authorId" });
Book.belongsTo(Author, { foreignKey: "authorId" });

module.exports = { Author, Book };
