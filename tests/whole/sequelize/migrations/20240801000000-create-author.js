"use strict";

// As `sequelize model:generate --name Author --attributes name:string,bio:string` writes it.
module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.createTable("Authors", {
      id: { allowNull: false, autoIncrement: true, primaryKey: true, type: Sequelize.INTEGER },
      name: { type: Sequelize.STRING },
      bio: { type: Sequelize.STRING },
      createdAt: { allowNull: false, type: Sequelize.DATE },
      updatedAt: { allowNull: false, type: Sequelize.DATE },
    });
  },

  async down(queryInterface) {
    await queryInterface.dropTable("Authors");
  },
};
