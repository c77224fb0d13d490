module.exports = {
  up: (queryInterface, { DATE, INTEGER, STRING }) =>
    queryInterface.createTable("Authors", {
      id: { type: INTEGER, allowNull: false, autoIncrement: true, primaryKey: true },
      name: { type: STRING },
      bio: { type: STRING },
      createdAt: { type: DATE, allowNull: false },
      updatedAt: { type: DATE, allowNull: false },
    }),

  down: (queryInterface) => queryInterface.dropTable("Authors"),
};
