"use strict";

// The guide's third migration: whose a book is.
module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn("Books", "authorId", {
      type: Sequelize.INTEGER,
      references: { model: "Authors", key: "id" },
      onDelete: "CASCADE",
    });
  },

  async down(queryInterface) {
    await queryInterface.removeColumn("Books", "authorId");
  },
};
