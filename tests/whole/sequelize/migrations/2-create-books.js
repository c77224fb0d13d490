module.exports = {
  up: (queryInterface, { DATE, INTEGER, STRING }) =>
    queryInterface.createTable("Books", {
      id: { type: INTEGER, allowNull: false, autoIncrement: true, primaryKey: true },
      title: { type: STRING },
      createdAt: { type: DATE, allowNull: false },
      updatedAt: { type: DATE, allowNull: false },
    }),

  down: (queryInterface) => queryInterface.dropTable("Books"),
};
