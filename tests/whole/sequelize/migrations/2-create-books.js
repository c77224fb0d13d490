module.exports = {
  up: (queryInterface, { DATE, INTEGER, STRING }) =>
    queryInterface.createTable("Books", {
      id: { type: INTEGER, allowNull: false, autoIncrement: true, primaryKey: true },
      title: { type: STRING },
      createdAt: { type: DATE, allowNull: false },
      updatedAt: { type: DATE, allowNull: false },
      authorId: {
        type: INTEGER,
        references: { model: "Authors", key: "id" },
        onDelete: "CASCADE",
      },
    }),

  down: (queryInterface) => queryInterface.dropTable("Books"),
};
