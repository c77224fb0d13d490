module.exports = {
  up: (queryInterface, { INTEGER }) =>
    queryInterface.addColumn("Books", "authorId", {
      type: INTEGER,
      references: { model: "Authors", key: "id" },
      onDelete: "CASCADE",
    }),

  down: (queryInterface) => queryInterface.removeColumn("Books", "authorId"),
};
