// The guide's two models.
const { DataTypes, Sequelize } = require("sequelize");

const sequelize = new Sequelize(require("./config"));

const Author = sequelize.define("Author", {
  name: DataTypes.STRING,
  bio: DataTypes.STRING,
});

const Book = sequelize.define("Book", {
  title: { type: DataTypes.STRING, allowNull: false },
  authorId: { type: DataTypes.INTEGER, allowNull: false },
});

Book.belongsTo(Author, { as: "author", foreignKey: "authorId", onDelete: "CASCADE" });

module.exports = { Author, Book };
